"""`replay vad sweep` as it is typed: what it prints, what it leaves, and how it ends."""

import json
import tomllib

import duckdb
import pytest
from click.testing import CliRunner
from vad_calls import SETTING, write_calls

from bridge.config import load
from replay.cli import main
from replay.compare.plan import load_plan

CONFIG = """\
[agents.front-desk]            # the only one
greeting = "Hello!"

[agents.front-desk.turn_detection]
threshold = 0.6                # chosen by feel
silence_duration_ms = 500

[agents.front-desk.turn_budget]
turns_cut_percent = 60
missed_above_best_points = 60
false_per_hour = 1000
"""
GRID = ("--thresholds", "0.4:0.6:0.1", "--silences", "300:700:200", "--prefixes", "100:300:100", "-j", "1")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    write_calls(folder / "heard", 6, heard=True)
    write_calls(folder / "unheard", 2)
    (folder / "config.toml").write_text(CONFIG)
    return folder


def run(place, *args):
    names = [str(place / "config.toml"), str(place / "vad.html"), str(place / "cache")]
    options = ["--config", names[0], "--html", names[1], "--cache", names[2], "--data", str(place)]
    return CliRunner().invoke(main, ["vad", "sweep", *options, *GRID, *args])


def test_advice_is_printed_with_what_it_costs_and_how_to_set_it(place):
    result = run(place, str(place / "heard"), "--for", "front-desk")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("Set threshold ")
    for words in ("Turns cut off", "Answer delay, mean", "6 calls", "composed of known parts", "page: "):
        assert words in result.output
    assert "[agents.front-desk.turn_detection]" in result.output
    assert "<html" in (place / "vad.html").read_text()


def test_written_advice_is_in_force_and_comments_stay(place):
    before = (place / "config.toml").read_text()
    try:
        result = run(place, str(place / "heard"), "--for", "front-desk", "--write", "--json")
        told = json.loads(result.output)["recommended"]
        vad = load(place / "config.toml").agents["front-desk"].turn_detection
        assert (vad.threshold, vad.silence_duration_ms, vad.prefix_padding_ms) == tuple(told.values())
        assert "# chosen by feel" in (place / "config.toml").read_text()
    finally:
        (place / "config.toml").write_text(before)


def test_machines_get_numbers_parquet_and_a_plan(place):
    result = run(
        place, str(place / "heard"), "--for", "front-desk", "--json",
        "--parquet", str(place / "tables"), "--plan", str(place / "confirm.toml"),
    )  # fmt: skip
    told = json.loads(result.output)
    assert told["status"] == "change"
    assert told["current"]["silence_duration_ms"] == SETTING.silence_duration_ms
    assert told["calibration"]["held_out_events"] >= 20
    with duckdb.connect() as database:
        rows = f"from '{place}/tables/settings.parquet'"
        assert database.sql(f"select count(*) {rows}").fetchall() == [(3 * 3 * 3,)]
        best = f"select min(turns_cut) {rows} where threshold = 0.5 and silence_duration_ms = 500"
        assert 0 <= database.sql(best).fetchall()[0][0] <= 1
        windows = database.sql(
            f"select count(*), max(probability) from '{place}/tables/probabilities.parquet'"
        ).fetchall()[0]
    assert windows[0] > 1000
    assert windows[1] > 0.9
    assert [variant.name for variant in load_plan(place / "confirm.toml").variants] == [
        "today",
        "recommended",
    ]
    assert tomllib.loads((place / "confirm.toml").read_text())["baseline"] == "today"


def test_calls_that_no_server_heard_end_with_1_and_the_reason(place):
    result = run(place, str(place / "unheard"))
    assert result.exit_code == 1
    assert "No recommendation" in result.output
    assert "--trust-engine" in result.output


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("nowhere",), "no such file or folder"),
        (
            ("unheard", "--thresholds", "0.9:0.3:0.1"),
            "--thresholds '0.9:0.3:0.1': from 0 to 1 as FIRST:LAST:STEP",
        ),
        (("unheard", "--silences", "many"), "--silences 'many'"),
        (("unheard", "--thresholds", "0:1:0.0001"), "a larger step"),
        (("unheard", "--thresholds", "0.3:0.9:1e-320"), "a larger step"),
        (("unheard", "--for", "nobody"), "no agent 'nobody'"),
        (("unheard", "--agent", "nobody"), "what there is: --agent composed"),
        (("unheard", "--thresholds", "0.3:0.9:inf"), "FIRST:LAST:STEP"),
        (("unheard", "--thresholds", "0.3:0.9:0.05:9"), "FIRST:LAST:STEP"),
        (("unheard", "--labels", "nofolder"), "does not exist"),
        (("unheard", "--config", "nowhere.toml"), "nowhere.toml: no such file"),
    ],
)
def test_what_can_not_be_done_ends_with_2_and_advice(place, args, words):
    name, *rest = args
    result = run(place, str(place / name), *rest)
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output


def test_help_of_every_command_has_an_example():
    for command in ("sweep", "labels", "compose"):
        result = CliRunner().invoke(main, ["vad", command, "--help"])
        assert result.exit_code == 0
        assert f"replay vad {command} " in result.output
