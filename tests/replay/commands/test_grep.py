"""`replay grep`: words, tools and log lines found in calls."""

import json
import unicodedata
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from taped import from_model, header_of

from bridge.agents import Agent
from bridge.tapes.header import encode_header
from bridge.tapes.tape import encode
from replay.cli import main
from replay.tapes.rewrite import write_tape

TAPES = Path(__file__).parents[2] / "tapes"
INTERRUPTED = TAPES / "interrupted.jsonl.gz"


def replay(*args: str | Path) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def test_a_match_says_which_call_when_and_who() -> None:
    result = replay("grep", "Wait, stop", INTERRUPTED)
    assert result.exit_code == 0
    (line,) = result.output.splitlines()
    assert line.startswith("CAf4641369 ")
    assert line.split()[2] == "caller"


def test_tools_are_found_by_name_argument_and_answer() -> None:
    for pattern in ("check_table", '"people":4', "by the window"):
        (line,) = replay("grep", pattern, INTERRUPTED).output.splitlines()
        assert " tool " in line


def test_log_lines_are_found() -> None:
    (line,) = replay("grep", "binary frame", TAPES / "formats").output.splitlines()
    assert " log " in line


def test_what_was_said_and_never_heard_is_found_too() -> None:
    assert replay("grep", "old stove is still", INTERRUPTED).exit_code == 0


def test_capitals_matter_unless_told() -> None:
    assert replay("grep", "FRIDAY", TAPES).exit_code == 1
    assert replay("grep", "-i", "FRIDAY", TAPES).exit_code == 0


@pytest.mark.parametrize(("written", "asked"), [("NFD", "NFC"), ("NFC", "NFD"), ("NFD", "NFD")])
def test_a_word_is_found_whichever_way_its_accents_are_written(
    tmp_path: Path, written: str, asked: str
) -> None:
    said = from_model(5, "response.output_audio_transcript.done", item_id="i1",
                      transcript=unicodedata.normalize(written, "Das Café, Größe L, phở."))  # fmt: skip
    write_tape(tmp_path / "x.jsonl.gz", [encode_header(header_of(Agent(name="a"), [])), encode(said)])
    for word in ("Café", "Größe", "phở"):
        assert replay("grep", unicodedata.normalize(asked, word), tmp_path).exit_code == 0


def test_one_side_alone_can_be_searched() -> None:
    assert replay("grep", "Friday", TAPES, "--who", "caller").output.count("\n") == 1
    assert replay("grep", "Friday", TAPES, "--who", "log").exit_code == 1


def test_json_has_the_milliseconds() -> None:
    (hit,) = json.loads(replay("grep", "--json", "Wait, stop", INTERRUPTED).output)
    assert hit["t_ms"] > 2000
    assert (hit["who"], hit["text"]) == ("caller", "Wait, stop.")


def test_a_pattern_that_is_none_is_an_error_with_advice() -> None:
    result = replay("grep", "(", TAPES)
    assert result.exit_code == 2
    assert "Try:" in result.stderr


def test_a_tape_that_cant_be_read_is_named_and_the_rest_is_searched(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"hello\n")
    (tmp_path / "b.jsonl.gz").write_bytes(INTERRUPTED.read_bytes())
    result = replay("grep", "Wait", tmp_path)
    assert result.exit_code == 2
    assert "Wait, stop." in result.stdout
