"""Traces to an OpenTelemetry collector: made from a call's record after the call, exported from a thread of their own.

Nothing in a call's path knows of it. It needs the `otel` extra, and is imported only when an endpoint is set.
"""

import hashlib
import random
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import structlog
import trio
from attrs import define, field
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from bridge import __version__
from bridge.observe.spans import Span, spans_of
from bridge.store.records import Records

MOST_WAITING: Final = 200
"""Ended calls that may wait for the collector, a few kilobytes each; beyond it a call has no trace, and is counted."""

EXPORT_SECONDS: Final = 5
"""What one export may take, with all its tries."""

LAST_SECONDS: Final = 1
CALL_SID: Final = re.compile(r"CA([0-9a-f]{32})")
log = structlog.get_logger(__name__)


def _queue() -> tuple[trio.MemorySendChannel[Records], trio.MemoryReceiveChannel[Records]]:
    return trio.open_memory_channel[Records](MOST_WAITING)


@define(eq=False)
class Tracer:
    """Exports ended calls, one at a time; `outcomes` counts them as exported, failed or dropped."""

    exporter: SpanExporter
    outcomes: Counter[str] = field(factory=Counter)
    _channel: tuple[trio.MemorySendChannel[Records], trio.MemoryReceiveChannel[Records]] = field(
        factory=_queue
    )
    _limiter: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(1))
    _pending: int = 0
    _idle: trio.Event = field(factory=trio.Event)
    _is_failing: bool = False

    def add(self, records: Records) -> None:
        """Queue an ended call; never waits. Beyond the bound it is dropped and counted."""
        try:
            self._channel[0].send_nowait(records)
            self._pending += 1
        except trio.WouldBlock:
            self.outcomes["dropped"] += 1

    async def run(self) -> None:
        """Export what is queued, until cancelled."""
        async for records in self._channel[1]:
            is_sent = await trio.to_thread.run_sync(
                self._export, records, limiter=self._limiter, abandon_on_cancel=True
            )
            self._note(is_sent=is_sent)
            self._pending -= 1
            if not self._pending:
                self._idle.set()

    def _export(self, records: Records) -> bool:
        """Export one call's trace; blocks."""
        try:
            return self.exporter.export(finished_spans(records)) is SpanExportResult.SUCCESS
        except Exception:  # somebody else's code, and not the daemon's work: it costs this trace
            log.exception("a trace could not be made or exported", call_id=records.call["call_sid"])
            return False

    def _note(self, *, is_sent: bool) -> None:
        self.outcomes["exported" if is_sent else "failed"] += 1
        if not is_sent and not self._is_failing:
            log.warning("traces can't be exported; these calls have none, and the next is tried")
        self._is_failing = not is_sent

    async def finish(self) -> None:
        """Wait a little for what is queued; the rest is dropped."""
        with trio.move_on_after(LAST_SECONDS):
            while self._pending:
                self._idle = trio.Event()
                await self._idle.wait()
        if self._pending:
            log.warning("traces were not exported in time", calls=self._pending)
            self.outcomes["dropped"] += self._pending


def open_tracer(endpoint: str) -> Tracer:
    """Return a tracer for an OTLP/HTTP endpoint; keys for it go into OTEL_EXPORTER_OTLP_HEADERS."""
    return Tracer(OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_SECONDS))


# ---------------------------------------------------------------- spans as the SDK has them


@define(eq=False)
class _Ids(IdGenerator):
    """A trace is found by its call: its id is the CallSid without CA, or a hash of any other id."""

    call_sid: str

    def generate_trace_id(self) -> int:
        """Return the trace's id."""
        found = CALL_SID.fullmatch(self.call_sid)
        text = found[1] if found else hashlib.sha256(self.call_sid.encode()).hexdigest()[:32]
        return int(text, 16) or 1

    def generate_span_id(self) -> int:
        """Return a span's id: any but 0."""
        return random.randrange(1, 2**64)


@define(eq=False)
class _Collector(SpanProcessor):
    """Keeps ended spans, so that a call is exported with one request."""

    ended: list[ReadableSpan] = field(factory=list)

    def on_end(self, span: ReadableSpan) -> None:
        """Keep a span."""
        self.ended.append(span)


def finished_spans(records: Records) -> list[ReadableSpan]:
    """Return a call's spans as the SDK exports them."""
    collector = _Collector()
    resource = Resource.create({"service.name": "bridge", "service.version": __version__})
    ids = _Ids(records.call["call_sid"])
    provider = TracerProvider(resource=resource, shutdown_on_exit=False, id_generator=ids)
    provider.add_span_processor(collector)
    made: dict[str, object] = {}
    began_ns = _nanoseconds(records.call["started_at"])
    for span in spans_of(records):
        made[span.name] = _make(provider, span, began_ns, made)
    return collector.ended


def _make(provider: TracerProvider, span: Span, began_ns: int, made: Mapping[str, object]) -> object:
    def at(t_ms: int) -> int:
        return began_ns + t_ms * 1_000_000

    around = made.get(span.under)
    context = None if around is None else set_span_in_context(around)  # type: ignore[arg-type]  # a span, made here
    it = provider.get_tracer("bridge", __version__).start_span(
        span.name, context=context, attributes=span.attributes, start_time=at(span.start_ms)
    )
    for moment in span.moments:
        it.add_event(moment.name, timestamp=at(moment.t_ms))
    if span.fault:
        it.set_status(Status(StatusCode.ERROR, span.fault))
    it.end(at(span.end_ms))
    return it


def _nanoseconds(started_at: str) -> int:
    """Return a header's wall-clock time in ns since 1970."""
    moment = datetime.fromisoformat(started_at)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000) * 1_000_000
