"""The webhook of a call, delivered again to the real switchboard: at once, when its answer was lost, in the middle of
the call, when it is over, and after a restart; what holds of the answers.

The call is a simulated one, of which only its length is used: no clock is read, and nobody waits.
"""

from functools import partial
from random import Random
from typing import Final

import trio
from attrs import define, field, frozen
from structlog.testing import capture_logs
from trio.testing import MockClock

from bridge.agents import Agent
from bridge.calls.intake import Webhook, routes_of
from bridge.calls.setup import CurrentSetup, Setup
from bridge.calls.switchboard import Switchboard
from bridge.config import Secrets, Settings
from bridge.heart.effects import EndCall
from bridge.links.model import ModelAddress
from bridge.tapes.header import Header
from bridge.tapes.reader import Known
from bridge.wire.routes import Routes

LOST_MS: Final = (5_100, 15_100)
"""How long after the first webhook Twilio asks again, when no connection or no answer came."""

LATE_MS: Final = (100, 60_000, 86_000_000)
"""How long after the end of a call somebody still delivers its webhook."""

PUBLIC_URL: Final = "https://bridge.example.com"
OVER: Final = EndCall("caller", "hung up")


@frozen
class Deliveries:
    """When a call's webhook is delivered, besides the first time."""

    again_ms: tuple[int, ...] = ()
    """In ms since the first."""
    late_ms: tuple[int, ...] = ()
    """In ms since the end of the call."""
    lost_ms: int = 0
    """So much later than the first answer the one came that Twilio heard; 0 when it heard the first."""
    has_restart: bool = False
    """Whether the late ones come to a daemon that was started since."""

    @property
    def kinds(self) -> set[str]:
        """Return what comes about by them."""
        came = {"webhook again": self.again_ms, "webhook late": self.late_ms, "answer lost": self.lost_ms}
        return {name for name, what in came.items() if what}


def drawn_deliveries(seed: int) -> Deliveries:
    """Return how often the webhook of a call of the day is delivered, and when; once in six of ten calls."""
    dice = Random(f"webhooks {seed}")
    if dice.random() < 0.6:
        return Deliveries()
    lost_ms = dice.choice(LOST_MS) if dice.random() < 0.3 else 0
    soon = [ms for ms in (0, 20, dice.randint(0, 30_000)) if dice.random() < 0.5]
    late = [ms for ms in LATE_MS if dice.random() < 0.3]
    again = [*soon, lost_ms] if lost_ms else soon
    return Deliveries(tuple(sorted(again)), tuple(late), lost_ms, dice.random() < 0.5)


def faults_of(header: Header, agent: Agent, deliveries: Deliveries, ended_ms: int) -> list[str]:
    """Return what is wrong with the answers; nothing is."""
    if deliveries == Deliveries():
        return []
    desk = FrontDesk(header, agent, max(1, ended_ms))  # some are over as soon as they began
    with capture_logs():
        trio.run(partial(desk.serve, deliveries), clock=MockClock())
    return desk.faults


@define(eq=False)
class PaperCall:
    """A call of which nobody hears: it is there until it is over."""

    call_id: str
    agent: Agent
    routes: Routes
    born: float = 0.0
    due: float = float("inf")
    last_event: float = 0.0
    ended: float = float("inf")
    leaves_by: float = float("inf")
    end: EndCall | None = None
    is_cancelled: bool = False
    is_outgoing: bool = False
    is_waiting: bool = False
    is_streaming: bool = False
    is_away: bool = False
    over: trio.Event = field(factory=trio.Event)

    async def run(self) -> None:
        """Be there until it is over."""
        await self.over.wait()

    async def wait_on_disk(self) -> None:
        """Wait for nothing: its tape is in memory."""
        await trio.lowlevel.checkpoint()


@define(eq=False)
class Host:
    """What carries the call, and remembers which calls it was asked to begin."""

    begun: list[PaperCall] = field(factory=list)
    taped: dict[str, Known] = field(factory=dict)
    has_room: bool = True
    is_late: bool = False
    is_full: bool = False
    files_left: int = 10_000

    def begin_call(self, webhook: Webhook, call_id: str, secret: str) -> PaperCall:
        """Begin one more."""
        self.begun.append(PaperCall(call_id, webhook.agent, routes_of(webhook, secret)))
        return self.begun[-1]

    def taped_as(self, call_id: str) -> Known | None:
        """Return the call recorded under this id."""
        return self.taped.get(call_id)


@define(eq=False)
class FrontDesk:
    """The desk at which every delivery is handed in."""

    header: Header
    agent: Agent
    ended_ms: int
    faults: list[str] = field(factory=list)
    _host: Host = field(factory=Host)
    _board: Switchboard = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._board = self._new_board()

    def _new_board(self) -> Switchboard:
        settings = Settings(agents={self.agent.name: self.agent})
        setup = Setup(settings, Secrets(), ModelAddress("wss://simulated", "simulated", []), {})
        return Switchboard(CurrentSetup(setup), self._host)  # type: ignore[arg-type]  # it is asked for no more

    async def serve(self, deliveries: Deliveries) -> None:
        """Hand in every delivery at its time, those of one moment at once."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._board.run)
            live = sorted(ms for ms in (0, *deliveries.again_ms) if ms < self.ended_ms)
            answers = [answer for ms in dict.fromkeys(live) for answer in await self._at(ms, live.count(ms))]
            self._hold(len(set(answers)) == 1 and "<Connect" in answers[0], "one call, several answers")
            await self._end()
            if deliveries.has_restart:
                self._board = self._new_board()
                await nursery.start(self._board.run)
            gone = [ms - self.ended_ms for ms in deliveries.again_ms if ms >= self.ended_ms]
            for ms in sorted([*gone, *deliveries.late_ms]):
                (answer,) = await self._at(self.ended_ms + ms, 1)
                self._hold("<Connect" not in answer, "the webhook of a call that is over opened something")
            nursery.cancel_scope.cancel()
        self._hold(len(self._host.begun) == 1, f"{len(self._host.begun)} calls of one CallSid")

    def _hold(self, is_so: bool, fault: str) -> None:
        if not is_so and fault not in self.faults:
            self.faults.append(fault)

    async def _at(self, ms: int, times: int) -> list[str]:
        self._let_pass(ms)
        answers = list[str]()

        async def deliver() -> None:
            answers.append(await self._board.answer(self._webhook()))

        async with trio.open_nursery() as at_once:
            for _ in range(times):
                at_once.start_soon(deliver)
        return answers

    def _webhook(self) -> Webhook:
        header = self.header
        form = {"CallSid": header.call_sid, "AccountSid": header.account_sid, "CallStatus": "ringing"}
        form |= {"From": header.caller, "To": header.called}
        url = f"{PUBLIC_URL}/voice/{self.agent.name}"
        return Webhook(self._board.current.setup, self.agent, form, url)

    def _let_pass(self, ms: int) -> None:
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, MockClock)
        clock.jump(max(0.0, ms / 1000 - trio.current_time()))

    async def _end(self) -> None:
        """End every call that was begun; each has a tape from now on."""
        self._let_pass(self.ended_ms)
        for call in self._host.begun:
            call.end = OVER
            call.over.set()
            self._host.taped[call.call_id] = Known.by(self.header)
        while self._board.calls:
            await trio.lowlevel.checkpoint()
