"""What is due when: every alarm of a call, and which is the first. Pure, int ms."""

from operator import itemgetter
from typing import Final

from attrs import define

from bridge.heart.dead_air import DeadAir
from bridge.heart.decisions import NEVER, Alarm, Ring
from bridge.heart.failure import UNREACHABLE
from bridge.heart.keys import Keys
from bridge.heart.limits.catching_up import CatchingUp
from bridge.heart.limits.patience import Patience
from bridge.heart.limits.time_up import TimeUp
from bridge.heart.parts.agent_voice import AgentVoice
from bridge.heart.parts.callee import Callee
from bridge.heart.parts.caller_side import CallerSide
from bridge.heart.parts.ending import Ending
from bridge.heart.parts.excursions import Excursions
from bridge.heart.parts.farewell import Farewell
from bridge.heart.parts.outgoing import OutgoingSide
from bridge.heart.parts.overlap import Overlap
from bridge.heart.parts.reconnect import Reconnect
from bridge.heart.parts.tool_speech import ToolSpeech
from bridge.heart.phone_stream import PhoneStream
from bridge.heart.playout import Playout
from bridge.heart.session import Session
from bridge.heart.turns import Turns
from bridge.settings.limits import Limits

_time_of = itemgetter(0)

MOST_GRACE_MS: Final = 25
"""A caller's frame comes every 20 ms, and an alarm of its own costs more than all else that is done for a piece of the
agent's voice. So what is due waits for the next frame, which is a little late at times."""

GRACE_OF_LEAD: Final = 12
"""The part of the lead at the phone that this may take."""


@define
class Alarms:
    """Looks at what is known after every event: the deadline and the test for it are one.

    The earliest is kept while one after the other is looked at: a list of all of them takes twice as long.
    """

    limits: Limits
    catching_up: CatchingUp
    stream: PhoneStream
    session: Session
    keys: Keys
    playout: Playout
    turns: Turns
    dead_air: DeadAir
    voice: AgentVoice
    caller: CallerSide
    patience: Patience
    time_up: TimeUp
    farewell: Farewell
    excursions: Excursions
    ending: Ending
    callee: Callee
    outgoing: OutgoingSide
    reconnect: Reconnect
    tool_speech: ToolSpeech
    overlap: Overlap

    def first(self) -> Alarm:
        """Return the alarm that comes first, and of several at one time the one that stands first below.

        Of a peer's silence none is believed before we have read what they said.
        """
        unread, is_over = self.catching_up.until, self.session.is_over
        due, ring = NEVER if is_over else self.time_up.first_alarm
        if self.stream.sid:
            due, ring = self._first_of_stream(unread, due, ring)
        elif self.excursions.is_here and self.callee.is_answered:
            waited_at = self.callee.answered_at + self.limits.waiting_seconds * 1000
            if (at := max(unread, waited_at)) < due:
                due, ring = at, self._no_stream_came
        if not self.excursions.is_here and (at := max(unread, self.excursions.due)) < due:
            due, ring = at, self.excursions.is_late
        if not is_over:
            due, ring = self._first_of_session(unread, due, ring)
        return self._first_of_talk(unread, due, ring)

    def _first_of_session(self, unread: int, due: int, ring: Ring) -> Alarm:
        """Return what comes first of a session that is to come, or grows old."""
        if not self.session.is_ready and (at := max(unread, self.session.due)) < due:
            due, ring = at, self._model_is_late
        if (
            not self.session.is_ready
            and (filler_at := self.reconnect.filler_due) is not None
            and filler_at < due
        ):
            due, ring = filler_at, self.reconnect.fill
        if (old_at := self.session.old_at) is not None and old_at < due:
            due, ring = old_at, self.reconnect.grow_old
        if (given_up_at := self.reconnect.old_due) is not None and given_up_at < due:
            due, ring = given_up_at, self.reconnect.look
        return due, ring

    def _first_of_stream(self, unread: int, due: int, ring: Ring) -> Alarm:
        """Return what comes first while there is a stream."""
        if (at := max(unread, self.stream.last_frame + self.limits.lost_media_ms)) < due:
            due, ring = at, self._media_is_lost
        if self.callee.is_open:
            quiet_at, quiet = self.time_up.quiet_alarm
            if (at := max(unread, quiet_at)) < due:
                due, ring = at, quiet
        if (played_at := self.playout.deadline) is not None and played_at < due and self.callee.hears:
            due, ring = played_at, self.voice.play
        return due, ring

    def _first_of_talk(self, unread: int, due: int, ring: Ring) -> Alarm:
        """Return what comes first of what somebody waits for."""
        if (silent_at := self.dead_air.due) is not None and (at := max(unread, silent_at)) < due:
            due, ring = at, self.patience.is_tried
        said_at, speak = self.tool_speech.first_alarm
        if (at := max(unread, said_at)) < due:
            due, ring = at, speak
        if (turn_at := self.turns.turn_due) is not None and (at := max(unread, turn_at)) < due:
            due, ring = at, self.patience.turn_is_endless
        if (retry_at := self.turns.retry_at) is not None and retry_at < due:
            due, ring = retry_at, self.turns.retry_is_due
        if (keys_at := self.keys.due) is not None and keys_at < due and self.session.is_open:
            due, ring = keys_at, self.caller.give_keys
        if (judged_at := self.overlap.due) is not None and judged_at < due:
            due, ring = judged_at, self.overlap.look
        if self.farewell.may_go and not self.turns.is_in_doubt and self.farewell.due < due:
            due, ring = self.farewell.due, self.farewell.go
        if not self.callee.is_open:
            due, ring = min([(due, ring), *self.outgoing.alarms()], key=_time_of)
        return due, ring

    @property
    def grace_ms(self) -> int:
        """Return how much later than due an alarm may ring: while frames come, until the next of them is late."""
        if not self.stream.sid or self.stream.decisions.now - self.stream.last_frame > MOST_GRACE_MS:
            return 0
        return min(MOST_GRACE_MS, self.limits.lead_ms // GRACE_OF_LEAD)

    # ------------------------------------------------------------ what happens then

    def _no_stream_came(self) -> None:
        self.ending.end("limit", "no media stream came")

    def _media_is_lost(self) -> None:
        self.ending.end("caller", "media stopped coming")

    def _model_is_late(self) -> None:
        self.excursions.fail("the model was not ready in time", UNREACHABLE)
