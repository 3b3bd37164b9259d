"""The GitHub Action that judges a bridge: its steps tell the command what its inputs say, and run nothing of them."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from replay.commands.judge import judge

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load(
    (ROOT / ".github/actions/judge/action.yml").read_text(encoding="utf-8")
)
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
RECORD = """#!/usr/bin/env python3
import json, os, sys
open(os.environ["TOLD"], "w").write(json.dumps(sys.argv[1:]))
print("the card")
sys.exit(1)
"""

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")


def run_step(name: str, folder: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run a step's script as a runner does, with a `replay` that writes down what it is told."""
    replay = folder / "judge" / "bin" / "replay"
    replay.parent.mkdir(parents=True, exist_ok=True)
    replay.write_text(RECORD)
    replay.chmod(0o755)
    step = STEPS[name]
    values = {key: str(told.get("default", "")) for key, told in ACTION["inputs"].items()} | inputs
    given = {
        variable: values[re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", text)[1]]  # type: ignore[index]
        for variable, text in step.get("env", {}).items()
    }
    environment = os.environ | {
        "RUNNER_TEMP": str(folder), "TOLD": str(folder / "told.json"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"), **given,
    }  # fmt: skip
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    return subprocess.run(shell, env=environment, cwd=folder, capture_output=True, text=True, check=False)


def told_to(folder: Path) -> dict[str, Any]:
    """Return what the command made of what it was told."""
    name, *words = json.loads((folder / "told.json").read_text())
    assert name == "judge"
    context = click.Context(judge, info_name="judge")
    judge.parse_args(context, words)
    return {name: value for name, value in context.params.items() if value not in (None, (), False)}


def test_without_inputs_a_bridge_is_rung_that_runs_already(tmp_path: Path) -> None:
    done = run_step("Judge", tmp_path)
    assert done.returncode == 1  # the command's own, though what it prints goes through a pipe
    assert {name: str(value) for name, value in told_to(tmp_path).items()} == {
        "to": "/incoming-call", "html": "report-card.html", "junit": "report-card.xml",
    }  # fmt: skip


def test_every_input_reaches_the_command(tmp_path: Path) -> None:
    (tmp_path / "old card.json").write_text("{}")
    inputs = {
        "to": "/twiml", "command": "python 'my main.py'", "model-variable": "A\nB=http://{host}/v1\n",
        "only": "session-left", "strict": "true", "baseline": str(tmp_path / "old card.json"),
        "public-url": "https://bridge.example.com", "page": "a page.html", "junit": "a.xml",
    }  # fmt: skip
    assert set(inputs) == set(ACTION["inputs"])
    run_step("Judge", tmp_path, **inputs)
    told = told_to(tmp_path)
    assert (told["cmd"], told["to"], told["strict"]) == ("python 'my main.py'", "/twiml", True)
    assert (told["model_variables"], told["only"]) == (("A", "B=http://{host}/v1"), ("session-left",))
    assert [str(told[name]) for name in ("html", "junit", "baseline")] == [
        "a page.html", "a.xml", str(tmp_path / "old card.json"),
    ]  # fmt: skip


def test_no_script_has_an_input_in_its_text() -> None:
    assert not [step["name"] for step in STEPS.values() if "${{" in step["run"]]


def test_an_input_that_looks_like_a_command_is_not_run(tmp_path: Path) -> None:
    run_step("Judge", tmp_path, to="$(touch harm)", only="`touch harm`", page="; touch harm")
    assert not (tmp_path / "harm").exists()


def test_the_card_stands_in_the_summary_of_the_run(tmp_path: Path) -> None:
    run_step("Judge", tmp_path)
    assert run_step("Show the card in the run's summary", tmp_path).returncode == 0
    assert "the card" in (tmp_path / "summary.md").read_text()


def test_what_is_installed_is_this_project() -> None:
    folder = ROOT / ".github" / "actions" / "judge" / ".." / ".." / ".."
    assert "$GITHUB_ACTION_PATH/../../.." in STEPS["Install the lab beside whatever the bridge needs"]["run"]
    assert (folder / "pyproject.toml").samefile(ROOT / "pyproject.toml")
