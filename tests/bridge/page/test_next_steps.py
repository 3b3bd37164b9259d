"""What to do with a call next: commands that exist, for any name of a tape and an agent."""

import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bridge.page.facts import document
from bridge.page.next_steps import next_steps
from bridge.tapes.reader import read_tape
from replay.cli import main
from replay.compare.plan import load_plan

TAPES = Path(__file__).parents[2] / "tapes"
STEPS = document(read_tape(TAPES / "interrupted.jsonl.gz"))["next_steps"]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step["title"])
def test_each_command_of_ours_is_one_that_there_is(step: dict[str, str]) -> None:
    ours = [line for line in step["command"].splitlines() if line.startswith("replay ")]
    for line in ours:
        _, name, *options = shlex.split(line)
        command = main.get_command(click.Context(main), name)
        assert command is not None
        known = {option for parameter in command.params for option in parameter.opts}
        assert {option for option in options if option.startswith("-")} <= known


def test_the_plan_is_one_that_compare_reads(tmp_path: Path) -> None:
    (step,) = (step for step in STEPS if "Compare" in step["title"])
    plan = step["command"].partition("<<'END'\n")[2].partition("END\n")[0]
    (tmp_path / "config.toml").write_text("[agents.front-desk]\n")
    (tmp_path / "switch.toml").write_text(plan)
    loaded = load_plan(tmp_path / "switch.toml")
    assert [variant.name for variant in loaded.variants] == ["today", "next"]


def test_replaying_it_is_as_it_says() -> None:
    (step,) = (step for step in STEPS if "Replay" in step["title"])
    result = CliRunner().invoke(main, shlex.split(step["command"])[1:])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("tape", ["a b/'c'.jsonl.gz", "$(reboot).jsonl", "-o.jsonl", "`x`;y"])
def test_a_tapes_name_stays_one_word_of_the_command(tape: str) -> None:
    step, *_ = next_steps({"tape": tape, "agent": "front-desk"})
    assert shlex.split(step["command"])[2] == tape


def test_a_name_that_steers_a_terminal_is_put_into_no_command() -> None:
    assert next_steps({"tape": "x\x1b]0;\x07.jsonl\nreboot", "agent": "a"}) == []
    (*_, test) = next_steps({"tape": "x.jsonl", "agent": "a\nEND\nreboot"})
    assert "reboot" not in test["command"]
