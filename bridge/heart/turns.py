"""Whose turn it is: at most one response outstanding, and what is owed to the caller. Pure, int ms.

The Realtime server refuses a second response while one is active, and with `create_response` it also makes
responses by itself. So every response we owe waits here until it can't collide. How long anybody waits is told in
`dead_air`.
"""

from typing import Final

from attrs import define, field

RETRY_MS: Final = 1000
"""First pause before a failed response is asked for again; each further one waits as much longer."""

LEAST_RETRY_MS: Final = 250
"""However soon a server says it may be asked again."""

RATE_LIMITED: Final = "rate_limit_exceeded"

LEAST_SOUND_MS: Final = 100
"""A response with less sound than this has said nothing: the shortest "yes" is twice as long."""


@define
class Turns:
    """Which responses are asked for, active, owed, or cut off."""

    creates_itself: bool
    longest_turn_ms: int
    caller_is_speaking: bool = False
    """Their turn has begun, and is not in the conversation yet."""
    active: str = ""
    is_opened: bool = False
    """The agent or the caller has begun the conversation."""
    retry_at: int | None = None
    """When a failed response may be asked for again."""
    is_in_doubt: bool = False
    """What the caller says may be no turn: until that is known nothing is asked, and nobody leaves."""
    is_perhaps_unanswered: bool = False
    """What was taken for noise may have been words: nobody has written them down."""
    prompt: str = ""
    """What the response that is owed is to say, where it is no answer of its own."""
    _requested: str = ""
    _is_expected: bool = False
    _is_owed: bool = False
    _is_blocked: bool = False
    _is_unanswered: bool = True  # the greeting is owed from the beginning
    _talking_since: int | None = None
    _is_closed_by_us: bool = False
    _is_commit_ours: bool = False
    _is_guess: bool = False
    _limits_reset_at: int = 0
    _retries: int = 0
    _sound_ms: int = 0
    _cut: dict[str, None] = field(factory=dict)

    # ------------------------------------------------------------ the caller

    def caller_began(self, now: int) -> None:
        """The caller speaks: what the model was saying is over."""
        self.caller_is_speaking, self.prompt, self.is_perhaps_unanswered = True, "", False
        if self._talking_since is None or self._is_closed_by_us:
            self._talking_since, self._is_closed_by_us = now, False

    def caller_paused(self) -> None:
        """The caller stopped; should the turn never be committed, somebody waits all the same."""
        self._talking_since = None
        self._is_unanswered = self._is_unanswered or not self.is_in_doubt
        self._is_closed_by_us = self._is_commit_ours = False

    def caller_ended(self) -> None:
        """The caller's turn is in the conversation: an answer to it is made by the server, or owed by us."""
        self.caller_is_speaking, self.is_opened, self.prompt = False, True, ""
        if self._is_commit_ours:
            self._is_commit_ours = False
            return  # an answer to it is owed already
        self._talking_since, self._is_closed_by_us, self._is_unanswered = None, False, True
        self._is_expected = self.creates_itself and not self.active
        self._is_owed = not self._is_expected

    def caller_set_aside(self) -> None:
        """What the caller said is in the conversation, and is no turn, or not known to be one yet."""
        self.caller_is_speaking, self._talking_since = False, None
        self._is_closed_by_us = self._is_commit_ours = False

    def caller_meant_it(self) -> None:
        """What was set aside is a turn, and owed an answer."""
        self.is_opened = True
        self.owe()

    @property
    def turn_due(self) -> int | None:
        """When the caller's turn has lasted too long to be one; None while none goes on."""
        return None if self._talking_since is None else self._talking_since + self.longest_turn_ms

    def close_turn(self, now: int) -> bool:
        """Take the turn for over although nobody said so; False when that was done before and didn't help."""
        if self._is_closed_by_us:
            return False
        self._is_closed_by_us, self._talking_since = True, now
        self._is_unanswered = self._is_owed = True
        return True

    def commit(self) -> bool:
        """Say whether there is a turn that we must put into the conversation, since the server does not."""
        is_needed, self.caller_is_speaking = self.caller_is_speaking, False
        self._is_commit_ours = self._is_commit_ours or is_needed
        return is_needed

    def commit_refused(self) -> None:
        """There was nothing to put there."""
        self._is_commit_ours = False

    @property
    def caller_is_talking(self) -> bool:
        """Say whether the caller's voice is heard, as far as turn detection says."""
        return self.caller_is_speaking and self._talking_since is not None

    def caller_left(self) -> None:
        """The caller has left the stream: nobody speaks there, and nothing is owed to anybody."""
        self.caller_is_speaking, self._talking_since, self.retry_at = False, None, None
        self._is_closed_by_us = self._is_commit_ours = False
        self._is_expected = self._is_owed = self._is_unanswered = self.is_perhaps_unanswered = False

    def session_lost(self) -> None:
        """The session is gone, and every response with it: what somebody waits for, the next one owes."""
        self.is_perhaps_unanswered = False  # the next one has heard nothing of it
        self._is_owed = self.is_going_on
        self.active = self._requested = ""
        self.caller_is_speaking, self._talking_since, self.retry_at = False, None, None
        self._is_closed_by_us = self._is_commit_ours = self._is_expected = self._is_blocked = False

    # ------------------------------------------------------------ the model

    def created(self, response_id: str) -> None:
        """A response began: the server's own if one was expected, and then our request is still to be answered."""
        self.active, self._sound_ms, self.is_perhaps_unanswered = response_id, 0, False
        if not self._is_expected:
            self._requested = ""
        self._is_expected = False

    def spoke(self, sound_ms: int) -> None:
        """The model made a sound that will be played."""
        self._sound_ms += sound_ms
        self.is_opened = True

    def finished(self, response_id: str) -> bool:
        """A response ended, however; say whether it was an answer: one that can be heard."""
        self._cut.pop(response_id, None)
        self._is_blocked = False
        if self.active not in ("", response_id):
            return False
        is_answer = self._sound_ms >= LEAST_SOUND_MS
        self.active, self._sound_ms = "", 0
        if is_answer:
            self._is_unanswered, self._retries, self.prompt = False, 0, ""
        return is_answer

    def refused(self, client_event_id: str, *, is_busy: bool) -> None:
        """Our request failed: because another response is active, or for good.

        The server's own response can fail too, which names no message of ours; any other nameless error is none
        of a request. What is owed for another reason stays owed.
        """
        if client_event_id != self._requested and not (is_busy and not client_event_id):
            return
        self._requested = ""
        if is_busy:
            self._is_blocked = self._is_owed = True

    def cut_active(self) -> str:
        """Mark the active response as cut off; return its id, or an empty string."""
        self._sound_ms = 0
        if self.active:
            self.cut(self.active)
        return self.active

    def cut(self, response_id: str) -> None:
        """Mark a response as cut off."""
        self._cut[response_id] = None

    def is_cut(self, response_id: str) -> bool:
        """Say whether late pieces of this response must be dropped."""
        return response_id in self._cut

    # ------------------------------------------------------------ what we owe

    def owe(self, prompt: str = "") -> None:
        """A response is due as soon as it can't collide; with a prompt it is to say that alone."""
        self._is_owed = self._is_unanswered = True
        self.prompt = prompt

    def start_over(self) -> None:
        """Nothing came of what was asked for, expected or begun: forget it, and owe a response."""
        self.active = self._requested = ""
        self._is_expected = self._is_blocked = False
        self._is_owed = True

    @property
    def is_busy(self) -> bool:
        """Say whether a response is being made, or the caller may have begun a turn."""
        return self.active != "" or self.is_in_doubt

    @property
    def may_ask(self) -> bool:
        """Say whether an owed response can be asked for now."""
        in_the_way = (
            self.active or self._requested or self._is_expected or self._is_blocked or self.is_in_doubt
        )
        return self._is_owed and not in_the_way and not self.caller_is_speaking and self.retry_at is None

    def asked(self, event_id: str) -> None:
        """A response was asked for."""
        self._requested, self._is_owed = event_id, False

    @property
    def is_requested(self) -> bool:
        """Say whether a response was asked for that has not begun."""
        return self._requested != ""

    @property
    def is_expected(self) -> bool:
        """Say whether the server is about to begin a response by itself."""
        return self._is_expected

    def is_asked_by(self, client_event_id: str) -> bool:
        """Say whether an error concerns a response that is waited for; nameless ones do while somebody waits."""
        return client_event_id == self._requested if client_event_id else self.waiting_for != ""

    @property
    def waiting_for(self) -> str:
        """Return what the caller waits for, in words; empty when it is their turn."""
        if self.active:
            return "a response to go on"
        if self._requested or self._is_expected:
            return "a response to begin"
        if self._is_owed or self.retry_at is not None:
            return "a response to be asked for"
        if self.caller_is_speaking and self._talking_since is None:
            return "a turn to be committed"
        return "an answer" if self._is_unanswered else ""

    @property
    def is_answering(self) -> bool:
        """Say whether a response is being made or asked for, or the service may have begun one by itself."""
        is_ending = self.caller_is_speaking and self._talking_since is None
        return bool(self.active or self._requested or self._is_expected or is_ending)

    @property
    def is_under_way(self) -> bool:
        """Say whether the caller speaks, or a response is asked for or being made."""
        is_answering = self.active or self._requested or self._is_expected or self.retry_at is not None
        return self.caller_is_speaking or self._talking_since is not None or bool(is_answering)

    @property
    def is_going_on(self) -> bool:
        """Say whether the caller speaks, or waits for the model."""
        return self.caller_is_speaking or self._talking_since is not None or self.waiting_for != ""

    # ------------------------------------------------------------ trying again

    def pause_ms(self, code: str, told_ms: int | None, now: int) -> int:
        """Return how long to wait before a failed response is asked for again: as told, or longer each time."""
        if told_ms is None and code == RATE_LIMITED and self._limits_reset_at > now:
            told_ms = self._limits_reset_at - now
        self._is_guess = told_ms is None
        return RETRY_MS * (self._retries + 1) if told_ms is None else max(told_ms, LEAST_RETRY_MS)

    def retry(self, at: int) -> None:
        """Owe the failed response again, to be asked for at that time."""
        self._retries += 1
        self._requested, self._is_expected = "", False
        self._is_owed, self.retry_at = True, at

    def limits_told(self, reset_ms: int, now: int) -> bool:
        """The server told when it can be asked again; say whether something waits for a time that was only guessed."""
        self._limits_reset_at = now + reset_ms
        return self.retry_at is not None and self._is_guess

    def retry_is_due(self) -> None:
        """The pause before a retry is over."""
        self.retry_at = None
