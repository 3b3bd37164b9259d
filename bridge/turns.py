"""Whose turn it is: at most one response outstanding, and nobody left waiting for an answer. Pure, int ms.

The Realtime server refuses a second response while one is active, and with `create_response` it also makes
responses by itself. So every response we owe waits here until it can't collide.
"""

from typing import Final

from attrs import define, field

RETRY_MS: Final = 1000
"""First pause before a failed response is asked for again; each further one waits as much longer."""

MOST_RETRIES: Final = 3
MOST_NUDGES: Final = 1


@define
class Turns:
    """Which responses are asked for, active, owed, or cut off."""

    creates_itself: bool
    answer_timeout_ms: int
    caller_is_speaking: bool = False
    active: str = ""
    _requested: str = ""
    _is_expected: bool = False
    _is_owed: bool = False
    _is_blocked: bool = False
    _retry_at: int | None = None
    _waiting_since: int | None = None
    _retries: int = 0
    _nudges: int = 0
    _cut: dict[str, None] = field(factory=dict)

    # ------------------------------------------------------------ what happened

    def caller_began(self) -> None:
        """The caller speaks: nobody waits for the model, and what it was saying is over."""
        self.caller_is_speaking = True
        self._waiting_since = None

    def caller_paused(self, now: int) -> None:
        """The caller stopped; should the turn never be committed, somebody waits all the same."""
        self._waiting_since = now

    def caller_ended(self, now: int) -> None:
        """The caller's turn is in the conversation: an answer to it is made by the server, or owed by us."""
        self.caller_is_speaking = False
        self._waiting_since = now
        self._is_expected = self.creates_itself and not self.active
        self._is_owed = not self._is_expected

    def created(self, response_id: str) -> None:
        """A response began: the server's own if one was expected, and then our request is still to be answered."""
        self.active = response_id
        if not self._is_expected:
            self._requested = ""
        self._is_expected = False

    def answered(self) -> None:
        """The model spoke or called a tool: nobody waits any more."""
        self._waiting_since = None
        self._nudges = self._retries = 0

    def finished(self, response_id: str, now: int) -> None:
        """A response ended, however; who asked for another one waits for that from now on."""
        self._cut.pop(response_id, None)
        self._is_blocked = False
        if self.active == response_id:
            self.active = ""
        if self._requested and self._waiting_since is None:
            self._waiting_since = now

    def said_nothing(self) -> None:
        """A response was completed without a word; asked once more already, that is the model's answer."""
        if self._nudges >= MOST_NUDGES:
            self._waiting_since = None

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

    def owe(self, now: int) -> None:
        """A response is due as soon as it can't collide; while the caller speaks nobody waits for it."""
        self._is_owed = True
        if not self.caller_is_speaking:
            self._waiting_since = now

    def retry(self, now: int) -> bool:
        """Owe the failed response again after a pause; False when that was tried often enough."""
        if self._retries >= MOST_RETRIES:
            return False
        self._retries += 1
        self._requested, self._is_expected = "", False
        self._is_owed, self._retry_at, self._waiting_since = True, now + RETRY_MS * self._retries, None
        return True

    @property
    def may_ask(self) -> bool:
        """Say whether an owed response can be asked for now."""
        in_the_way = self.active or self._requested or self._is_expected or self._is_blocked
        return self._is_owed and not in_the_way and not self.caller_is_speaking and self._retry_at is None

    def asked(self, event_id: str, now: int) -> None:
        """A response was asked for."""
        self._requested, self._is_owed, self._waiting_since = event_id, False, now

    def is_asked_by(self, client_event_id: str) -> bool:
        """Say whether an error concerns a response that is waited for; nameless ones do while somebody waits."""
        if client_event_id:
            return client_event_id == self._requested
        return self._waiting_since is not None

    @property
    def is_going_on(self) -> bool:
        """Say whether the caller speaks, or waits for the model."""
        return self.caller_is_speaking or self._waiting_since is not None or self._retry_at is not None

    # ------------------------------------------------------------ time

    @property
    def retry_at(self) -> int | None:
        """When a failed response may be asked for again."""
        return self._retry_at

    def retry_is_due(self) -> None:
        """The pause before a retry is over."""
        self._retry_at = None

    @property
    def answer_due(self) -> int | None:
        """When somebody has waited too long for the model, or None while nobody waits."""
        return None if self._waiting_since is None else self._waiting_since + self.answer_timeout_ms

    def nudge(self, now: int) -> bool:
        """Nobody answered: forget what was expected and owe a response; False when that was tried before."""
        if self._nudges >= MOST_NUDGES:
            return False
        self._nudges += 1
        self.active = self._requested = ""
        self._is_expected = self._is_blocked = self.caller_is_speaking = False
        self.owe(now)
        return True
