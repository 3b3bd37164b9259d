"""A bug in the bridge itself: whatever breaks in a call, its caller hears a sentence, and nobody else notices."""

import logging
import threading
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
import structlog
import trio
from attrs import define, evolve
from trio.testing import MockClock

from bench.stage import AGENT, GREETING, WEBHOOK, MakePlace, Stage, open_stage
from bridge.agents import Agent
from bridge.calls.intake import Webhook
from bridge.calls.live_call import LiveCall
from bridge.calls.messages import Key
from bridge.calls.setup import CurrentSetup, Setup
from bridge.calls.switchboard import Switchboard
from bridge.config import Secrets, Settings
from bridge.heart.call import Call
from bridge.heart.effects import Effect
from bridge.heart.events import Event
from bridge.links.model import ModelAddress
from bridge.tapes.reader import Known
from bridge.tapes.recorder import Recorder
from bridge.wire.requests import NEXT, Request
from bridge.workers.local import LocalHost
from replay.phone.ring import Caller
from replay.phone.script import HangUp, WaitForAgent, WaitForEnd
from replay.phone.twiml import Hangup, Say

STAYS: Final = Caller(steps=(WaitForAgent(), WaitForEnd(20_000)), answer_delay_ms=0, patience_ms=20_000)
SEED: Final = 1
PATIENT: Final = {"model_ready_ms": 60_000, "answer_timeout_ms": 60_000}
MODEL_MESSAGES: Final = 8
"""What the model says at least until it has greeted."""


class Bug(Exception):
    """As one of ours."""

    def __str__(self) -> str:
        return "half an emoji: \ud83d"


@define
class Fuse:
    """Raises when it is asked for the nth time, or from then on."""

    left: int
    for_good: bool

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0 or (self.left < 0 and self.for_good):
            raise Bug


@define
class Fragile(Call):
    """A heart with a bug."""

    fuse: Callable[[], None] = lambda: None

    def begin(self) -> list[Effect]:
        self.fuse()
        return super().begin()

    def handle(self, event: Event, now: int) -> list[Effect]:
        self.fuse()
        return super().handle(event, now)


def break_heart(call: LiveCall, fuse: Fuse) -> None:
    call.call = Fragile(call.agent, call.call.tools, fuse=fuse)


def break_tape(call: LiveCall, fuse: Fuse) -> None:
    call.tape.watch = lambda line: fuse()


def break_phone_parser(call: LiveCall, fuse: Fuse) -> None:
    call.phone.parse = partial(_parsed, fuse, call.phone.parse)


def break_model_parser(call: LiveCall, fuse: Fuse) -> None:
    call.model.parse = partial(_parsed, evolve(fuse, left=min(fuse.left, MODEL_MESSAGES)), call.model.parse)


def _parsed(fuse: Fuse, parse: Callable[[str | bytes], Event], message: str | bytes) -> Event:
    fuse()
    return parse(message)


def break_the_beginning_of_its_stream(call: LiveCall, fuse: Fuse) -> None:
    call.on_stream = evolve(fuse, left=1)


BREAKS: Final = (
    break_heart,
    break_tape,
    break_phone_parser,
    break_model_parser,
    break_the_beginning_of_its_stream,
)


def points(count: int) -> dict[str, Callable[[LiveCall], None]]:
    """Return calls, and what breaks in each: the first moments of each part, and random ones later."""
    dice, found = Random(SEED), {}
    for number in range(count):
        part, nth = BREAKS[number % len(BREAKS)], number // len(BREAKS)
        fuse = Fuse(nth + 1 if nth < 4 else dice.randint(5, 120), for_good=dice.random() < 0.5)
        call_sid = f"CA{blake2b(str(number).encode(), digest_size=16).hexdigest()}"
        found[call_sid] = partial(part, fuse=fuse)
    return found


@pytest.fixture(autouse=True)
def _quietly() -> None:
    """Log nothing: forty tracebacks with every variable in them would hold up the calls beside."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


async def test_whatever_breaks_in_a_call_and_whenever_its_caller_hears_a_sentence_and_nobody_else_notices(
    place: MakePlace,
) -> None:
    broken, verbs = points(40), dict[str, list[Any]]()
    with trio.fail_after(60):
        async with open_stage(place(script=GREETING, limits=PATIENT)) as stage:
            breaks_at_birth(stage, broken)
            sentence = stage.daemon.current.setup.settings.agents["front-desk"].failure_sentence.text
            async with trio.open_nursery() as calls:
                calls.start_soon(
                    ring, stage, "beside", verbs, evolve(STAYS, steps=(WaitForAgent(), HangUp()))
                )
                for call_sid in broken:
                    calls.start_soon(ring, stage, call_sid, verbs, STAYS)
                    await trio.sleep(0.01)
            await stage.wait_recorded()
    assert {verbs[call_sid][0] for call_sid in broken} == {Say(sentence, "en-US")}
    assert {verbs[call_sid][1] for call_sid in broken} == {Hangup()}
    rows = {row["call_id"]: row for row in place().calls()}
    assert len(rows) == 41
    crashed = [rows[call_sid] for call_sid in broken]
    assert {(row["ended_by"], row["why"].split(":")[0]) for row in crashed} == {("bridge", "crashed")}
    assert {row["ended_by"] for call_id, row in rows.items() if call_id not in broken} == {"caller"}


def breaks_at_birth(stage: Stage, broken: dict[str, Callable[[LiveCall], None]]) -> None:
    def plant(key: Key, call: LiveCall) -> None:
        broken.get(key[0], lambda call: None)(call)

    assert isinstance(stage.daemon.host, LocalHost)
    stage.daemon.host.on_begin = plant


async def ring(stage: Stage, name: str, verbs: dict[str, list[Any]], caller: Caller) -> None:
    call_sid = name if name.startswith("CA") else None
    verbs[name] = (await stage.ring(caller, call_sid=call_sid)).next_verbs


# ---------------------------------------------------------------- before and after the stream


async def test_a_bug_before_a_call_begins_is_told_to_its_caller(place: MakePlace) -> None:
    async with open_stage(place()) as stage:
        host: Any = stage.daemon.host

        def fail(key: Key, call: LiveCall) -> None:
            raise Bug

        host.on_begin = fail
        report = await stage.ring(STAYS)
        host.on_begin = lambda key, call: None
        sentence = stage.daemon.current.setup.settings.agents["front-desk"].failure_sentence.text
        assert report.next_verbs == [Say(sentence, "en-US"), Hangup()]
        assert (await stage.ring(evolve(STAYS, steps=(WaitForAgent(), HangUp())))).frames_sent > 0


async def test_a_webhook_that_waits_for_a_dead_disk_is_answered_while_twilio_listens(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    is_mended = threading.Event()

    class Dead(LocalHost):
        def taped_as(self, call_id: str) -> Known | None:
            is_mended.wait(60)
            return None

    agent = Agent(name=AGENT)
    setup = Setup(
        Settings(agents={AGENT: agent}, folder=tmp_path), Secrets(), ModelAddress("ws://x", "m", []), {}
    )
    board = Switchboard(CurrentSetup(setup), Dead(Recorder(tmp_path)))
    began = trio.current_time()
    try:
        twiml = await board.answer(Webhook(setup, agent, {"CallSid": "CA1"}, WEBHOOK))
    finally:
        is_mended.set()
    assert "something went wrong on our side" in twiml
    assert trio.current_time() - began == pytest.approx(10)


async def test_whose_call_was_in_a_process_that_is_gone_hears_a_sentence(stage: Stage) -> None:
    board, asked = stage.daemon.switchboard, Request(NEXT, 1, f"{WEBHOOK}/next", {"CallSid": "CA" + "0" * 32})
    assert "<Say " in await board.next_step("front-desk", asked)
    assert "<Say" not in await board.next_step("nobody", asked)
