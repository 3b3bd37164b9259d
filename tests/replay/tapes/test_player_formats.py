"""Every format a tape ever had is still read: `tests/tapes/formats` keeps a small tape of each."""

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from bridge.errors import TapeError
from bridge.settings.turn_detection import ServerVad
from bridge.store.operators import told_of_operator
from bridge.tapes.header import FORMAT
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import Line, decode
from replay.cli import main
from replay.tapes.pages import page_of
from replay.tapes.player import replay_tape, retold
from replay.tapes.wav import sound_of
from replay.tapes.wire import wire_lines

FORMATS = Path(__file__).parents[2] / "tapes" / "formats"
TAPES = sorted(FORMATS.glob("format?.jsonl"))
"""One of each format; what came into a format later stands in a tape of its own beside it."""
FIELDS = {field.name for field in msgspec.structs.fields(Line)} - {"t_ms", "leg", "sender"}


def test_there_is_a_tape_of_each_format() -> None:
    assert [path.name for path in TAPES] == [f"format{number}.jsonl" for number in range(1, FORMAT + 1)]
    assert [read_tape(path).header.tape for path in TAPES] == list(range(1, FORMAT + 1))


@pytest.mark.parametrize("path", TAPES, ids=lambda path: path.stem)
def test_an_old_tape_can_still_be_used_for_everything(path: Path) -> None:
    tape = read_tape(path)
    page = page_of(tape)
    assert page["call"]["ended_by"] == "caller"
    assert [row["said"] for row in page["transcript"]] == ["Hello!", "A table on Friday?"]
    assert list(retold(tape))
    assert list(wire_lines(tape))
    assert sound_of(tape).caller


@pytest.mark.parametrize("path", TAPES, ids=lambda path: path.stem)
def test_the_kept_tape_has_every_kind_of_line(path: Path) -> None:
    lines = [decode(raw) for one in FORMATS.glob(f"{path.stem}*.jsonl") for raw in read_tape(one).lines]
    found = {name for line in lines for name in FIELDS if getattr(line, name) not in (None, msgspec.UNSET)}
    assert found == FIELDS


@pytest.mark.parametrize("path", sorted(FORMATS.glob("format?_*.jsonl")), ids=lambda path: path.stem)
def test_what_came_into_a_format_later_is_decided_today_as_it_was(path: Path) -> None:
    assert replay_tape(path).difference is None


def test_what_an_operator_did_is_told_with_who_it_was() -> None:
    page = page_of(read_tape(FORMATS / "format1_an_operator.jsonl"))
    assert page["call"]["why"] == "transferred to anna by ada"
    told = [told_of_operator(row["name"], row["data"]) for row in page["milestones"]]
    assert [one for one in told if one] == [
        "ada listens in",
        'ada whispers to the agent: "Offer a table on the terrace.", and wants it answered',
        "ada may not transfer: there is no such place; use one of: sales, anna, line",
        "ada puts the caller through to anna",
        "ada listens in no more",
    ]


def test_a_call_of_a_trial_is_told_with_its_arm_and_replayed_under_that() -> None:
    tape = read_tape(FORMATS / "format1_a_trial.jsonl")
    call = page_of(tape)["call"]
    assert (call["trial"], call["trial_arm"]) == ("shorter-silence", "variant")
    assert tape.header.agent_settings().turn_detection == ServerVad(silence_duration_ms=350)
    shown = CliRunner().invoke(main, ["show", str(tape.path)]).output
    assert "variant of the trial shorter-silence" in " ".join(shown.split())


@pytest.mark.parametrize("number", [0, FORMAT + 1, 99])
def test_a_format_nobody_knows_is_said_so(tmp_path: Path, number: int) -> None:
    data = (FORMATS / "format1.jsonl").read_bytes().replace(b'{"tape":1,', b'{"tape":%d,' % number, 1)
    (tmp_path / "x.jsonl").write_bytes(data)
    with pytest.raises(
        TapeError, match=f"a tape of format {number}; this version reads formats 1 to {FORMAT}"
    ):
        read_tape(tmp_path / "x.jsonl")
    result = CliRunner().invoke(main, ["run", str(tmp_path)])
    assert result.exit_code == 2
    assert f"a tape of format {number}" in result.output
