"""Traces over a real socket: a call ends, and a collector on loopback gets its trace; without one, calls go on."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import trio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.stage import MakePlace, open_stage
from replay.phone.ring import Caller
from replay.phone.script import HangUp, WaitForAgent

HELLO = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)


class Collector(ThreadingHTTPServer):
    """An OTLP collector that keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[ExportTraceServiceRequest] = []

    @property
    def endpoint(self) -> str:
        """Where to send traces."""
        return f"http://127.0.0.1:{self.server_port}/v1/traces"


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


async def test_a_call_arrives_at_the_collector_as_one_request(place: MakePlace, collector: Collector) -> None:
    with trio.fail_after(15):
        async with open_stage(place(tracing={"endpoint": collector.endpoint})) as stage:
            report = await stage.ring(HELLO)
            await stage.wait_recorded()
    (request,) = collector.requests
    spans = [span for part in request.resource_spans for scope in part.scope_spans for span in scope.spans]
    assert {span.name for span in spans} == {"call", "model connect", "media stream"}
    assert {span.trace_id.hex() for span in spans} == {report.call_sid.removeprefix("CA")}
    (service,) = [item.value.string_value for item in request.resource_spans[0].resource.attributes
                  if item.key == "service.name"]  # fmt: skip
    assert service == "bridge"


async def test_without_a_collector_calls_end_as_ever(
    place: MakePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    setup = place(tracing={"endpoint": "http://127.0.0.1:9/v1/traces"})
    with trio.fail_after(20):
        async with open_stage(setup) as stage:
            await stage.ring(HELLO)
            await stage.wait_recorded()
    (row,) = setup.calls()
    assert row["ended_by"] == "caller"
