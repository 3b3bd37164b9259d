"""Status callbacks of one leg or one call by REST: what is told of it, in which order, and what is never told."""

import random
from datetime import UTC, datetime
from email.utils import format_datetime

import attrs
import trio

from replay.phone.exchange.town import Behaviour
from replay.phone.report import CallReport
from replay.phone.web import Courier, Form

IN_PROGRESS = "in-progress"
EVENTS = {"initiated": "initiated", "ringing": "ringing", "in-progress": "answered"}
"""The event of each status; any other is the end, whose event is `completed`."""


@attrs.define(eq=False, kw_only=True)
class StatusCallbacks:
    """Tells what becomes of a leg. Nothing waits for it; in order means that each waits for the one before."""

    courier: Courier
    report: CallReport
    nursery: trio.Nursery
    behaviour: Behaviour
    url: str | None
    method: str = "POST"
    events: frozenset[str] = frozenset({"completed"})
    _sequence: int = 0
    _held: list[Form] = attrs.field(factory=list)  # what is told in another order, at the end
    _before: trio.Event | None = None

    def tell(self, status: str, more: Form | None = None) -> None:
        """The leg is in this state now."""
        event = EVENTS.get(status, "completed")
        sequence, self._sequence = self._sequence, self._sequence + 1
        if self.url is None or event not in self.events:
            return
        self._held.append(
            [
                *self.courier.call_form(status),
                ("SequenceNumber", str(sequence)),
                ("CallbackSource", "call-progress-events"),
                ("Timestamp", format_datetime(datetime.now(UTC))),
                *(more or []),
            ]
        )
        if self.behaviour.callbacks != "shuffled" or event == "completed":
            self._send_held()

    def _send_held(self) -> None:
        held, self._held = self._held, []
        dice = random.Random(f"{self.behaviour.callback_seed} {self._sequence}")
        match self.behaviour.callbacks:
            case "shuffled":
                dice.shuffle(held)
            case "missing":
                held = [form for form in held if dice.random() < 0.5]
            case "twice":
                held = [form for form in held for _ in range(2)]
        for form in held:
            told = trio.Event()
            self.nursery.start_soon(self._deliver, form, self._before, told, name="phone: status")
            self._before = told

    async def _deliver(self, form: Form, before: trio.Event | None, told: trio.Event) -> None:
        if before is not None:
            await before.wait()
        status = await self.courier.tell(self.url or "", form, self.method)
        self.report.callbacks.append((f"leg {dict(form)['CallStatus']}", status))
        told.set()
