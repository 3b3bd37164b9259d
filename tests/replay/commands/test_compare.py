"""`replay compare` as a command: short calls through real daemons, exit codes, and what is refused before any call."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from replay.commands.compare import compare

BASE = """
[agents.front-desk]
greeting = "Hello."
"""
MODEL = """
opening = { text = "Hello.", ms = 300 }
delivery = { first_delta_ms = 40, response_delay_ms = 20 }
[versions.chatty]
opening = { text = "Hello and welcome.", ms = 300 }
"""
CALL = 'steps = [{ wait_for_quiet_ms = 200 }, "hang_up"]'
PLAN = """
callers = ["call.toml"]
repeats = 5
[variants.today]
standin = "model.toml"
"""
NEXT = """
[variants.next]
standin = "model.toml"
version = "chatty"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Everything that a plan names, and two plans."""
    texts = {"config": BASE, "model": MODEL, "call": CALL, "alone": PLAN, "plan": PLAN + NEXT}
    for name, text in texts.items():
        (tmp_path / f"{name}.toml").write_text(text)
    return tmp_path


def run(*arguments: Path | str) -> Result:
    return CliRunner().invoke(compare, [str(argument) for argument in arguments])


def test_a_variant_that_greets_with_other_words_ends_with_exit_code_1(folder: Path) -> None:
    done = run(folder / "plan.toml", "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 1
    assert "max_greeting_change" in [
        one["name"] for one in told["verdicts"]["next"] if one["status"] == "worse"
    ]
    assert (folder / "plan.compare" / "report.html").read_text().startswith("<!doctype html>")


def test_a_baseline_is_saved_and_compared_with_and_what_differs_from_it_is_refused(folder: Path) -> None:
    saved = folder / "today.json"
    made = run(folder / "alone.toml", "--save-baseline", saved)
    assert (made.exit_code, made.stderr) == (0, f"5 calls saved as a baseline: {saved}\n")
    assert run(folder / "alone.toml", "--baseline", saved).exit_code == 0
    worse = run(folder / "plan.toml", "--baseline", saved, "--html", folder / "other" / "page.html")
    assert worse.exit_code == 1
    assert "\nNo: next is worse than today (saved) in " in f"\n{worse.stdout}"
    assert (folder / "other" / "page.html").exists()
    refused = run(folder / "plan.toml", "--baseline", saved, "--repeats", "3")
    assert refused.exit_code == 2
    assert refused.stderr.endswith("repeats: 5 in the baseline, 3 here\n")
    (folder / "call.toml").write_text(CALL.replace("200", "250"))
    assert (
        "caller call: says other audio, or at another time"
        in run(folder / "plan.toml", "--baseline", saved).stderr
    )


def test_what_is_critical_and_not_settled_fails_the_gate(folder: Path) -> None:
    same = PLAN.replace("repeats = 5", "repeats = 2") + '[variants.next]\nstandin = "model.toml"\n'
    (folder / "plan.toml").write_text(f'{same}[gate]\ncritical = ["max_greeting_change"]\n')
    done = run(folder / "plan.toml")
    assert done.exit_code == 1
    assert "Not yet: greeting must not get worse, and 2 calls a side can't tell." in done.stdout
    (folder / "plan.toml").write_text(f'{same}[gate]\ncritical = ["greeting"]\n')
    assert "[gate] critical: greeting: no measure that is judged" in run(folder / "plan.toml").stderr


def test_an_estimate_needs_some_calls_and_makes_none(folder: Path) -> None:
    refused = run(folder / "plan.toml", "--estimate")
    assert refused.exit_code == 2
    assert "a few pilot calls first" in refused.stderr
    assert run(folder / "alone.toml", "--save-baseline", folder / "today.json").exit_code == 0
    told = run(folder / "alone.toml", "--baseline", folder / "today.json", "--estimate")
    assert (told.exit_code, "--repeats" in told.stdout) == (0, True)


def test_calls_are_made_until_it_is_plain(folder: Path) -> None:
    done = run(folder / "plan.toml", "--until-sure", "--most-calls", "60", "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 1
    assert len(told["calls"]) < 60
    assert "looked" in told["remarks"][0]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--budget", "3"], "--most-calls and --budget bound --until-sure"),
        (["--until-sure", "--save-baseline", "x.json"], "which a saved baseline does not have"),
    ],
)
def test_options_that_mean_nothing_together_are_refused(folder: Path, options: list[str], fault: str) -> None:
    done = run(folder / "plan.toml", *options)
    assert done.exit_code == 2
    assert fault in done.stderr
    assert not (folder / "plan.compare").exists()


def test_one_variant_alone_is_not_called_for_nothing(folder: Path) -> None:
    done = run(folder / "alone.toml")
    assert done.exit_code == 2
    assert "there is nothing to compare it with" in done.stderr
    assert not (folder / "alone.compare").exists()


def test_a_threshold_that_does_not_exist_is_refused_before_the_first_call(folder: Path) -> None:
    (folder / "plan.toml").write_text(PLAN + NEXT + "[thresholds]\nlatency = 3\n")
    done = run(folder / "plan.toml")
    assert done.exit_code == 2
    assert "[thresholds] latency: unknown key" in done.stderr
    assert not (folder / "plan.compare").exists()


def test_a_file_that_is_no_baseline_is_refused(folder: Path) -> None:
    done = run(folder / "plan.toml", "--baseline", folder / "config.toml")
    assert done.exit_code == 2
    assert "no saved baseline" in done.stderr
