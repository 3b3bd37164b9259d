"""What is due when: every alarm of a call, and which is the first. Pure, int ms."""

from operator import itemgetter

from attrs import define

from bridge.agents import Limits
from bridge.heart.catching_up import CatchingUp
from bridge.heart.dead_air import DeadAir
from bridge.heart.failure import UNREACHABLE
from bridge.heart.keys import Keys
from bridge.heart.parts.agent_voice import AgentVoice
from bridge.heart.parts.callee import Callee
from bridge.heart.parts.caller_side import CallerSide
from bridge.heart.parts.ending import Ending
from bridge.heart.parts.excursions import Excursions
from bridge.heart.parts.farewell import Farewell
from bridge.heart.parts.outgoing import OutgoingSide
from bridge.heart.parts.patience import Patience
from bridge.heart.parts.reconnect import Reconnect
from bridge.heart.parts.time_up import Alarm, TimeUp
from bridge.heart.phone_stream import PhoneStream
from bridge.heart.playout import Playout
from bridge.heart.session import Session
from bridge.heart.turns import Turns

_time_of = itemgetter(0)


@define
class Alarms:
    """Looks at what is known after every event, fifty times a second: the deadline and the test for it are one."""

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

    def first(self) -> Alarm:
        """Return the alarm that comes first, and of several at one time the one that stands first below."""
        return min(self._all(), key=_time_of)

    def _all(self) -> list[Alarm]:
        """Return all of them; of a peer's silence none is believed before we have read what they said."""
        unread, limits, is_over = self.catching_up.until, self.limits, self.session.is_over
        alarms: list[Alarm] = []
        if not is_over:
            self.time_up.add_alarms(alarms)
        if self.stream.sid:
            self._add_those_of_the_stream(alarms, unread)
        elif self.excursions.is_here and self.callee.is_answered:
            waited_at = self.callee.answered_at + limits.waiting_seconds * 1000
            alarms.append((max(unread, waited_at), self._no_stream_came))
        if not self.excursions.is_here:
            alarms.append((max(unread, self.excursions.due), self.excursions.is_late))
        if not is_over:
            self._add_those_of_the_session(alarms, unread)
        if (due := self.dead_air.due) is not None:
            alarms.append((max(unread, due), self.patience.is_tried))
        if (due := self.turns.turn_due) is not None:
            alarms.append((max(unread, due), self.patience.turn_is_endless))
        if (due := self.turns.retry_at) is not None:
            alarms.append((due, self.turns.retry_is_due))
        if (due := self.keys.due) is not None and self.session.is_open:
            alarms.append((due, self.caller.give_keys))
        if self.farewell.may_go:
            alarms.append((self.farewell.due, self.farewell.go))
        if not self.callee.is_open:
            alarms += self.outgoing.alarms()
        return alarms

    def _add_those_of_the_session(self, alarms: list[Alarm], unread: int) -> None:
        if not self.session.is_ready:
            alarms.append((max(unread, self.session.due), self._model_is_late))
        if (due := self.session.old_at) is not None:
            alarms.append((due, self.reconnect.grow_old))

    def _add_those_of_the_stream(self, alarms: list[Alarm], unread: int) -> None:
        limits, stream = self.limits, self.stream
        alarms.append((max(unread, stream.last_frame + limits.lost_media_ms), self._media_is_lost))
        if self.callee.is_open:
            quiet_at, ring = self.time_up.quiet_alarm
            alarms.append((max(unread, quiet_at), ring))
        if (due := self.playout.deadline) is not None and self.callee.hears:
            alarms.append((due, self.voice.play))

    # ------------------------------------------------------------ what happens then

    def _no_stream_came(self) -> None:
        self.ending.end("limit", "no media stream came")

    def _media_is_lost(self) -> None:
        self.ending.end("caller", "media stopped coming")

    def _model_is_late(self) -> None:
        self.excursions.fail("the model was not ready in time", UNREACHABLE)
