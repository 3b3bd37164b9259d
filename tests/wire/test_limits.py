"""Ends that nobody chose, over real sockets: money, silence, a shutdown, each with a goodbye that is heard."""

import wave
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from click.testing import CliRunner

from bench.stage import PROMPT, MakePlace, Place, open_stage, speech, words
from bridge.cli import main
from bridge.heart.audio import to_pcm16
from bridge.tapes.reader import read_tape
from replay.model.script import Faults, Script
from replay.model.session import Session
from replay.phone.ring import Caller, CallReport
from replay.phone.script import HangUp, WaitForAgent, WaitForEnd, WaitForQuiet
from replay.phone.twiml import Hangup, Say
from replay.sound.clips import clip
from replay.tapes.player import replay_tape
from replay.tapes.wav import write_wav

GOODBYE = clip("agent_goodbye")
SCRIPT = Script(
    opening=(words("caller_yes"),),
    turns=((words("caller_yes"),),) * 4,
    fallback=(words("agent_goodbye"),),  # what is asked for without a turn of the caller's
    delivery=PROMPT,
)
WAITS = Caller(steps=(WaitForEnd(),), answer_delay_ms=0, patience_ms=0)
TALKS = attrs.evolve(
    WAITS,
    steps=(
        WaitForAgent(), WaitForQuiet(300), speech("caller_yes"), WaitForQuiet(300), speech("caller_yes"), WaitForEnd(),
    ),
)  # fmt: skip


@attrs.frozen
class Ended:
    """A call after its end."""

    report: CallReport
    session: Session
    row: dict[str, Any]
    shown: str
    """What `bridge show` prints."""
    line: bytes
    """What the caller heard, as the WAV of the tape has it: 16 bits at 8 kHz."""

    @property
    def by(self) -> tuple[str, str]:
        return self.row["ended_by"], self.row["why"]


async def a_call(setup: Place, caller: Caller) -> Ended:
    """Make one call to its end; its tape replays as it was."""
    with trio.fail_after(60):
        async with open_stage(setup) as stage:
            report = await stage.ring(caller)
            session = await stage.model.wait_session()
            await stage.wait_recorded()
    return ended(setup, report, session)


def ended(setup: Place, report: CallReport, session: Session) -> Ended:
    (row,), (path,) = setup.calls(), setup.tapes
    assert replay_tape(path).difference is None
    shown = CliRunner().invoke(main, ["show", "last", "--data", str(setup.store.path.parent)])
    assert shown.exit_code == 0
    return Ended(report, session, row, shown.output, heard_in(path))


def heard_in(path: Path) -> bytes:
    """Return the agent's side of a tape's WAV."""
    out = path.with_suffix(".wav")
    write_wav(read_tape(path), out)
    with wave.open(str(out)) as file:
        both = file.readframes(file.getnframes())
    return b"".join(both[place + 2 : place + 4] for place in range(0, len(both), 4))


def times_in(line: bytes, spoken: bytes) -> int:
    """Return how often the middle of a clip is on the line, sample for sample."""

    middle = to_pcm16(spoken[len(spoken) // 3 : 2 * len(spoken) // 3])
    return line.count(middle)


async def test_a_call_that_has_cost_its_cap_ends_with_a_goodbye_that_is_heard(place: MakePlace) -> None:
    longer = attrs.evolve(SCRIPT, opening=(words("agent_greeting"),), turns=((words("agent_pardon"),),) * 4)
    call = await a_call(place(script=longer, limits={"spend_cap_usd": 0.01}), TALKS)
    assert call.by == ("limit", "spend cap reached")
    assert [type(verb) for verb in call.report.next_verbs] == [Hangup]
    assert "goodbye_asked: spend cap reached" in call.shown
    assert "spend cap: near" in call.shown
    assert "by limit: spend cap reached" in call.shown
    assert "USD (prices read 2026-11-01)" in call.shown
    assert times_in(call.line, GOODBYE.audio) == 1
    assert 0.007 < call.row["cost_usd"] <= 0.01
    (told,) = [item for item in call.session.items if item.get("role") == "system"]
    assert "goodbye" in told["content"][0]["text"]


async def test_a_model_that_says_no_goodbye_leaves_it_to_the_sentence(place: MakePlace) -> None:
    mute = Faults(silence="begun", silent_from=1)
    setup = place(
        script=attrs.evolve(SCRIPT, faults=mute),
        limits={"spend_cap_usd": 0.0005, "goodbye_seconds": 2, "answer_timeout_ms": 20_000},
    )
    call = await a_call(setup, WAITS)
    assert call.by == ("limit", "spend cap reached")
    assert [type(verb) for verb in call.report.next_verbs] == [Say, Hangup]


async def test_a_quiet_caller_is_asked_so_often_and_told_goodbye(place: MakePlace) -> None:
    quiet = {"quiet_seconds": 3, "still_there_seconds": 1, "still_there_times": 2, "quiet_goodbye_seconds": 6}
    call = await a_call(place(script=SCRIPT, limits=quiet), WAITS)
    assert call.by == ("limit", "nobody spoke")
    assert [type(verb) for verb in call.report.next_verbs] == [Hangup]
    assert call.shown.count("still_there_asked") == 2
    assert call.shown.index("still_there_asked") < call.shown.index("goodbye_asked: nobody spoke")
    assert (
        times_in(call.line, GOODBYE.audio) == 3
    )  # two questions and the goodbye, which this model says alike
    assert call.row["duration_ms"] < 15_000


async def test_a_service_that_asks_by_itself_keeps_no_quiet_call_alive(place: MakePlace) -> None:
    quiet = {"quiet_seconds": 4, "still_there_seconds": 1, "quiet_goodbye_seconds": 6}
    script = attrs.evolve(SCRIPT, faults=Faults(idle_timeout_ms=1200))
    call = await a_call(place(script=script, limits=quiet), WAITS)
    assert call.by == ("limit", "nobody spoke")
    assert "still_there_asked" not in call.shown
    assert call.row["duration_ms"] < 20_000


@pytest.mark.parametrize(
    "workers", [1, pytest.param(2, marks=pytest.mark.real_time("workers are processes"))]
)
async def test_a_daemon_that_drains_has_its_agents_say_goodbye(place: MakePlace, workers: int) -> None:
    setup = place(script=SCRIPT, server={"drain_seconds": 9, "workers": workers})
    with trio.fail_after(60):
        async with open_stage(setup) as stage, trio.open_nursery() as nursery:
            reports: list[CallReport] = []

            async def ring() -> None:
                reports.append(await stage.ring(WAITS))

            nursery.start_soon(ring)
            session = await stage.model.wait_session()
            await session.wait_until(lambda session: bool(session.responses and session.responses[0].is_over))
            await stage.daemon.drain()
            await stage.wait_recorded()
    call = ended(setup, reports[0], session)
    assert call.by == ("operator", "the daemon is shutting down")
    assert [type(verb) for verb in call.report.next_verbs] == [Hangup]
    assert "goodbye_asked: the daemon is shutting down" in call.shown
    assert times_in(call.line, GOODBYE.audio) == 1


async def test_a_server_that_is_away_for_a_moment_is_found_again(place: MakePlace) -> None:
    script = attrs.evolve(SCRIPT, faults=Faults(drop_after_ms=1500, shut_ms=900, first_sessions_only=1))
    steps = (WaitForAgent(), WaitForQuiet(1500), speech("caller_yes"), WaitForQuiet(500), HangUp())
    with trio.fail_after(60):
        setup = place(script=script)
        async with open_stage(setup) as stage:
            report = await stage.ring(attrs.evolve(WAITS, steps=steps))
            await stage.wait_recorded()
            second = stage.model.sessions[1]
    call = ended(setup, report, second)
    assert call.by == ("caller", "hung up")
    assert "session_followed" in call.shown
    assert call.session.items[0]["content"][0]["text"] == clip("caller_yes").text
