"""What `bridge calls` and `bridge show` do while the daemon writes what they want to read."""

import gzip
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from bridge.cli import main as bridge
from bridge.store.database import Store
from bridge.store.one_call import read_record
from bridge.tapes.reader import read_tape
from replay.cli import main as replay

TAPE = Path(__file__).parents[2] / "tapes" / "hung_up.jsonl.gz"
HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


@pytest.mark.parametrize("words", ["calls", "show last"])
def test_a_database_that_is_being_written_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    database = tmp_path / "calls.duckdb"
    Store(database).add([TAPE])
    command = [sys.executable, "-c", HOLD, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        monkeypatch.setattr(time, "sleep", lambda seconds: holder.communicate())
        result = CliRunner().invoke(bridge, [*words.split(), "--data", str(tmp_path)])
    assert (result.exit_code, result.stderr) == (0, "")
    assert "front-desk" in result.stdout


@pytest.mark.parametrize("words", ["calls", "show last"])
def test_an_empty_folder_is_told_with_how_to_name_another(tmp_path: Path, words: str) -> None:
    result = CliRunner().invoke(bridge, [*words.split(), "--data", str(tmp_path)])
    assert str(tmp_path) in result.output
    assert "--data names another folder" in result.output
    assert "Traceback" not in result.output


def test_a_call_that_the_bridge_made_is_listed_by_who_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tape, text = tmp_path / TAPE.name, gzip.decompress(TAPE.read_bytes())
    tape.write_bytes(gzip.compress(text.replace(b'"to":"', b'"is_outgoing":true,"to":"', 1)))
    Store(tmp_path / "calls.duckdb").add([tape])
    header = read_tape(tape).header
    monkeypatch.setenv("COLUMNS", "200")
    for program, words in (
        (bridge, ["calls", "--data", str(tmp_path), "--from", header.called]),
        (replay, ["list", str(tmp_path)]),
    ):
        shown = CliRunner().invoke(program, words).stdout
        assert (header.called in shown, header.caller in shown) == (True, False)
    none = CliRunner().invoke(bridge, ["calls", "--data", str(tmp_path), "--from", header.caller])
    assert none.stdout == "No calls match; try fewer filters.\n"


def test_a_call_is_read_in_one_opening_of_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "calls.duckdb")
    store.add([TAPE])
    opened = list[str]()
    connect = duckdb.connect
    monkeypatch.setattr(duckdb, "connect", lambda path, **how: (opened.append(path), connect(path, **how))[1])
    assert read_record(store, "last")["call"]["agent"] == "front-desk"
    assert opened == [str(store.path)]
