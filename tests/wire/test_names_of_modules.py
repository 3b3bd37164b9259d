"""A user's files may have the names of Python's own modules: the daemon's processes start beside them."""

import subprocess
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner

import bridge
from bench.process import ENVIRONMENT, Launch, a_process
from bench.stage import AGENT
from bridge.cli import main
from bridge.machine import child
from bridge.store.database import Store
from replay.phone.ring import Caller
from replay.phone.script import HangUp, WaitForAgent

pytestmark = pytest.mark.real_time("workers and the indexer are processes")

QUICK = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)
BRIDGE = Path(bridge.__file__).parent
NAMES = ("calendar", "queue", "copy", "socket", "signal", "json", "types", "enum", "random")

TOOL = """
from bridge.tools import tool

@tool
def book() -> str:
    return "booked"
"""

INSTALLED = "import sys; sys.path.remove(''); from bridge.cli import main; main()"
"""As the command that is installed starts: the folder one stands in is no place to import from."""


@pytest.fixture(autouse=True)
def a_folder_of_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder with a tool file of each of these names."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(TOOL)
    monkeypatch.chdir(tmp_path)


def launch(workers: int) -> Launch:
    """Return a daemon of so many workers, with an agent that has one of the tools."""
    agents = f'[agents.{AGENT}]\ntools = ["calendar.py:book"]\n'
    return Launch(server={"workers": workers}, agents=agents, run=INSTALLED)


@pytest.mark.parametrize("workers", [1, 2])
async def test_calls_are_taken_and_indexed_where_files_are_called_like_modules(
    tmp_path: Path, workers: int
) -> None:
    async with a_process(tmp_path, launch=launch(workers)) as daemon:
        await daemon.call(QUICK)
        daemon.signal()
        assert await daemon.process.wait() == 0
        known = await trio.to_thread.run_sync(Store(tmp_path / "data" / "calls.duckdb").call_ids)
    assert len(known) == 1
    assert not [line for line in daemon.log if "Error" in str(line)]


def test_a_check_finds_the_tools_that_the_daemon_finds(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(launch(2).configuration("wss://model.example.com/v1/realtime"))
    result = CliRunner().invoke(main, ["check", "--config", str(config)], env=ENVIRONMENT)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    "module", ["bridge.workers", "bridge.indexing.worker", "bridge.console.ready.prepared"]
)
def test_no_process_of_ours_imports_from_the_folder_one_stands_in(module: str) -> None:
    done = subprocess.run(child(module, "--help"), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert "ImportError" not in done.stderr
    assert "AttributeError" not in done.stderr


def test_there_is_one_place_that_starts_modules_of_ours() -> None:
    others = {path.name for path in BRIDGE.rglob("*.py") if '"-m"' in path.read_text(encoding="utf-8")}
    assert others == {"machine.py"}
