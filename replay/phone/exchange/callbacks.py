"""The status callbacks of one call and of its streams. It knows nothing of sockets."""

from datetime import UTC, datetime

import attrs
import trio

from replay.phone.report import CallReport
from replay.phone.twiml import Stream
from replay.phone.web import Courier, Form

PATIENCE_S = 1.0  # for a callback's answer, before a shuffled ending goes on


@attrs.define
class Callbacks:
    """Sends each callback once, beside the call: their order is not promised unless `wait` was asked for."""

    _courier: Courier
    _report: CallReport
    _nursery: trio.Nursery
    _status_url: str | None
    _told: dict[tuple[str, str], trio.Event] = attrs.field(factory=dict)  # a few for each stream of a call

    def completed(self, status: str = "completed") -> trio.Event:
        """Tell that the call is over; one that was rejected ends otherwise."""
        form = [*self._courier.call_form(status), ("SequenceNumber", "0")]
        return self._tell("", self._status_url, "completed", form)

    def stream(self, stream: Stream, stream_sid: str, event: str, error: str = "") -> trio.Event:
        """Tell what became of a stream."""
        form = [
            ("AccountSid", self._courier.account.account_sid),
            ("CallSid", self._report.call_sid),
            ("StreamSid", stream_sid),
            ("StreamName", stream.name or stream_sid),
            ("StreamEvent", event),
            ("Timestamp", datetime.now(UTC).isoformat()),
            *([("StreamError", error)] if error else []),
        ]
        return self._tell(stream_sid, stream.status_callback, event, form, stream.status_method)

    async def wait(self, stream: Stream, stream_sid: str, event: str) -> None:
        """Send one callback of an ending and wait for its answer, a second at most."""
        told = self.completed() if event == "completed" else self.stream(stream, stream_sid, event)
        with trio.move_on_after(PATIENCE_S):
            await told.wait()

    def _tell(self, about: str, url: str | None, event: str, form: Form, method: str = "POST") -> trio.Event:
        if (about, event) in self._told:
            return self._told[about, event]
        told = self._told[about, event] = trio.Event()
        if url is None:
            told.set()
        else:
            self._nursery.start_soon(self._deliver, url, event, form, method, told, name=f"phone: {event}")
        return told

    async def _deliver(self, url: str, event: str, form: Form, method: str, told: trio.Event) -> None:
        status = await self._courier.tell(url, form, method)
        self._report.callbacks.append((event, status))
        told.set()
