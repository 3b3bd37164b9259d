"""New code in new workers, while the old ones end their calls: a deploy in the middle of calls, by real processes."""

import json
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio
from click.testing import CliRunner
from hand_phone import a_phone
from test_leaving import TRANSFER, WARM, leave, press, script, whisper

from bench.process import Launch, Running, a_process
from bench.stage import AGENT, PROMPT, MakePlace, Stage, open_stage, speech, words
from bridge.cli import main
from bridge.daemon.outcome import Outcome, read_outcome
from bridge.errors import ConfigError
from bridge.store.database import Store
from bridge.tapes.reader import Tape, read_tape
from bridge.tapes.tape import decode
from bridge.workers.pool import WorkerPool
from replay.model.script import CallTool, Script
from replay.phone.ring import Caller
from replay.phone.script import WaitForAgent, WaitForEnd, WaitForQuiet

pytestmark = pytest.mark.real_time("workers are processes")

CALLS = 20
TOOL = '''
from pathlib import Path

import trio
from helper import VERSION
from bridge.tools import tool

@tool(timeout_ms=100_000)
async def which() -> str:
    """Say which code this is, once it may."""
    while not Path({go!r}).exists():
        await trio.sleep(0.05)
    return VERSION
'''
AGENTS = f"""[agents.{AGENT}]
tools = ["mine.py:which"]
[agents.{AGENT}.limits]
answer_timeout_ms = 60000
quiet_seconds = 600
"""
ASKED = Script(
    opening=(words("caller_yes"),),
    turns=((CallTool("which", {}),),),
    answers=((words("caller_yes"), CallTool("hang_up", {"reason": "told"})),),
    delivery=PROMPT,
)
"""The agent greets, calls its tool when it is spoken to, says what came of it, and hangs up."""

SERVER = {
    "workers": 2, "drain_seconds": 20, "max_lag_ms": 0, "max_busy_percent": 0, "waiting_calls": 100,
    "calls_per_caller": 0,
}  # fmt: skip
TWO = {"workers": 2, "drain_seconds": 2}
OTHER, THIRD = "CA" + "8" * 32, "CA" + "9" * 32
ASKS = Caller(
    steps=(WaitForAgent(20_000), WaitForQuiet(200), speech("caller_yes"), WaitForEnd(100_000)),
    answer_delay_ms=0,
    patience_ms=100_000,
)
"""Somebody who asks, and stays until the agent hangs up."""


def write_code(folder: Path, version: str) -> None:
    """Put another version on the disk: the tool is as it was, and what it imports is new."""
    (folder / "helper.py").write_text(f"VERSION = {version!r}\n")
    (folder / "mine.py").write_text(TOOL.format(go=str(folder / "go")))


async def roll(daemon: Running) -> Outcome:
    """Ask for the new code, and return what came of it."""
    before = read_outcome(daemon.folder / "data")
    daemon.signal(signal.SIGUSR2)
    with trio.fail_after(120):
        while (found := read_outcome(daemon.folder / "data")) == before:  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.02)
    assert found is not None
    return found


def ends(folder: Path) -> list[tuple[str, str]]:
    """Return how each call ended, by its record."""
    rows = Store(folder / "data" / "calls.duckdb").query("select ended_by, why from calls")
    return [(row["ended_by"], row["why"]) for row in rows]


def tapes(folder: Path) -> list[Tape]:
    return [read_tape(path) for path in (folder / "data" / "tapes").rglob("*.jsonl*")]


def answers(tape: Tape) -> list[str]:
    """Return what the tool of a call answered."""
    told = [
        json.loads(bytes(line.msg))
        for line in map(decode, tape.lines)
        if line.msg and line.leg == "openai_ws"
    ]
    items = [message["item"] for message in told if message["type"] == "conversation.item.create"]
    return [item["output"] for item in items if item["type"] == "function_call_output"]


@asynccontextmanager
async def a_daemon(folder: Path, **server: Any) -> AsyncIterator[Running]:
    """Run a daemon with two workers and the old code; on leaving it has ended in good order."""
    write_code(folder, "old code")
    launch = Launch({**SERVER, **server}, AGENTS, {"PYTHONPATH": str(folder)})
    async with a_process(folder, ASKED, launch) as daemon:
        yield daemon
        daemon.signal()
        assert await daemon.process.wait() == 0


async def all_told(daemon: Running, count: int) -> None:
    """Let every tool answer, and return when so many calls are over."""
    (daemon.folder / "go").touch()
    with trio.fail_after(120):
        while len(daemon.reports) < count:  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.02)
    assert [report.error for report in daemon.reports if report.error] == []


def pool_of(stage: Stage) -> WorkerPool:
    assert isinstance(stage.daemon.host, WorkerPool)
    return stage.daemon.host


async def roll_here(stage: Stage) -> None:
    """Have new workers answer in a daemon that runs in this process."""
    setup = stage.daemon.current.setup
    await stage.daemon.host.roll(setup)
    stage.daemon.change(setup)


async def until(is_so: Callable[[], bool]) -> None:
    with trio.fail_after(60):
        while not is_so():  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.01)


async def admin(stage: Stage, path: str) -> Any:
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://{stage.daemon.monitoring.address}{path}")
    return answer.text if path == "/metrics" else answer.json()


async def bridge(folder: Path, *words: str) -> tuple[int, str]:
    """Run a command beside the daemon; return its exit code and what it said."""
    told = [*words, "--config", str(folder / "config.toml")]
    result = await trio.to_thread.run_sync(CliRunner().invoke, main, told)
    return result.exit_code, result.output


async def test_a_rolling_restart_under_twenty_calls_loses_none_and_new_ones_run_the_new_code(
    tmp_path: Path,
) -> None:
    async with a_daemon(tmp_path) as daemon:
        async with trio.open_nursery() as ringing:
            for _ in range(CALLS):
                ringing.start_soon(daemon.call, ASKS, 120_000)
        write_code(tmp_path, "the code of noon")
        outcome = await roll(daemon)
        assert (outcome.fault, outcome.generation, outcome.older_calls) == ("", 2, CALLS)
        for _ in range(3):
            await daemon.call(ASKS, 120_000)
        await all_told(daemon, CALLS + 3)
        left = await daemon.wait_logged("worker has left", 2)
        assert [line["generation"] for line in left] == [1, 1]
    by_time = sorted(tapes(tmp_path), key=lambda tape: tape.header.started_at)
    assert [answers(tape) for tape in by_time] == [["old code"]] * CALLS + [["the code of noon"]] * 3
    assert ends(tmp_path) == [("tool", "told")] * (CALLS + 3)


# ---------------------------------------------------------------- calls that go on with older code


async def test_calls_of_two_older_generations_end_with_their_own_code_and_a_third_has_to_wait(
    place: MakePlace,
) -> None:
    """One caller is away and one has lost their stream while the code changes twice; both come back into their calls.
    Then the worker of a third one dies, and is not replaced."""
    there = {"server": TWO, "admin": {"bind": "127.0.0.1:0"}, "agent": {"transfer": WARM}}
    setup = place(script=script(TRANSFER, TRANSFER, answers=2), **there)
    async with (
        open_stage(setup) as stage,
        a_phone(stage.via) as phone, a_phone(stage.via, OTHER) as other, a_phone(stage.via, THIRD) as third,
    ):  # fmt: skip
        roster = pool_of(stage).roster
        lost = await other.stream(connect := await other.ring())
        await lost.wait_sound()
        plan, _ = await leave(phone)
        await roll_here(stage)
        lost.socket.reset()
        await other.until_left(lost)
        again = await other.stream(await other.post(connect.verb("Connect").attrib["action"]))
        assert (await whisper(phone, plan, "2")).tags == ["Hangup"]
        back = await phone.post(plan.verb("Dial").attrib["action"], DialCallStatus="completed")
        plan = await press(phone, back, await phone.stream(back))
        await (await third.stream(await third.ring())).wait_sound()
        await roll_here(stage)
        with pytest.raises(ConfigError, match=r"2 older generations .* .live calls: 3,"):
            await roll_here(stage)
        health = await admin(stage, "/healthz")
        assert (health["generation"], health["workers"]) == (3, 2)
        assert (await whisper(phone, plan, "1")).tags == []
        over = await phone.post(plan.verb("Dial").attrib["action"], DialCallStatus="completed")
        assert over.tags == ["Hangup"]
        again.say("stop")
        await other.until_left(again)
        await until(lambda: [worker.generation for worker in roster.retiring] == [2])
        roster.retiring[0].process.kill()
        await until(lambda: not roster.retiring)
        await roll_here(stage)
        assert (roster.generation, stage.daemon.switchboard.live) == (4, 0)
        assert "bridge_worker_deaths_total 1.0" in await admin(stage, "/metrics")
        await stage.wait_recorded()
    ends = {row["call_sid"]: (row["ended_by"], row["why"]) for row in setup.calls()}
    assert ends.pop(THIRD)[0] == "bridge"
    assert ends == {phone.call_sid: ("tool", "transferred to sales"), OTHER: ("caller", "hung up")}


# ---------------------------------------------------------------- what is refused


CAN_NOT_BEGIN = {
    "code that can't be imported": (
        "helper.py", "VERSION = (", "mine.py:which: mine.py can't be imported: SyntaxError",
    ),
    "a version that speaks otherwise": (
        "sitecustomize.py", "import bridge.workers.protocol as it; it.MEANING = 2",
        "the code on the disk is of a version that this daemon can't talk to: restart the daemon",
    ),
    "no code at all": (
        "sitecustomize.py", "import os; os._exit(1)", "could not start or died (status 1); its own lines say why",
    ),
}  # fmt: skip


async def test_new_code_that_can_not_begin_changes_nothing_and_it_is_said_why(tmp_path: Path) -> None:
    async with a_daemon(tmp_path) as daemon:
        await daemon.call(ASKS, 120_000)
        for what, (file, text, fault) in CAN_NOT_BEGIN.items():
            (tmp_path / file).write_text(text)
            outcome = await roll(daemon)
            assert (fault in outcome.fault, outcome.generation) == (True, 1), (what, outcome)
            assert re.match(r"worker [3-9]:? ", outcome.fault), outcome
            (tmp_path / file).unlink()
            await daemon.call(ASKS, 120_000)
        await all_told(daemon, 1 + len(CAN_NOT_BEGIN))
    assert [answers(tape) for tape in tapes(tmp_path)] == [["old code"]] * (1 + len(CAN_NOT_BEGIN))


async def test_the_command_waits_for_the_outcome_and_says_it(tmp_path: Path) -> None:
    async with a_daemon(tmp_path) as daemon:
        config = tmp_path / "config.toml"
        right = config.read_text()
        assert await bridge(tmp_path, "reload", "--code") == (
            0, "New calls use it from now on.\nGeneration 2 of workers; calls that go on with older code: 0\n",
        )  # fmt: skip
        config.write_text(right.replace("workers = 2", "workers = 3"))
        exit_code, said = await bridge(tmp_path, "reload")
        assert (exit_code, "Needs a restart: [server] workers stays" in said) == (0, True)
        config.write_text(right + "nonsense = 1\n")
        for options in (["--code"], []):
            exit_code, said = await bridge(tmp_path, "reload", *options)
            assert (exit_code, said.startswith("Refused, and nothing has changed: ")) == (1, True)
            assert "nonsense" in said
        assert (await bridge(tmp_path, "reload", "--data", str(tmp_path)))[0] == 2
        assert daemon.process.returncode is None
        config.write_text(right)


async def test_a_daemon_that_carries_its_calls_itself_says_that_it_can_not(tmp_path: Path) -> None:
    async with a_daemon(tmp_path, workers=1):
        exit_code, said = await bridge(tmp_path, "reload", "--code")
    assert (exit_code, "[server] workers = 1: new code needs a process of its own" in said) == (1, True)
