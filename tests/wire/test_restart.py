"""A restart in the middle of calls, by real signals to a real process. `bench/restart.py` does it with more calls."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from bench.process import ENVIRONMENT, RUN, Launch, a_process
from bench.restart import Plan, check_restart
from bench.stage import AGENT, PUBLIC

pytestmark = pytest.mark.real_time("daemons are processes")


async def test_a_restart_costs_no_record_no_webhook_and_no_call_that_ends_in_time(tmp_path: Path) -> None:
    plan = Plan(calls=5, drain_seconds=7, hang_up_ms=500, keeps_socket=True, slow_seconds=60)
    result = await check_restart(tmp_path, plan)
    assert result.faults == []
    assert (result.rows, result.told) == (5, 3)


async def test_a_signal_reloads_the_process_and_another_ends_it(tmp_path: Path) -> None:
    async with a_process(tmp_path, launch=Launch()) as daemon:
        daemon.signal(signal.SIGHUP)
        await daemon.wait_logged("configuration is read again")
        daemon.signal(signal.SIGTERM)
        assert await daemon.process.wait() == 0


async def test_a_daemon_whose_terminal_is_closed_ends(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[server]\nbind = "127.0.0.1:0"\npublic_url = "{PUBLIC}"\n[agents.{AGENT}]\n')
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", RUN, "serve", "--config", str(config)]
    process = await trio.lowlevel.open_process(
        command, env={**os.environ, **ENVIRONMENT}, stdin=subprocess.DEVNULL, stderr=theirs
    )
    os.close(theirs)
    said = b""
    while not (b"bridge is up" in said and said.endswith(b"\n")):
        said += await trio.to_thread.run_sync(os.read, ours, 4096)
    os.close(ours)
    process.send_signal(signal.SIGHUP)  # the kernel's, when the terminal was the process's own
    assert await process.wait() == 0
