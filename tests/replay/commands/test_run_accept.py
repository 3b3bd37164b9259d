"""`replay run --accept`: golden tapes are re-recorded, inputs word for word, or refused with the reason."""

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bridge.tapes.reader import read_tape
from bridge.tapes.tape import decode
from replay.cli import main
from replay.tapes.player import replay_tape

TAPES = Path(__file__).parents[2] / "tapes"
INTERRUPTED = TAPES / "interrupted.jsonl.gz"


def replay(*args: str | Path) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def lines_of(path: Path) -> list[bytes]:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines(keepends=True)


def differing(path: Path) -> Path:
    """The interrupted call as a bridge would have taped it that took much more for heard."""
    lines = lines_of(INTERRUPTED)
    for place, line in enumerate(lines):
        if b'.item.truncate"' in line:
            lines[place] = line.replace(b'"audio_end_ms":', b'"audio_end_ms":1')
        elif b'"kind":"item"' in line:
            lines[place] = line.replace(b'"heard_ms":', b'"heard_ms":1')
    data = b"".join(lines)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def inputs(path: Path) -> list[bytes]:
    return [line for line in lines_of(path)[1:] if not decode(line).is_decision]


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_an_accepted_tape_has_todays_decisions_and_its_own_inputs(tmp_path: Path, name: str) -> None:
    path = differing(tmp_path / name)
    result = replay("run", path, "--accept")
    assert result.exit_code == 0
    assert "accepted" in result.output
    assert inputs(path) == inputs(INTERRUPTED)
    assert lines_of(path) == lines_of(INTERRUPTED)
    assert replay_tape(path).difference is None


def test_a_tape_without_a_difference_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(INTERRUPTED.read_bytes())
    before = path.stat()
    assert replay("run", path, "--accept").exit_code == 0
    assert path.stat() == before


def test_nothing_but_the_tape_is_left_in_its_folder(tmp_path: Path) -> None:
    path = differing(tmp_path / "x.jsonl.gz")
    replay("run", path, "--accept")
    assert list(tmp_path.iterdir()) == [path]


def test_a_torn_tape_is_refused(tmp_path: Path) -> None:
    path = differing(tmp_path / "x.jsonl")
    torn = path.read_bytes() + b'{"t_ms":99'
    path.write_bytes(torn)
    result = replay("run", path, "--accept")
    assert result.exit_code == 1
    assert "not accepted: torn" in result.output
    assert path.read_bytes() == torn


def test_a_shed_tape_is_refused(tmp_path: Path) -> None:
    path = differing(tmp_path / "x.jsonl")
    with path.open("ab") as file:
        file.write(b'{"t_ms":9000,"leg":"note","from":"bridge","note":{"kind":"shed","lines":7}}\n')
    result = replay("run", path, "--accept", "--json")
    assert result.exit_code == 1
    assert "had to leave out 7 lines" in json.loads(result.output)["tapes"][0]["refused"]


def test_a_call_that_today_does_not_end_is_refused(tmp_path: Path) -> None:
    path = differing(tmp_path / "x.jsonl")
    lines = lines_of(path)
    path.write_bytes(b"".join(lines[: len(lines) * 3 // 4]))
    result = replay("run", path, "--accept")
    assert result.exit_code == 1
    assert "does not end this call" in result.output


def test_the_records_that_would_differ_are_named(tmp_path: Path) -> None:
    path = differing(tmp_path / "x.jsonl")
    assert "items.heard_ms" in replay("run", path).output
    told = json.loads(replay("run", path, "--json").output)["tapes"][0]["records"]
    assert {"table": "items", "columns": ["heard_ms"], "was_rows": 3, "now_rows": 3} in told


def test_records_that_are_missing_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"".join(line for line in lines_of(INTERRUPTED) if b'"name":"barge_in"' not in line))
    milestones = [decode(line).note for line in read_tape(INTERRUPTED).lines if b'"kind":"milestone"' in line]
    output = replay("run", path).output
    assert f"milestones ({len(milestones) - 1} rows, {len(milestones)} today)" in output
    assert "calls.interruptions" in output
