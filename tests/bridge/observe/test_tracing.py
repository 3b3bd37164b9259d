"""Exporting traces: one request a call, bounded, counted; a collector that is slow or broken costs traces alone."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from threading import Event

import trio
from attrs import define, field
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from recorded import record
from structlog.testing import capture_logs

from bridge.observe.tracing import MOST_WAITING, Tracer


@define(eq=False)
class Fails(SpanExporter):
    """A collector that takes nothing."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Refuse."""
        return SpanExportResult.FAILURE


@define(eq=False)
class Hangs(SpanExporter):
    """A collector that answers when it is let go."""

    go: Event = field(factory=Event)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Wait."""
        self.go.wait(10)
        return SpanExportResult.SUCCESS


@asynccontextmanager
async def running(exporter: SpanExporter) -> AsyncIterator[Tracer]:
    """Run a tracer."""
    tracer = Tracer(exporter)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tracer.run)
        yield tracer
        nursery.cancel_scope.cancel()


async def test_ended_calls_are_exported_with_their_spans() -> None:
    memory = InMemorySpanExporter()
    async with running(memory) as tracer:
        tracer.add(record("interrupted"))
        tracer.add(record("hung_up"))
        await tracer.finish()
    names = [span.name for span in memory.get_finished_spans()]
    assert (len(names), names.count("call"), names.count("turn")) == (10, 2, 2)
    assert tracer.outcomes == {"exported": 2}


async def test_a_child_names_its_parent() -> None:
    memory = InMemorySpanExporter()
    async with running(memory) as tracer:
        tracer.add(record("interrupted"))
        await tracer.finish()
    spans = {span.name: span for span in memory.get_finished_spans()}
    turn, stream, call = spans["turn"].parent, spans["media stream"], spans["call"]
    assert stream.context is not None
    assert turn is not None
    assert turn.span_id == stream.context.span_id
    assert call.parent is None


async def test_a_collector_that_refuses_is_told_of_once_and_counted() -> None:
    with capture_logs() as logs:
        async with running(Fails()) as tracer:
            for _ in range(3):
                tracer.add(record("hung_up"))
            await tracer.finish()
    assert tracer.outcomes == {"failed": 3}
    assert [entry["log_level"] for entry in logs] == ["warning"]


@define(eq=False)
class Raises(SpanExporter):
    """A collector's client with a bug."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Crash."""
        raise ZeroDivisionError


async def test_an_exporter_that_crashes_costs_its_traces_alone() -> None:
    with capture_logs() as logs:
        async with running(Raises()) as tracer:
            tracer.add(record("hung_up"))
            tracer.add(record("hung_up"))
            await tracer.finish()
    assert tracer.outcomes == {"failed": 2}
    assert "a trace could not be made or exported" in [entry["event"] for entry in logs]


async def test_beyond_the_bound_calls_are_dropped_and_counted_and_nobody_waits(
    mock_clock: trio.testing.MockClock,
) -> None:
    """Time stands still: what the end of a daemon may take is not what is looked at."""
    exporter, ended = Hangs(), record("hung_up")
    async with running(exporter) as tracer:
        tracer.add(ended)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(MOST_WAITING + 5):
            tracer.add(ended)
        assert tracer.outcomes == {"dropped": 5}
        exporter.go.set()
        await tracer.finish()
    assert tracer.outcomes == {"dropped": 5, "exported": MOST_WAITING + 1}


async def test_the_end_of_the_daemon_waits_for_no_collector(autojump_clock: trio.testing.MockClock) -> None:
    exporter = Hangs()
    async with running(exporter) as tracer:
        tracer.add(record("hung_up"))
        await tracer.finish()
        exporter.go.set()
    assert tracer.outcomes == {"dropped": 1}
