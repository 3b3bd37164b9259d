"""`replay page`: one call as one file."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from odd import KINDS, put_odd

from replay.cli import main

TAPES = Path(__file__).parents[2] / "tapes"
TAPE = TAPES / "interrupted.jsonl.gz"


def replay(*args: str | Path) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def test_it_writes_the_page_under_the_calls_id_or_where_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert replay("page", TAPE).stdout == "CAf46413694d3b4e1559edc623516ad667.html\n"
    assert replay("page", TAPE, "--out", "x.html").exit_code == 0
    assert Path("x.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_redacted_it_has_no_word_of_what_was_said(tmp_path: Path) -> None:
    assert replay("page", TAPE, "--redact", "-o", tmp_path / "x.html").exit_code == 0
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "Harbour" not in page
    assert "check_table" in page


def test_an_odd_tape_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    odd = tmp_path / "odd.jsonl"
    odd.write_text("Dear Sir or Madam,\n")
    result = replay("page", odd, "-o", tmp_path / "x.html")
    assert result.exit_code == 2
    assert str(odd) in result.stderr
    assert not (tmp_path / "x.html").exists()


def test_a_file_that_cant_be_written_is_said(tmp_path: Path) -> None:
    result = replay("page", TAPE, "-o", tmp_path / "nowhere" / "x.html")
    assert (result.exit_code, "can't be written" in result.stderr) == (2, True)


@pytest.mark.parametrize("kind", KINDS)
def test_an_odd_tape_of_any_kind_has_a_page_or_a_sentence_that_names_it(kind: str, tmp_path: Path) -> None:
    odd = put_odd(tmp_path, kind)
    result = replay("page", odd, "-o", tmp_path / "x.html")
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert (result.exit_code == 0) == (tmp_path / "x.html").exists()
    assert result.exit_code == 0 or str(odd) in result.stderr
