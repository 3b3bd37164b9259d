"""A shadow beside a live call: it logs what it would have done, and the call is the same whatever becomes of it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import structlog
import trio
import trio.testing
from attrs import define, evolve, field

from bench.stage import (
    AGENT,
    PROMPT,
    MakePlace,
    Place,
    Stage,
    living_tasks,
    open_files,
    open_stage,
    speech,
    words,
)
from bridge.agents import Agent
from bridge.calls.legs.shadow import MOST_BYTES, Shadow
from bridge.heart.audio import FRAME_BYTES
from bridge.heart.effects import AppendAudio
from bridge.links import outbox
from bridge.links.model import ModelAddress
from bridge.settings.turn_detection import ServerVad
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import BRIDGE, MODEL, OPENAI, SHADOW, Line, decode
from bridge.wire.realtime import encode
from replay.model.script import Faults, Script
from replay.model.server import ModelServer, serve_model
from replay.model.session import Session
from replay.phone.ring import Caller, CallReport
from replay.phone.script import HangUp, Wait, WaitForAgent, WaitForQuiet
from replay.tapes.player import replay_tape
from replay.vad.engine.machine import Setting
from replay.vad.truth.recording import read_recording

SCRIPT = Script(opening=(words("caller_yes"),), turns=((words("caller_no"),),), delivery=PROMPT)
SPOKEN = [("agent", "caller_yes"), ("agent", "caller_no")]
QUICK = ServerVad(silence_duration_ms=200)
BRIEF = Caller(
    steps=(WaitForQuiet(300), speech("caller_yes"), WaitForQuiet(300), HangUp()), answer_delay_ms=0
)

BRIEFEST = Caller(steps=(WaitForAgent(), Wait(200), HangUp()), answer_delay_ms=0)
"""Who stays until the shadow has its session, too."""


def shadowed(silence_ms: int, shadow_ms: int | None) -> dict[str, Any]:
    """Return an agent's table with these silences; None for no shadow."""
    table: dict[str, Any] = {"turn_detection": {"silence_duration_ms": silence_ms}}
    return table | ({} if shadow_ms is None else {"shadow": {"silence_duration_ms": shadow_ms}})


def second(shadow: Script) -> Callable[[str, int], Script]:
    """Return who plays: the shadow connects once the real session has."""
    return lambda _model, show: SCRIPT if show == 1 else shadow


def tape_lines(place: Place) -> list[Line]:
    """Return the lines of the one tape."""
    (path,) = place.tapes
    return [decode(raw) for raw in read_tape(path).lines]


def said(lines: list[Line], leg: str, kind: str, sender: str = OPENAI) -> list[dict[str, Any]]:
    """Return the messages of a kind on a leg."""
    messages = [msgspec.json.decode(line.msg) for line in lines
                if line.leg == leg and line.sender == sender and line.msg]  # fmt: skip
    return [message for message in messages if isinstance(message, dict) and message.get("type") == kind]


def notes(lines: list[Line]) -> list[dict[str, Any]]:
    return [line.note for line in lines if line.leg == SHADOW and line.note is not None]


def shadow_tasks() -> list[str]:
    """Return the names of the tasks of shadows that still run."""
    found, waiting = [], [trio.lowlevel.current_root_task()]
    while waiting:
        task = waiting.pop()
        assert task is not None
        found.append(task.name)
        waiting += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return [name for name in found if "shadow" in name and not name.startswith("<test ")]


async def close_codes(stage: Stage, sessions: int) -> list[int | None]:
    """Return how so many sessions were closed, once they are."""
    for number in range(sessions):
        session = await stage.model.wait_session(number + 1)
        await session.wait_until(lambda session: session.close_code is not None)
    return [session.close_code for session in stage.model.sessions]


async def settle(tasks: int, files: int) -> None:
    """Return when there are as few tasks and files as before."""
    while (living_tasks(), open_files()) != (tasks, files):  # noqa: ASYNC110 - nobody tells
        await trio.sleep(0.001)


# ---------------------------------------------------------------- what it is for

PAUSING = Caller(
    steps=(
        WaitForAgent(), speech("caller_yes"), Wait(450), speech("caller_no"), WaitForQuiet(200), HangUp(),
    ),
    answer_delay_ms=0,
)  # fmt: skip


async def test_a_shadow_logs_what_another_setting_hears(place: MakePlace) -> None:
    setup = place(script=SCRIPT, agent=shadowed(800, 200))
    with trio.fail_after(15):
        async with open_stage(setup) as stage:
            await stage.ring(PAUSING)
            assert await close_codes(stage, 2) == [1000, 1000]
            assert stage.model.sessions[1].responses == []
    lines = tape_lines(setup)
    stops = [said(lines, leg, "input_audio_buffer.speech_stopped") for leg in (MODEL, SHADOW)]
    assert [len(one) for one in stops] == [1, 2]
    (updated,) = said(lines, SHADOW, "session.updated")
    detection = updated["session"]["audio"]["input"]["turn_detection"]
    assert (detection["create_response"], detection["interrupt_response"]) == (False, False)
    assert [line.close for line in lines if line.leg == SHADOW and line.close] == [
        {"code": 1000, "reason": ""}
    ]


async def test_the_lab_reads_both_sessions_of_a_tape(place: MakePlace) -> None:
    setup = place(script=SCRIPT, agent=shadowed(800, 200))
    with trio.fail_after(15):
        async with open_stage(setup) as stage:
            await stage.ring(PAUSING)
    (path,) = setup.tapes
    recording = read_recording(read_tape(path))
    real, shadow = recording.heard
    assert (real.leg, real.setting, len(real.turns)) == (MODEL, Setting(0.6, 800, 300), 1)
    assert (shadow.leg, shadow.setting, len(shadow.turns)) == (SHADOW, Setting(0.6, 200, 300), 2)
    assert [turn.words for turn in shadow.turns] == [None, None]
    # On one clock both hear the same voice begin, and the quick one its end 600 ms earlier, to a window or two.
    assert shadow.starts_at_ms + shadow.turns[0].start_ms == real.turns[0].start_ms
    earlier = (real.turns[0].stop_ms or 0) - shadow.starts_at_ms - (shadow.turns[-1].stop_ms or 0)
    assert abs(earlier - 600) <= 50


async def test_both_sessions_are_given_the_same_audio(place: MakePlace) -> None:
    with trio.fail_after(15):
        async with open_stage(place(script=SCRIPT, agent=shadowed(200, 200))) as stage:
            await stage.ring(BRIEF)
            await stage.wait_no_calls()
            real, shadow = stage.model.sessions
    both = min(len(real.caller_audio), len(shadow.caller_audio))  # the last frames may not have left
    assert both > 50 * FRAME_BYTES
    assert real.caller_audio[:both] == shadow.caller_audio[:both]


async def test_nothing_of_a_shadow_reaches_the_caller(place: MakePlace) -> None:
    setup = place(script=SCRIPT, agent=shadowed(200, 200))
    with trio.fail_after(15):
        async with open_stage(setup) as stage, trio.open_nursery() as nursery:
            nursery.start_soon(speak_unasked, stage)
            report = await stage.ring(BRIEF)
            await stage.wait_recorded()
    assert voice_in(report) == VOICE
    lines = tape_lines(setup)
    assert said(lines, SHADOW, "response.output_audio.delta")
    assert outcome(setup, report) == OUTCOME


async def speak_unasked(stage: Stage) -> None:
    """Let the shadow's session say and ask for whatever a model can."""
    session = await stage.model.wait_session(2)
    await session.wait_until(lambda session: session.appends > 0)
    wire = session.wire
    where = {"response_id": "resp_x", "item_id": "item_x", "content_index": 0}
    call = {"type": "function_call", "call_id": "c", "name": "hang_up", "arguments": "{}"}
    for _ in range(20):
        wire.event("response.created", response={"id": "resp_x"})
        wire.audio("response.output_audio.delta", b"\x12" * 1600, **where)
        wire.event("input_audio_buffer.speech_started", item_id="u", audio_start_ms=0)
        wire.event("response.output_item.done", response_id="resp_x", item=call)
        wire.error("session_expired", "Over.")
        await trio.sleep(0.02)


# ---------------------------------------------------------------- whatever becomes of it


def voice_in(report: CallReport) -> bytes:
    """Return all that the caller heard, without silence."""
    return report.heard.replace(b"\xff", b"")


VOICE = b"".join(words(name).audio for _, name in SPOKEN).replace(b"\xff", b"")


def outcome(place: Place, report: CallReport) -> dict[str, Any]:
    """Return what became of the one call, for the caller and for the record."""
    (row,) = place.calls()
    transcript = place.store.query("select role, heard, interrupted from transcript order by position")
    kept = ("ended_by", "why", "turns", "interruptions", "responses", "agent", "is_torn")
    return {
        "voice": voice_in(report), "error": report.error, "closed_by": report.closed_by,
        "close_code": report.close_code, "verbs": report.next_verbs, "missed": report.missed,
        "row": {name: row[name] for name in kept},
        "transcript": [tuple(one.values()) for one in transcript],
        "log": place.store.query("select * from log"),
    }  # fmt: skip


OUTCOME: dict[str, Any] = {
    "voice": VOICE, "error": None, "closed_by": "caller", "close_code": 1000, "verbs": [], "missed": [],
    "row": {"ended_by": "caller", "why": "hung up", "turns": 1, "interruptions": 0, "responses": 2,
            "agent": AGENT, "is_torn": False},
    "transcript": [
        ("agent", words("caller_yes").text, False), ("caller", "Caller turn 1.", False),
        ("agent", words("caller_no").text, False),
    ],
    "log": [],
}  # fmt: skip

FATES: dict[str, tuple[Faults | None, str | None]] = {
    "there is none": (None, ""),
    "it works": (Faults(), ""),
    "refused with HTTP": (Faults(refuse="http_401"), "its connection failed"),
    "refused after the upgrade": (
        Faults(refuse="invalid_api_key"), "its session was refused (invalid_api_key)",
    ),
    "never created": (Faults(never_create=True), "its session was never ready"),
    "never updated": (Faults(never_update=True), "its session was never ready"),
    "closes at once": (
        Faults(close_after_ms=0, close_with_error=False), "its connection was lost (1001)",
    ),
    "closes later": (Faults(close_after_ms=500, close_with_error=False), "its connection was lost (1001)"),
    "is cut off": (Faults(drop_after_ms=500), "its connection was lost (1006)"),
    "stalls": (Faults(stall_after_ms=300), None),
    "garbage": (
        Faults(garbage=("binary_frame", "broken_json", "not_an_object", "unknown_event", "missing_fields",
                        "unknown_error"), stray_errors=True), "",
    ),
    "a flood": (Faults(garbage=("huge",)), None),
}  # fmt: skip


@pytest.mark.parametrize(("faults", "why"), FATES.values(), ids=list(FATES))
async def test_the_call_is_the_same_whatever_becomes_of_its_shadow(
    place: MakePlace, faults: Faults | None, why: str | None
) -> None:
    script = second(evolve(SCRIPT, faults=faults or Faults()))
    setup = place(script=script, agent=shadowed(200, None if faults is None else 200))
    with trio.fail_after(15):
        async with open_stage(setup) as stage:
            report = await stage.ring(BRIEF)
            with trio.fail_after(2):
                await stage.wait_no_calls()
            assert shadow_tasks() == []
            await stage.wait_recorded()
            assert stage.model.sessions[0].close_code == 1000
    assert outcome(setup, report) == OUTCOME
    given_up = [note["given_up"] for note in notes(tape_lines(setup)) if "given_up" in note]
    if why is not None:  # else the call may be over before anybody notices
        assert given_up == ([why] if why else [])
    assert replay_tape(setup.tapes[0]).difference is None


async def test_a_shadow_leaves_no_task_and_no_socket(place: MakePlace) -> None:
    with trio.fail_after(15):
        async with open_stage(place(script=SCRIPT, agent=shadowed(200, 200))) as stage:
            await stage.ring(BRIEFEST)
            await stage.wait_recorded()
            assert await close_codes(stage, 2) == [1000] * 2
            await trio.testing.wait_all_tasks_blocked(0.001)
            before = living_tasks(), open_files()
            await stage.ring(BRIEFEST)
            await stage.wait_recorded()
            assert await close_codes(stage, 4) == [1000] * 4
            await settle(*before)


async def test_an_agent_without_a_shadow_opens_one_session(place: MakePlace) -> None:
    setup = place(script=SCRIPT)
    with trio.fail_after(15):
        async with open_stage(setup) as stage:
            await stage.ring(BRIEFEST)
            assert stage.model.connections == 1
    assert [line for line in tape_lines(setup) if line.leg == SHADOW] == []


# ---------------------------------------------------------------- the leg by itself


@define
class Alone:
    """A shadow of no call, with what it wrote."""

    server: ModelServer
    shadow: Shadow = field(init=False)
    lines: list[Line] = field(factory=list)
    is_ready: trio.Event = field(factory=trio.Event)
    _frame: int = 0

    def write(self, line: Line) -> None:
        """Take a line, as the tape does."""
        self.lines.append(line)
        if line.msg and b'"session.updated"' in bytes(line.msg):
            self.is_ready.set()

    def offer(self, frames: int) -> None:
        """Offer the next so many frames; each is of its own sound."""
        for _ in range(frames):
            self._frame += 1
            append = AppendAudio(self._frame, self._frame, bytes([self._frame % 256]) * FRAME_BYTES)
            self.shadow.offer(append, encode(append))

    async def session(self) -> Session:
        """Return its session, once that is as it was asked for."""
        await self.is_ready.wait()
        return await self.server.wait_session()


@asynccontextmanager
async def alone(*, frames: int = 0, script: Script = SCRIPT) -> AsyncIterator[Alone]:
    """Run a shadow that was offered so many frames before; on leaving it has ended by itself or has been told to."""
    began = trio.current_time()
    with trio.fail_after(8):
        async with trio.open_nursery() as servers:
            server: ModelServer = await servers.start(serve_model, script)
            it = Alone(server)
            it.shadow = Shadow(
                agent=Agent(name="a", noise_reduction="far_field"),
                vad=QUICK,
                address=ModelAddress(server.url, "m", [("Authorization", "Bearer k")]),
                write=it.write,
                now_ms=lambda: int((trio.current_time() - began) * 1000),
                log=structlog.get_logger(),
            )
            it.offer(frames)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(it.shadow.run)
                yield it
                it.shadow.leave()
            servers.cancel_scope.cancel()


async def test_audio_from_before_is_held_for_three_seconds_and_its_loss_is_noted() -> None:
    async with alone(frames=200) as it:
        session = await it.session()
        it.offer(10)
        await session.wait_until(lambda session: len(session.caller_audio) == 160 * FRAME_BYTES)
    assert notes(it.lines) == [{"kind": "shadow", "first_frame": 51, "dropped": 50}]
    assert session.caller_audio[0] == 51
    assert session.close_code == 1000


async def test_audio_that_was_held_in_full_begins_with_its_first_frame() -> None:
    async with alone(frames=3) as it:
        session = await it.session()
        await session.wait_until(lambda session: len(session.caller_audio) == 3 * FRAME_BYTES)
    assert notes(it.lines) == [{"kind": "shadow", "first_frame": 1}]


async def test_an_outbox_that_is_full_is_the_end_of_the_shadow_alone() -> None:
    with structlog.testing.capture_logs() as logs:
        async with alone() as it:
            await it.session()
            it.shadow.offer(AppendAudio(1, 1, b""), "x" * (outbox.MOST_BYTES + 1))
            await it.shadow.ended.wait()
            it.offer(400)
    assert [note["given_up"] for note in notes(it.lines) if "given_up" in note] == [
        "it stalled: it has taken nothing for 5 s"
    ]
    assert [entry["event"] for entry in logs] == ["shadow given up"]


async def test_a_shadow_that_says_too_much_is_given_up_before_it_fills_the_tape() -> None:
    async with alone() as it:
        (await it.session()).wire.event("rate_limits.updated", padding="x" * MOST_BYTES)
        await it.shadow.ended.wait()
    assert notes(it.lines) == [{"kind": "shadow", "given_up": "it says too much"}]
    assert said(it.lines, SHADOW, "rate_limits.updated") == []


async def test_a_bug_in_a_shadow_is_noted_and_goes_no_further() -> None:
    with structlog.testing.capture_logs() as logs:
        async with alone() as it:
            await it.session()
            it.shadow.offer(AppendAudio(1, 1, b"\xff"), ["no text"])  # type: ignore[arg-type]
            await it.shadow.ended.wait()
    assert [entry["event"] for entry in logs] == ["shadow crashed", "shadow given up"]
    (given_up,) = [note["given_up"] for note in notes(it.lines) if "given_up" in note]
    assert given_up.startswith("it crashed: ")


async def test_what_the_bridge_says_to_a_shadow_is_one_session_update() -> None:
    async with alone(frames=5) as it:
        await it.session()
    asked = [msgspec.json.decode(line.msg) for line in it.lines if line.sender == BRIDGE and line.msg]
    assert [message["type"] for message in asked] == ["session.update"]
    hearing = asked[0]["session"]["audio"]["input"]
    assert hearing["noise_reduction"] == {"type": "far_field"}
    assert hearing["turn_detection"]["silence_duration_ms"] == 200
    assert [line for line in it.lines if line.append is not None] == []
