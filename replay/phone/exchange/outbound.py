"""Calls that a bridge asks for by REST: queued at the account's pace, rung, answered by a person or a machine."""

from datetime import UTC, datetime

import attrs
import trio

from replay.phone.exchange.call import Call
from replay.phone.exchange.callbacks import Callbacks
from replay.phone.exchange.dial import verdict_form
from replay.phone.exchange.placing import Placed
from replay.phone.exchange.program import Document, Knows
from replay.phone.exchange.speech import press
from replay.phone.exchange.status import IN_PROGRESS, StatusCallbacks
from replay.phone.exchange.town import FarEnd, Town
from replay.phone.instructions.orders import Orders
from replay.phone.report import CallReport
from replay.phone.script import Account
from replay.phone.twiml import parse
from replay.phone.web import Courier, Form, Route, open_courier

RING_GRACE_S = 5  # Twilio rings so much longer than it was told
FAILED_AFTER_S = 0.5
SYNC_PATIENCE_S = 30.0  # after which detection that found nothing says `unknown`
STATUS = {"busy": "busy", "failed": "failed", "canceled": "canceled", "full": "failed"}


@attrs.define(eq=False, kw_only=True)
class Outbound:
    """One call that was asked for, from the queue to its end."""

    placed: Placed
    report: CallReport
    account: Account
    route: Route
    town: Town
    knows: Knows
    api_url: str
    total_ms: int
    status: str = "queued"
    answered_by: str = ""
    queued_ms: int = 0
    created_at: datetime = attrs.field(factory=lambda: datetime.now(UTC))
    answered_at: float | None = None
    ended_at: float | None = None
    over: trio.Event = attrs.field(factory=trio.Event, repr=False)
    _callbacks: StatusCallbacks | None = None

    @property
    def seconds(self) -> int:
        """How long it has lasted since it was answered."""
        if self.answered_at is None:
            return 0
        return round((self.ended_at or trio.current_time()) - self.answered_at)

    async def run(self, orders: Orders) -> None:
        """Make the call; REST can end it at any time by `orders`."""
        with trio.move_on_after(self.total_ms / 1000):
            async with open_courier(self._account, self.report.call_sid, self.route) as plain:
                courier = attrs.evolve(plain, direction="outbound-api")
                async with trio.open_nursery() as nursery:
                    self._callbacks = self._status_callbacks(courier, nursery)
                    await self._live(orders, courier, nursery)
        self.over.set()

    @property
    def _account(self) -> Account:
        """The account as this call's requests show it: who rings is we."""
        return attrs.evolve(self.account, caller=self.placed.from_number, number=self.placed.to_number)

    def _status_callbacks(self, courier: Courier, nursery: trio.Nursery) -> StatusCallbacks:
        return StatusCallbacks(
            courier=courier,
            report=self.report,
            nursery=nursery,
            behaviour=self.town.behaviour,
            url=self.placed.status_callback,
            events=self.placed.status_events,
        )

    async def _live(self, orders: Orders, courier: Courier, nursery: trio.Nursery) -> None:
        far_end = self.town.far_end(self.placed.to_number)
        if not orders.ends_call:
            with orders.abandonable():
                self._tell("initiated")
                self._tell(await self._ring(far_end))
        if orders.ends_call and self.status != IN_PROGRESS:
            self.status = "canceled"
        if self.status == IN_PROGRESS and far_end is not None:
            self.answered_at = trio.current_time()
            await self._talk(far_end, orders, courier, nursery)
            self.status = "completed"
        self.ended_at, orders.status = trio.current_time(), self.status
        orders.end()
        self.report.note("call_over", by=self.report.ended_by)
        if self._callbacks is not None:
            self._callbacks.tell(self.status, [("CallDuration", str(self.seconds)), *self._verdict_form()])

    def _tell(self, status: str) -> None:
        self.status = status
        self.report.note("outbound", status=status, to=self.placed.to_number)
        if self._callbacks is not None and status in ("initiated", "ringing", IN_PROGRESS):
            self._callbacks.tell(status)

    async def _ring(self, far_end: FarEnd | None) -> str:
        """What became of the ringing."""
        if far_end is None or far_end.result == "failed":
            await trio.sleep(FAILED_AFTER_S)
            return "failed"
        self._tell("ringing")
        with trio.move_on_after(self.placed.timeout_s + RING_GRACE_S):
            if far_end.result == "no_answer":
                await trio.sleep_forever()
            await trio.sleep(far_end.answers_after_ms / 1000)
            return STATUS.get(far_end.result, IN_PROGRESS)
        return "no-answer"

    # ---------------------------------------------------------------- answered

    async def _talk(self, far_end: FarEnd, orders: Orders, courier: Courier, nursery: trio.Nursery) -> None:
        call = Call(
            caller=far_end.script,
            account=self._account,
            route=self.route,
            courier=courier,
            report=self.report,
            callbacks=Callbacks(courier, self.report, nursery, None),
            nursery=nursery,
            town=self.town,
            orders=orders,
            api_url=self.api_url,
            knows=self.knows,
        )
        orders.status = IN_PROGRESS
        call.program.floor.begin()
        with trio.move_on_after(self.placed.time_limit_s):
            await call.go_through(self._begin(call, far_end, nursery))
        self.report.unreached = call.unreached

    async def _begin(self, call: Call, far_end: FarEnd, nursery: trio.Nursery) -> Document:
        """The document that the call begins with; after detection that holds it up, with what it found."""
        found = self._found(far_end)
        if self.placed.send_digits:
            await press(call.program, self.placed.send_digits)
        if self.placed.detects and not self.placed.is_async:
            with call.leg.while_there():
                await trio.sleep(
                    far_end.verdict_after_ms / 1000 if far_end.tells_verdict else SYNC_PATIENCE_S
                )
            self.answered_by = found if far_end.tells_verdict else "unknown"
        elif self.placed.detects and far_end.tells_verdict:
            nursery.start_soon(self._tell_verdict, call, far_end, found, name="phone: detection")
        if self.placed.twiml:
            return Document(parse(self.placed.twiml, "", self.report.warn))
        form = self._verdict_form()
        return await call.program.fetch("answered", self.placed.url, self.placed.method, form)

    def _found(self, far_end: FarEnd) -> str:
        """What detection says of this far end: it waits for a machine's last word only if it was told to."""
        is_machine = far_end.answered_by.startswith("machine")
        return "machine_start" if is_machine and self.placed.detects == "Enable" else far_end.answered_by

    async def _tell_verdict(self, call: Call, far_end: FarEnd, found: str) -> None:
        with call.leg.while_there():
            await trio.sleep(far_end.verdict_after_ms / 1000)
            self.answered_by = found
            self.report.note("answered_by", found=found)
            if self.placed.amd_callback is None:
                return
            form = verdict_form(call.courier, far_end, found)
            status = await call.courier.tell(self.placed.amd_callback, form)
            self.report.callbacks.append((f"answered by {found}", status))

    def _verdict_form(self) -> Form:
        return [("AnsweredBy", self.answered_by)] if self.answered_by else []


@attrs.define(eq=False)
class Pace:
    """How many calls an account may begin in a second: the others are queued."""

    calls_per_second: float
    _next_at: float = 0.0

    def delay_ms(self) -> int:
        """For how long a call asked for now will wait."""
        return max(0, round((self._next_at - trio.current_time()) * 1000))

    async def wait_turn(self) -> None:
        """Until this call may begin."""
        turn_at = max(self._next_at, trio.current_time())
        self._next_at = turn_at + 1 / self.calls_per_second
        await trio.sleep_until(turn_at)
