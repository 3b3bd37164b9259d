"""`replay run` on several cores, for CI, and again: always the same outcome."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from click.testing import CliRunner, Result

from bridge.tapes.reader import read_tape
from replay.cli import main
from replay.tapes.player import retold

TAPES = Path(__file__).parents[2] / "tapes"
NAMES = sorted(path.name for path in TAPES.glob("*.jsonl.gz"))
FINGERPRINT = """
import hashlib, sys
from pathlib import Path
from bridge.tapes.reader import read_tape
from replay.tapes.player import retold
for name in sys.argv[1:]:
    print(hashlib.sha256(b"".join(retold(read_tape(Path(name))))).hexdigest())
"""


def replay(*args: str | Path) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def spoilt(folder: Path) -> Path:
    """A folder of a good tape, one that differs, and one that is none."""
    whole = (TAPES / "interrupted.jsonl.gz").read_bytes()
    (folder / "a.jsonl.gz").write_bytes(whole)
    tape = read_tape(folder / "a.jsonl.gz")
    header = b'{"tape":1,"call_id":"CA1","call_sid":"CA1","account_sid":"AC1","agent":"a","started_at":"2026-11-23"}\n'
    (folder / "b.jsonl").write_bytes(header + b"".join(tape.lines))
    (folder / "c.jsonl").write_bytes(b"hello\n")
    return folder


def test_several_processes_tell_the_same_in_the_same_order(tmp_path: Path) -> None:
    folder = spoilt(tmp_path)
    alone, together = (json.loads(replay("run", folder, TAPES, "--json", "-j", jobs).output) for jobs in "12")
    for told in (*alone["tapes"], *together["tapes"]):
        told.pop("took_ms", None), told.pop("speed", None)
    assert alone == together
    assert (alone["ok"], alone["differs"], alone["unreadable"]) == (len(alone["tapes"]) - 2, 1, 1)


def test_a_tape_is_told_the_same_twice_and_in_another_process() -> None:
    paths = [TAPES / name for name in NAMES]
    once, again = ([b"".join(retold(read_tape(path))) for path in paths] for _ in range(2))
    assert once == again
    command = [sys.executable, "-c", FINGERPRINT, *map(str, paths)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert printed == [hashlib.sha256(told).hexdigest() for told in once]


def test_the_report_for_ci_has_a_case_a_tape(tmp_path: Path) -> None:
    report = tmp_path / "out" / "junit.xml"
    result = replay("run", spoilt(tmp_path), "--junit", report)
    assert result.exit_code == 2
    (suite,) = Xml.parse(report).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    assert [case.get("name") for case in suite] == ["a.jsonl.gz", "b.jsonl", "c.jsonl"]


def test_a_failure_in_the_report_shows_the_lines_around_the_difference(tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    replay("run", spoilt(tmp_path), "--junit", report)
    failure = Xml.parse(report).getroot().find(".//failure")
    assert failure is not None
    assert "session" in (failure.get("message") or "")
    assert "first difference at" in (failure.text or "")
    assert "  - " in (failure.text or "")


def test_control_characters_on_a_tape_make_no_broken_report(tmp_path: Path) -> None:
    (tmp_path / "\x01.jsonl").write_bytes(b"\x02\n")
    report = tmp_path / "junit.xml"
    replay("run", tmp_path, "--junit", report)
    assert len(Xml.parse(report).getroot()[0]) == 1


@pytest.mark.parametrize("option", ["--junit", "--parquet"])
def test_a_file_that_cant_be_written_is_said_to_be_before_any_tape_is_replayed(
    tmp_path: Path, option: str
) -> None:
    (tmp_path / "file").write_text("")
    result = replay("run", TAPES, option, tmp_path / "file" / "out")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"Try:   another file with {option} FILE" in result.stderr


def test_the_folder_of_a_table_of_outcomes_is_made(tmp_path: Path) -> None:
    place = tmp_path / "new" / "out.parquet"
    replay("run", TAPES / "hung_up.jsonl.gz", "--parquet", place)
    assert list((tmp_path / "new").iterdir()) == [place]


@pytest.mark.parametrize("jobs", ["0", "many"])
def test_jobs_are_counted_from_one(jobs: str) -> None:
    assert replay("run", TAPES, "--jobs", jobs).exit_code == 2
