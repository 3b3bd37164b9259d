"""`replay vad report` as it is typed: a trial on tape, compared on the screen and for machines."""

import json

import msgspec
import pytest
from click.testing import CliRunner
from vad_calls import HEARING, composed

from bridge.settings.trial import ARMS
from bridge.tapes.header import decode_header, encode_header
from replay.cli import main
from replay.tapes.rewrite import write_tape
from replay.vad.compose.composed_tape import labels_of, tape_of
from replay.vad.engine.machine import Setting

SETTINGS = dict(zip(ARMS, (Setting(0.6, 700, 300), Setting(0.6, 300, 300)), strict=True))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trial")
    for number, call in enumerate(composed(8)):
        arm = ARMS[number % 2]
        first, *lines = tape_of(call, setting=SETTINGS[arm], hearing=HEARING)
        header = msgspec.structs.replace(decode_header(first), trial="shorter", trial_arm=arm)
        write_tape(folder / f"{call.call_id}.jsonl.gz", [encode_header(header), *lines])
        (folder / f"{call.call_id}.labels.txt").write_text(labels_of(call))
    return folder


def run(place, *args):
    options = ["--cache", str(place / "cache"), "--data", str(place), "-j", "1"]
    return CliRunner().invoke(main, ["vad", "report", *options, *args])


def test_both_arms_and_what_can_be_said_are_printed(place):
    result = run(place, str(place), "--trial", "shorter")
    assert result.exit_code == 1, result.output
    assert result.output.startswith("With the variant callers got ")
    for words in (
        "less delay (\u2212",
        "control of shorter: threshold 0.6, silence 700 ms",
        "4 calls",
        "composed",
    ):
        assert words in result.output


def test_machines_get_the_same_as_numbers(place):
    told = json.loads(run(place, str(place), "--trial", "shorter", "--json").output)
    assert told["result"] == "difference"
    assert [arm["setting"]["silence_duration_ms"] for arm in told["arms"]] == [700, 300]
    (delay,) = (one for one in told["differences"] if one["metric"] == "delay_mean_ms")
    assert delay["low"] < delay["value"] < delay["high"] < 0
    assert delay["verdict"] == "less"


def test_a_trial_that_is_not_there_is_told_with_those_that_are(place):
    result = run(place, str(place), "--trial", "shortr")
    assert result.exit_code == 2
    assert "no call of the trial 'shortr' on 8 tapes" in result.output
    assert "--trial shorter" in result.output
