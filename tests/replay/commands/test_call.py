"""`replay call` as a shell would run it: the caller of a tape rings a daemon of the test's own."""

import json
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from click.testing import CliRunner, Result
from record_tapes import PUBLIC, Scene, hung_up, interrupted

from bridge import config
from bridge.daemon.server import open_daemon
from bridge.store.records import Records, records_of
from bridge.tapes.names import tapes_under
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import decode
from replay.commands.call import call
from replay.model.script import Faults
from replay.model.server import serve_model

TAPES = Path(__file__).parents[2] / "tapes"
TOKEN = "golden-test-auth-token-000000000"


@asynccontextmanager
async def a_daemon(scene: Scene, folder: Path) -> AsyncIterator[str]:
    """A running daemon whose model plays the scene; its address. A test that hangs fails."""
    raw = {
        "server": {"bind": "127.0.0.1:0", "public_url": PUBLIC, "drain_seconds": 1},
        "agents": {
            "front-desk": {"tools": ["replay.callers.restaurant:check_table"], "limits": {"reconnects": 0}}
        },
    }
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            model = await nursery.start(serve_model, scene.script)
            settings = config.parse({**raw, "realtime": {"url": model.url}}, folder / "config.toml")
            async with open_daemon(settings, config.Secrets((TOKEN,), "sk-none")) as daemon:
                yield f"http://127.0.0.1:{daemon.port}"
            nursery.cancel_scope.cancel(reason="the test is over")


async def ring(tape: str, *args: str, env: dict[str, str] | None = None) -> Result:
    """Run the command in a thread of its own: it brings its own event loop."""
    words = [str(TAPES / f"{tape}.jsonl.gz"), *args]
    runner = CliRunner(env={"TWILIO_AUTH_TOKEN": "", **(env or {})})
    return await trio.to_thread.run_sync(partial(runner.invoke, call, words))


def told(result: Result) -> Any:
    """What was printed as JSON: the daemon of the test logs to the same place."""
    output = result.output
    return json.loads(output[output.index("{\n") : output.rindex("\n}") + 2])


def rows(path: Path) -> Records:
    recorded = read_tape(path)
    return records_of(recorded.header, map(decode, recorded.lines))


async def test_an_interrupted_call_is_made_again_with_the_same_outcome(tmp_path: Path) -> None:
    wav = tmp_path / "new.wav"
    async with a_daemon(interrupted(), tmp_path) as url:
        result = await ring("interrupted", "--to", PUBLIC, "--via", url, "--wav", str(wav))
    assert result.exit_code == 0, result.output
    for shown in ("Wait, stop.", "clear:", "by bridge", "went as told"):
        assert shown in result.output
    with wave.open(str(wav)) as file:
        assert file.getnchannels() == 2
    (tape,) = tapes_under(tmp_path / "data" / "tapes")
    before, after = rows(TAPES / "interrupted.jsonl.gz"), rows(tape)
    for alike in ("ended_by", "why", "turns", "interruptions", "tool_calls", "agent"):
        assert before.call[alike] == after.call[alike]
    assert [row["role"] for row in before.transcript] == [row["role"] for row in after.transcript]
    cuts = [next(row["heard_ms"] for row in found.items if row["cut"]) for found in (before, after)]
    assert cuts[1] == pytest.approx(cuts[0], abs=100)


async def test_a_caller_who_hung_up_hangs_up_again(tmp_path: Path) -> None:
    async with a_daemon(hung_up(), tmp_path) as url:
        result = await ring("hung_up", "--to", PUBLIC, "--via", url, "--json")
    assert result.exit_code == 0, result.output
    report = told(result)
    assert (report["ended_by"], report["mode"], report["complaints"]) == ("caller", "turns", [])


async def test_by_the_clock_the_caller_hangs_up_when_they_did(tmp_path: Path) -> None:
    async with a_daemon(interrupted(), tmp_path) as url:
        result = await ring("hung_up", "--to", PUBLIC, "--via", url, "--mode", "clock", "--json")
    assert result.exit_code == 0, result.output
    (over,) = [event for event in told(result)["events"] if event["kind"] == "caller_hangs_up"]
    start = next(event for event in told(result)["events"] if event["kind"] == "start")
    assert over["t_ms"] - start["t_ms"] == pytest.approx(700, abs=100)


async def test_a_call_that_ends_otherwise_leaves_with_1(tmp_path: Path) -> None:
    scene = attrs.evolve(hung_up(), script=attrs.evolve(hung_up().script, faults=Faults(close_after_ms=300)))
    async with a_daemon(scene, tmp_path) as url:  # the agent is gone before this caller hangs up
        result = await ring("hung_up", "--to", PUBLIC, "--via", url, "--mode", "clock", "--json")
    assert result.exit_code == 1
    assert "verbs is say, not nothing" in told(result)["complaints"]


async def test_the_call_is_signed_with_the_token_of_the_environment(tmp_path: Path) -> None:
    async with a_daemon(hung_up(), tmp_path) as url:
        result = await ring("hung_up", "--to", PUBLIC, "--via", url, env={"TWILIO_AUTH_TOKEN": "another"})
    assert result.exit_code == 2
    assert "the bridge's own token in TWILIO_AUTH_TOKEN" in result.output


async def test_an_agent_that_is_not_there_leaves_with_2_and_advice(tmp_path: Path) -> None:
    async with a_daemon(hung_up(), tmp_path) as url:
        result = await ring("hung_up", "--to", PUBLIC, "--via", url, "--agent", "night-desk")
    assert result.exit_code == 2
    assert "/voice/night-desk" in result.output


@pytest.mark.parametrize(
    ("args", "advice"),
    [
        (("--to", "bridge.example.com"), "--to: not a URL"),
        (("--to", "wss://bridge.example.com"), "--to: not a URL"),
        (("--to", PUBLIC, "--via", "http://"), "--via: not a URL"),
        (("--to", f"{PUBLIC}/voice/x", "--agent", "y"), "--to has a path"),
        (("--to", PUBLIC, "--mode", "slow"), "'slow' is not one of"),
    ],
)
async def test_what_can_not_be_rung_is_said(args: tuple[str, ...], advice: str) -> None:
    result = await ring("hung_up", *args)
    assert result.exit_code == 2
    assert advice in result.output
