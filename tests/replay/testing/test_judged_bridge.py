"""The fixture `judge`, as somebody who tests a bridge has it."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from replay.testing.judged_bridge import NotJudgedError, judge_bridge

ROOT = Path(__file__).parents[3]
TEST = f"""
def test_it(judge):
    command = "{sys.executable} -m bench.relays.planted --fault sends_before_start"
    card = judge(
        "/incoming-call", cmd=command, model_variables=["OPENAI_REALTIME_URL"], only=["first-audio-placed"]
    )
    assert card.named("failed") == ()
"""


@pytest.mark.real_time("the bridge is a process")
def test_a_failed_test_shows_the_card_and_names_its_page(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TEST)
    plugin = ("-p", "replay.testing.pytest_plugin", "-q", "--basetemp", str(tmp_path / "base"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", *plugin, str(tmp_path / "test_it.py")],
        cwd=tmp_path, env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    report = done.stdout.split("---- report card 1 of 1 ----")[1]
    assert "no audio is sent before `start` has told its stream" in report
    page = re.search(r"^page: (.*)$", report, re.MULTILINE)
    assert page is not None
    assert "1 thing goes wrong in its calls" in Path(page[1]).read_text()
    assert "('first-audio-placed',) == ()" in done.stdout


def test_a_bridge_that_does_not_answer_is_no_good_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(NotJudgedError, match="no call came about"):
        judge_bridge(f"http://127.0.0.1:{port}/voice", model_port=0)


async def test_in_async_code_it_says_where_it_belongs() -> None:
    with pytest.raises(NotJudgedError, match="from a plain def test"):
        judge_bridge("http://127.0.0.1:1/voice")
