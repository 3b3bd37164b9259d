"""What docs/vad.md shows works as it stands there."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from vad_calls import write_calls

from replay.cli import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "vad.md").read_text(encoding="utf-8")


def test_the_notebook_runs(tmp_path, monkeypatch):
    write_calls(tmp_path / "calls", 3)
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(code, names)  # it is our own page
    assert names["found"].status in ("change", "keep", "impossible")
    assert names["found"].probabilities[0].dtype == "float32"


@pytest.mark.parametrize("command", ["sweep", "labels", "compose"])
def test_every_option_on_the_page_is_in_the_help(command):
    shown = CliRunner().invoke(main, ["vad", command, "--help"]).output
    lines = [line for line in PAGE.splitlines() if f"replay vad {command} " in line]
    options = {option for line in lines for option in re.findall(r"--[a-z-]+", line.split("#")[0])}
    assert options
    assert [option for option in sorted(options) if option not in shown] == []


def test_the_budget_on_the_page_is_that_of_the_configuration_file():
    def budget(text):
        return re.search(r"\[agents\.front-desk\.turn_budget\].*?\n((?:\s*\w+ = .*\n)+)", text)[1]

    def values(text):
        return [line.split("#")[0].strip() for line in budget(text).splitlines()]

    assert values(PAGE) == values((ROOT / "config.toml").read_text(encoding="utf-8"))
