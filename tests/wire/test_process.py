"""The daemon as a process of its own: signals, a crash in mid-call, and what the next start makes of it."""

import gzip
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from odd import KINDS, LINES, put_good, put_odd

from bench.endings import LIMITS, SCRIPT, WAYS
from bench.process import DRAIN_SECONDS, RUN, Launch, a_process
from bench.stage import AGENT, PROMPT, PUBLIC, MakePlace, Place, open_stage, words
from bridge.errors import StoreError
from bridge.store.database import TABLES, Store
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import decode
from replay.model.script import Script
from replay.phone.ring import Caller
from replay.phone.script import HangUp, StopReading, WaitForAgent, WaitForEnd

pytestmark = pytest.mark.real_time("daemons are processes")

LONG = Script(opening=(words("agent_greeting"),), delivery=PROMPT)
LISTENER = Caller(steps=(WaitForAgent(), WaitForEnd()), answer_delay_ms=0)
SLOW_SECONDS = 60
"""What takes a moment by itself, on a machine that has a lot to do; what waits for nobody would wait for ever."""

STALLED = Caller(steps=(WaitForAgent(), StopReading(), WaitForEnd()), answer_delay_ms=0)


def records(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table."""
    store = Store(folder / "data" / "calls.duckdb")
    return {table: store.query(f"select * from {table} order by all") for table in TABLES}


# ---------------------------------------------------------------- signals


async def test_a_stalled_caller_does_not_hold_up_the_end(tmp_path: Path) -> None:
    async with a_process(tmp_path, LONG) as daemon:
        await daemon.call(STALLED)
        told = trio.current_time()
        daemon.process.send_signal(signal.SIGTERM)
        code = await daemon.process.wait()
        took = trio.current_time() - told
        daemon.calls.cancel_scope.cancel()
    (row,) = records(tmp_path)["calls"]
    assert (code, row["ended_by"], row["why"]) == (0, "operator", "the daemon is shutting down")
    assert took <= DRAIN_SECONDS + SLOW_SECONDS


async def test_a_daemon_without_calls_ends_at_the_first_signal(tmp_path: Path) -> None:
    async with a_process(tmp_path, launch=Launch({"drain_seconds": 2 * SLOW_SECONDS})) as daemon:
        told = trio.current_time()
        daemon.process.send_signal(signal.SIGTERM)
        assert await daemon.process.wait() == 0
        took = trio.current_time() - told
    assert took < SLOW_SECONDS


async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    async with a_process(tmp_path) as daemon:
        await daemon.call(LISTENER)
        daemon.process.send_signal(signal.SIGTERM)
        await daemon.wait_logged("draining")
        daemon.process.send_signal(signal.SIGTERM)
        code = await daemon.process.wait()
        daemon.calls.cancel_scope.cancel()
    (path,) = (tmp_path / "data" / "tapes").rglob("*.jsonl*")
    (end,) = [line.end for line in map(decode, read_tape(path).lines) if line.end is not None]
    assert (code, end["by"], end["why"]) == (0, "bridge", "cancelled")


async def test_a_command_that_cant_serve_says_why_in_one_line(tmp_path: Path, place: MakePlace) -> None:
    async with open_stage(place()):
        said = await _fail(tmp_path, "127.0.0.1:0")
        assert f"{tmp_path / 'data'}: another bridge (process {os.getpid()}) records here" in said
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        assert f"can't listen on {bind}: Address already in use; use" in await _fail(tmp_path, bind)


async def _fail(folder: Path, bind: str) -> str:
    """Run a daemon that can't start, and return the one line it says."""
    config = folder / "config.toml"
    config.write_text(f'[server]\npublic_url = "{PUBLIC}"\n[agents.{AGENT}]\n')
    command = [sys.executable, "-c", RUN, "serve", "--config", str(config), "--bind", bind]
    environment = {**os.environ, "TWILIO_AUTH_TOKEN": "x", "OPENAI_API_KEY": "x"}
    ended = await trio.run_process(command, env=environment, capture_stderr=True, check=False)
    (line,) = ended.stderr.decode().splitlines()
    assert (ended.returncode, line[:7]) == (2, "Error: ")
    return line


# ---------------------------------------------------------------- a crash


async def test_odd_tapes_do_not_keep_a_daemon_from_starting_nor_others_from_its_index(tmp_path: Path) -> None:
    day = tmp_path / "data" / "tapes" / "2026-11-23"
    odd = [put_odd(day, kind) for kind in KINDS]
    good = put_good(day)
    good.with_suffix("").write_bytes(b"".join(LINES[:200]))
    good.unlink()  # the good call was cut off, and so was an odd one
    torn = day / "CA_torn.jsonl"
    torn.write_bytes(b"".join(LINES[:100]) + b"5\n")
    async with a_process(tmp_path) as daemon:
        await daemon.wait_logged("call can't be indexed", len(odd))
        named = {str(line.get("tape")) for line in daemon.log if line.get("level") == "error"}
        await daemon.wait_logged("a call was cut off by a crash; its tape is closed now")
    assert [path for path in (*odd, torn) if str(path) not in named] == []
    assert [row["why"] for row in records(tmp_path)["calls"]] == ["crashed"]


async def test_a_call_cut_off_by_a_crash_is_closed_and_indexed_at_the_next_start(
    tmp_path: Path, place: MakePlace
) -> None:
    async with a_process(tmp_path, LONG) as daemon:
        await daemon.call(LISTENER)
        await _wait_for_tape(tmp_path)
        daemon.process.kill()
        await daemon.process.wait()
        daemon.calls.cancel_scope.cancel()
    setup = place()
    await _restart(setup)
    row, _ = setup.calls()
    path = next(path for path in setup.tapes if path.name.startswith(row["call_id"]))
    assert (row["ended_by"], row["why"]) == ("bridge", "crashed")
    assert path.name == f"{row['call_id']}.jsonl.gz"
    assert not read_tape(path).is_torn


async def _restart(setup: Place) -> None:
    """Start a daemon on a folder, and let it index what it finds there, and a call of its own."""
    async with open_stage(setup) as stage:
        await stage.ring(attrs.evolve(LISTENER, steps=(WaitForAgent(), HangUp())))
        await stage.wait_recorded()


async def _wait_for_tape(folder: Path) -> None:
    """Return when the agent's first words are on the disk."""
    while not _has_words(folder):  # noqa: ASYNC110 - a disk tells nobody
        await trio.sleep(0.05)


def _has_words(folder: Path) -> bool:
    return any(b'"audio"' in path.read_bytes() for path in folder.rglob("*.jsonl"))


async def test_a_torn_last_line_costs_that_line_alone(tmp_path: Path, place: MakePlace) -> None:
    setup = place()
    async with open_stage(setup) as stage:
        report = await stage.ring(attrs.evolve(LISTENER, steps=(WaitForAgent(), HangUp())))
    (path,) = setup.tapes
    lines = read_tape(path).lines
    _tear(path, keep=len(lines) // 2)
    setup.store.path.unlink()
    await _restart(setup)
    row, _ = setup.calls()
    assert (row["call_id"], row["ended_by"], row["why"]) == (report.call_sid, "bridge", "crashed")
    assert read_tape(path).lines[: len(lines) // 2] == lines[: len(lines) // 2]


def _tear(path: Path, keep: int) -> None:
    """Make a complete tape look as if its process had died."""
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.with_suffix("").write_bytes(b"".join(lines[: keep + 1]) + lines[keep + 1][:10])
    path.unlink()


async def test_rebuilding_from_tapes_gives_the_same_rows(tmp_path: Path, place: MakePlace) -> None:
    setup = place(script=SCRIPT, limits=LIMITS)
    async with open_stage(setup) as stage, trio.open_nursery() as calls:
        for way in WAYS:
            calls.start_soon(stage.ring, way.caller())
        while len(setup.tapes) < len(WAYS):  # noqa: ASYNC110 - nobody tells of the last webhook
            await trio.sleep(0.02)
        await stage.wait_recorded()
    before = records(tmp_path)
    assert setup.store.rebuild(setup.tapes, lambda: None) == []
    assert len(WAYS) == len(before["calls"])
    assert records(tmp_path) == before


# ---------------------------------------------------------------- two daemons


async def test_a_second_daemon_on_the_same_folder_is_refused(place: MakePlace) -> None:
    async with open_stage(place()):
        with pytest.raises(ExceptionGroup) as refused:
            async with open_stage(place()):
                pass
    async with open_stage(place()):
        pass
    assert refused.group_contains(StoreError, match=f"process {os.getpid()}. records here")
