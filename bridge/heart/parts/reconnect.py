"""The model's next session: opened when one is lost, and between two turns before one grows too old. The conversation
goes on in it where it was, without a second greeting. Pure, int ms.
"""

from typing import Final

from attrs import define

from bridge.agents import Agent
from bridge.heart.decisions import Decisions
from bridge.heart.effects import OpenSession
from bridge.heart.held_audio import HeldAudio
from bridge.heart.keys import Keys
from bridge.heart.last_words import LastWords
from bridge.heart.parts.callee import Callee
from bridge.heart.parts.conversation import SYSTEM, Conversation
from bridge.heart.parts.farewell import Farewell
from bridge.heart.parts.filler import Filler
from bridge.heart.phone_stream import PhoneStream
from bridge.heart.playout import Playout
from bridge.heart.prompts import connection_broke
from bridge.heart.session import Session
from bridge.heart.turns import Turns

STEADY_MS: Final = 30_000
"""A session that lasted so long was no failed try: when it is lost, the next one is opened at once."""

LONGEST_PAUSE_MS: Final = 1000


@define
class Reconnect:
    """Decides whether a session is followed by another, and when."""

    agent: Agent
    decisions: Decisions
    session: Session
    conversation: Conversation
    turns: Turns
    playout: Playout
    held: HeldAudio
    keys: Keys
    last_words: LastWords
    farewell: Farewell
    callee: Callee
    stream: PhoneStream
    filler: Filler
    is_old: bool = False
    """Whether the session is to be left as soon as that disturbs nobody."""
    _left: int = -1
    _lost_at: int = 0
    _was_cut_off: bool = False
    _was_speaking: bool = False
    _dropped: int = 0
    _filled_at: int = -1
    """When a clip was begun last, since the session was lost; -1 for never."""
    _tries: int = 0
    """Sessions that were opened and lost again, one soon after the other."""
    _began_at: int = 0

    def __attrs_post_init__(self) -> None:
        self._left = self.agent.limits.reconnects

    # ------------------------------------------------------------ a session that is lost

    @property
    def is_possible(self) -> bool:
        """Say whether a session that is lost now is followed by another."""
        return self._left > 0 and self._is_wanted

    @property
    def _is_wanted(self) -> bool:
        return not self.session.is_over and not self.farewell.is_near and not self.callee.is_machine

    def begin(self, why: str) -> None:
        """Open the next session in place of the one that was lost."""
        self._left -= 1
        self.decisions.journal.count(why)
        self._was_cut_off = self._was_cut_off or self.turns.is_going_on
        self._was_speaking = self._was_speaking or self.turns.caller_is_talking
        is_steady = self.session.is_ready and self.decisions.now - self._began_at >= STEADY_MS
        self._tries = 0 if is_steady else self._tries
        self._open_next("model_lost", why=why, pause_ms=self._pause_ms)
        self._tries += 1

    @property
    def _pause_ms(self) -> int:
        """Return how long the next try may be put off: the first not at all, each further one twice as long."""
        first_ms = self.agent.limits.reconnect_pause_ms
        return min(first_ms * 2 ** (self._tries - 1), LONGEST_PAUSE_MS) if self._tries else 0

    # ------------------------------------------------------------ a clip for a caller who waits for one

    @property
    def filler_due(self) -> int | None:
        """When a caller is to hear a clip, while no session is ready: after so long a silence, and again later."""
        filler = self.agent.filler
        if not filler.clip.sound or not self.stream.sid or not self.callee.is_open:
            return None
        silent_since = max(self._lost_at, self.stream.started_at, self.playout.ends_at, self._filled_at)
        return silent_since + (filler.after_ms if self._filled_at < 0 else filler.again_ms)

    def fill(self) -> None:
        """Let them hear it."""
        self._filled_at = self.decisions.now
        self.filler.play(self.agent.filler.clip, "no session is ready")

    # ------------------------------------------------------------ a session that grows old

    def session_began(self) -> None:
        """A session counts its age from its first word."""
        self._began_at = self.decisions.now
        seconds = self.agent.limits.session_seconds
        self.session.old_at = self.decisions.now + seconds * 1000 if seconds else None

    def grow_old(self) -> None:
        """From now on the next moment in which nobody speaks or waits is used."""
        self.session.old_at, self.is_old = None, True

    @property
    def old_due(self) -> int | None:
        """Return when to leave an old session although nothing happens; None while anything of it is under way.

        Now, where what was decided last took away what kept it; else when its last words are given up, the caller's
        that are still written down and the agent's of which no mark tells.
        """
        if not self.is_old or not self._is_free:
            return None
        now = self.decisions.now
        heard_by = self.playout.heard_by(self.agent.limits.farewell_grace_ms)
        return None if heard_by is None else max(now, heard_by, self.last_words.awaited_until(now) or now)

    @property
    def _is_free(self) -> bool:
        """Say whether there is a session in which nobody speaks or waits, and somebody who needs the next one.

        Nor may they have begun to: of a word that two sessions hear half of neither is told.
        """
        is_silent = not (self.turns.is_under_way or self.keys.are_coming or self.stream.may_carry_words)
        return self.session.is_ready and self._is_wanted and is_silent

    def look(self) -> None:
        """Leave an old session if nothing of it is under way."""
        if self.old_due == self.decisions.now:
            self._open_next("session_left", why="its time is nearly over")

    # ------------------------------------------------------------ the next one

    def _open_next(self, milestone: str, why: str, pause_ms: int = 0) -> None:
        now = self.decisions.now
        self.decisions.journal.milestone(milestone, session=self.session.number, why=why[:300])
        if self.session.is_ready:
            self.is_old, self._lost_at, self._dropped = False, now, self.held.dropped
            self._filled_at = -1
            self.session.due = now + self.agent.limits.reconnect_ms
        self.playout.break_off(self.turns.active)
        self.turns.session_lost()
        self.last_words.session_ended()
        self.session.begin_anew()
        self.decisions.say(OpenSession(self.session.number, max(0, self.session.due - now), pause_ms))

    def session_ready(self) -> None:
        """Tell the new session what was said, and what it can't know."""
        gap_ms = self.decisions.now - self._lost_at
        self.decisions.journal.milestone("session_followed", session=self.session.number, gap_ms=gap_ms)
        self.conversation.tell_again()
        if self.turns.is_opened and (self._was_cut_off or self.held.dropped > self._dropped):
            self.conversation.add_text(SYSTEM, connection_broke())
        listen_ms = self.agent.limits.reconnect_listen_ms
        if self._was_speaking and listen_ms:  # if they go on, the server hears them: they are not spoken over
            self.turns.retry_at = self.decisions.now + listen_ms
        self._was_cut_off = self._was_speaking = False
