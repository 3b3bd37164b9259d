"""`replay compare` as a command: short calls through real daemons, exit codes, and what is refused before any call."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from attrs import evolve
from click.testing import CliRunner, Result
from kept import Folder

from bridge.tapes.late import Mark, keep_mark
from replay.commands.compare import compare
from replay.compare.plan import callers_of, load_plan

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
    assert "--interleave calls that variant again" in " ".join(worse.stdout.split())
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


def test_a_fact_that_must_be_said_and_no_longer_is_ends_with_exit_code_1(folder: Path) -> None:
    told = f'{PLAN}{NEXT}[must_say]\n"*" = ["Hello"]\ncall = [["a welcome", "welcome"]]\n'
    (folder / "plan.toml").write_text(told.replace("repeats = 5", 'repeats = 5\nbaseline = "next"'))
    done = run(folder / "plan.toml", "--json")
    assert done.exit_code == 1
    [found] = [
        one
        for one in json.loads(done.stdout)["verdicts"]["today"]
        if one["name"] == "max_unsaid_change" and one["status"] == "worse"
    ]
    assert found["examples"] == [
        "\u201ca welcome\u201d not said (5 of 5 calls; baseline: \u201ca welcome\u201d said)"
    ]
    (folder / "plan.toml").write_text(told.replace("call =", "caller ="))
    assert "[must_say] caller: no such caller; " in run(folder / "plan.toml").stderr


def test_what_the_server_changed_is_told_apart_from_a_change_of_ours(folder: Path) -> None:
    saved = folder / "today.json"
    assert run(folder / "alone.toml", "--save-baseline", saved).exit_code == 0
    plan = f'{PLAN}[variants.next]\nstandin = "model.toml"\n'
    (folder / "plan.toml").write_text(plan)
    (folder / "model.toml").write_text(f"{MODEL}# another file\n")
    refused = run(folder / "plan.toml", "--baseline", saved, "--interleave")
    assert refused.exit_code == 2
    assert "today is set otherwise than on the first day: standin.sha256" in refused.stderr
    (folder / "model.toml").write_text(MODEL)
    done = run(folder / "plan.toml", "--baseline", saved, "--interleave", "--json")
    told = json.loads(done.stdout)
    assert list(told["drift"]) == ["today, now"]
    assert {call["variant"] for call in told["calls"]} == {"today", "next"}
    assert "What the server changed by itself" in (folder / "plan.compare" / "report.html").read_text()


def test_calls_are_interleaved_with_a_saved_baseline_alone(folder: Path) -> None:
    done = run(folder / "plan.toml", "--interleave")
    assert done.exit_code == 2
    assert "--baseline FILE as well" in done.stderr


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


# ---------------------------------------------------------------- a model as judge


class Reader(BaseHTTPRequestHandler):
    """Says yes to calls in which the agent is polite enough to welcome."""

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        is_good = "Hello and welcome" in told["messages"][1]["content"]
        body = json.dumps({"choices": [{"message": {"content": "yes" if is_good else "no"}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def reader() -> Iterator[str]:
    """The address of a model that reads calls."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Reader) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/chat/completions"
        server.shutdown()
        thread.join()


def judging(folder: Path, address: str, labels: dict[str, bool]) -> None:
    told = "".join(f'"{name}" = {str(value).lower()}\n' for name, value in labels.items())
    (folder / "labels.toml").write_text(told)
    judge = {
        "question": "Is the caller welcomed?",
        "model": "reader",
        "labels": "labels.toml",
        "url": address,
    }
    table = "[judge]\n" + "".join(f'{key} = "{value}"\n' for key, value in judge.items())
    plan = PLAN.replace("repeats = 5", 'repeats = 10\nbaseline = "next"')
    (folder / "plan.toml").write_text(f"{plan}{NEXT}{table}")


def tapes_of(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in sorted(folder.glob("plan.compare/**/*.jsonl.gz"))]


def test_a_judge_counts_once_it_agrees_with_people(
    folder: Path, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-reader")
    (folder / "plan.toml").write_text(PLAN.replace("repeats = 5", "repeats = 10") + NEXT)
    run(folder / "plan.toml")
    names = tapes_of(folder)
    good = {name: "/next/" in name for name in names}
    judging(folder, reader, good)
    done = run(folder / "plan.toml", "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 1
    assert told["agreement"]["is_enough"]
    assert "The judge (reader) agrees with people in 10 of 10 calls that they call good" in told["remarks"][0]
    statuses = {one["name"]: one["status"] for one in told["verdicts"]["today"]}
    assert statuses["max_judged_change"] == "worse"
    judging(folder, reader, {name: not is_good for name, is_good in good.items()})
    told = json.loads(run(folder / "plan.toml", "--json").stdout)
    assert told["remarks"][0].endswith("too few for its answers to count.")
    assert "max_judged_change" not in [one["name"] for one in told["verdicts"]["today"]]


def test_a_judge_who_can_not_be_asked_costs_no_call(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    judging(folder, "http://127.0.0.1:9/v1", {"a.jsonl.gz": True, "b.jsonl.gz": False})
    assert "a.jsonl.gz: no such file" in run(folder / "plan.toml").stderr
    judging(folder, "http://127.0.0.1:9/v1", {"call.toml": True, "model.toml": False})
    done = run(folder / "plan.toml")
    assert done.exit_code == 2
    assert "OPENAI_API_KEY is not set" in done.stderr
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


# ---------------------------------------------------------------- calls that people marked


def test_only_calls_that_people_marked_so_ring_again(folder: Path) -> None:
    kept = Folder(folder / "data")
    for call, mark in (("CA1", "bad"), ("CA2", "good"), ("CA3", "")):
        kept.put(call)
        if mark:
            keep_mark(kept.data / "tapes", Mark(call, "anna", datetime(2026, 11, 28, tzinfo=UTC), mark))
    (folder / "recorded.toml").write_text((PLAN + NEXT).replace('"call.toml"', '"call.toml", "data/tapes"'))
    plan = load_plan(folder / "recorded.toml")
    for marked, names in (("", ["call", "CA1", "CA2", "CA3"]), ("bad", ["CA1"]), ("good", ["CA2"])):
        assert [caller.name for caller in callers_of(evolve(plan, marked=marked), [])] == names


def test_where_nobody_marked_a_call_so_that_is_said(folder: Path) -> None:
    told = run(folder / "plan.toml", "--estimate", "--marked", "bad")
    assert told.exit_code == 2
    assert 'none is marked "bad"' in told.output
