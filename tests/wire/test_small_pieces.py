"""A model that speaks in pieces of 20 ms, over real sockets: the caller hears all of it, and few marks are sent."""

import trio

from bench.stage import MakePlace, open_stage, words
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import decode
from replay.model.script import Delivery, Script
from replay.phone.ring import Caller, CallReport
from replay.phone.script import HangUp, WaitForQuiet
from replay.tapes.player import replay_tape

CALLS = 5
HEARS_OUT = Caller(steps=(WaitForQuiet(1000, timeout_ms=30_000), HangUp()), answer_delay_ms=0)


async def test_calls_in_small_pieces_are_heard_out_and_ended_by_their_callers(place: MakePlace) -> None:
    greeting = words("agent_greeting")
    script = Script(opening=(greeting,), delivery=Delivery(mode="frames", speed=1.1, response_delay_ms=0))
    setup = place(script=script)
    reports: list[CallReport] = []

    async def ring() -> None:
        reports.append(await stage.ring(HEARS_OUT, total_ms=60_000))

    async with open_stage(setup) as stage:
        async with trio.open_nursery() as nursery:
            for _ in range(CALLS):
                nursery.start_soon(ring)
        await stage.wait_recorded()
    assert [(row["ended_by"], row["why"]) for row in setup.calls()] == [("caller", "hung up")] * CALLS
    for path in setup.tapes:
        lines = [decode(raw) for raw in read_tape(path).lines]
        sent = sum(line.audio["bytes"] for line in lines if line.audio)
        marks = sum(
            b'"event":"mark"' in bytes(line.msg) for line in lines if line.msg and line.sender == "bridge"
        )
        assert sent == len(greeting.audio)
        assert marks <= 3 + sent // 800
        assert replay_tape(path).difference is None
