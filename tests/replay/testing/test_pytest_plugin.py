"""The fixture `ring_agent`, as somebody who writes an agent has it: in a folder of theirs, with no other plug-in."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.agents import Agent
from bridge.errors import BridgeError
from replay.phone.script import Caller, HangUp, InterruptAfter, WaitForQuiet
from replay.testing.rung_call import RingError, ring_agent

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "testing-your-agent.md"
EXAMPLE = re.compile(r"<!-- (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
LONG = "Good day, this is a greeting of many words" + " and more of them" * 13
LISTENS = Caller(steps=(WaitForQuiet(300), HangUp()))


def run_pytest(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run pytest there; nothing is loaded that is not named."""
    return subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-m",
            "pytest",
            "-p",
            "replay.testing.pytest_plugin",
            "-q",
            str(folder),
        ],
        cwd=folder.parent,  # paths start at the test's file, wherever pytest was started
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_examples_of_the_page_work_as_they_stand(tmp_path: Path) -> None:
    examples = EXAMPLE.findall(PAGE.read_text())
    for name, content in examples:
        (tmp_path / name).write_text(content)
    done = run_pytest(tmp_path)
    assert "8 passed" in done.stdout, done.stdout + done.stderr
    assert len(examples) == 7


def test_a_failed_assertion_shows_the_conversation(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "from bridge.agents import Agent\n"
        "from replay.phone.script import Caller, HangUp, WaitForQuiet\n"
        "def test_it(ring_agent):\n"
        f"    call = ring_agent(Agent(greeting='{LONG}'), Caller(steps=(WaitForQuiet(300), HangUp())))\n"
        "    ring_agent(Agent(greeting='Moin.'), Caller(steps=(WaitForQuiet(300), HangUp())))\n"
        "    assert call.heard('nonsense')\n"
    )
    done = run_pytest(tmp_path)
    report = done.stdout.split("---- call 1 of 2 ----")[1].splitlines()
    assert re.fullmatch(rf" +\d+\.\d\d  agent: {LONG}", report[1])
    assert re.fullmatch(r" +\d+\.\d\d  ended by caller: hung up", report[2])
    assert report[3].startswith("tape: ")
    assert "where False = heard('nonsense')" in done.stdout
    assert "<call of agent, ended by caller: hung up>.heard" in done.stdout


def test_the_conversation_of_a_call_is_in_order_and_whole(tmp_path: Path) -> None:
    agent = Agent(greeting="One two three four five six seven eight nine ten.")
    call = ring_agent(agent, Caller(steps=(InterruptAfter(1000), HangUp())), folder=tmp_path)
    (turn,) = call.transcript
    assert f"agent: {turn.heard} [not heard: {turn.unheard}]" in str(call).splitlines()[0]


# ---------------------------------------------------------------- the call behind it


def test_the_model_greets_with_the_agents_greeting_unless_told_otherwise(tmp_path: Path) -> None:
    call = ring_agent(Agent(greeting="Moin."), LISTENS, folder=tmp_path)
    assert call.heard("moin.")
    assert call.call.next_step == "hangup"
    assert (call.ended_by, call.why) == ("caller", "hung up")


def test_what_was_cut_off_was_not_heard(tmp_path: Path) -> None:
    agent = Agent(greeting="One two three four five six seven eight nine ten.")
    call = ring_agent(agent, Caller(steps=(InterruptAfter(1000), HangUp())), folder=tmp_path)
    assert call.heard("one two")
    assert not call.heard("nine ten")
    assert call.transcript[0].unheard.endswith("nine ten.")


def test_each_call_of_a_test_keeps_its_tape(tmp_path: Path) -> None:
    tapes = {ring_agent(Agent(), LISTENS, folder=tmp_path).tape for _ in range(3)}
    assert len(tapes) == 3
    assert all(tape.exists() for tape in tapes)


def test_an_agent_that_is_not_in_the_file_is_named_with_those_that_are(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[agents.a]\n[agents.b]\n")
    with pytest.raises(RingError, match="several agents: say name= one of a, b"):
        ring_agent(config, LISTENS, folder=tmp_path)
    with pytest.raises(RingError, match='no agent "c": use one of a, b'):
        ring_agent(config, LISTENS, folder=tmp_path, name="c")


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    for missing in ("nobody.toml", "nobody.jsonl.gz"):
        with pytest.raises(BridgeError, match="nobody"):
            ring_agent(Agent(), tmp_path / missing, folder=tmp_path)


async def test_async_tests_are_told_to_be_plain_ones(tmp_path: Path) -> None:
    with pytest.raises(RingError, match="plain def test"):
        ring_agent(Agent(), LISTENS, folder=tmp_path)
