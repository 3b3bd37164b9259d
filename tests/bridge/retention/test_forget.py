"""Erasing a call, or everybody's calls with a number: nothing of it is left in any byte of the folder, and of the
other calls nothing is missing.
"""

import gzip
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from kept import ALICE, CALLER, OURS, Folder, cached

from bridge.cli import main
from bridge.config import parse
from bridge.errors import ForgetError
from bridge.indexing.worker import Indexing
from bridge.retention.forget import known_calls, meant_by, same_number
from bridge.retention.search import Needle, search
from bridge.store.messages import Found, Look
from bridge.store.records import records_of
from bridge.tapes.forgotten import Forgotten
from bridge.tapes.lock import held_alone
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import decode

SECRET = "Xylophone sonatas for Wednesday, please."


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "data")


def forget(folder: Folder, who: str, *options: str, answer: str = "") -> Result:
    command = ["forget", who, "--data", str(folder.data), *options]
    return CliRunner().invoke(main, command, input=answer)


def a_call_of_alice(folder: Folder, call_id: str = "CAalice", **changes: Any) -> Path:
    """Put a call there in which something was said that nobody else says."""
    tape = read_tape(Path(__file__).parents[2] / "tapes" / "interrupted.jsonl.gz")
    records = records_of(tape.header, map(decode, tape.lines))
    said = max((row["said"] for row in records.transcript), key=len)
    return folder.put(call_id, tape="interrupted", caller=ALICE, **{said: SECRET}, **changes)


# ---------------------------------------------------------------- a call


def test_a_call_is_gone_from_every_byte_and_the_others_are_untouched(folder: Folder) -> None:
    alice, other = a_call_of_alice(folder), folder.put("CAother")
    labels, heard = alice.with_name("CAalice.labels.txt"), cached(folder, alice)
    labels.write_text(f"0.1\t0.2\tturn: {SECRET}\n")
    before, tape = folder.rows("CAother"), other.read_bytes()
    assert {"calls.duckdb", "CAalice.jsonl.gz", "CAalice.labels.txt"} <= set(
        folder.holding("CAalice", SECRET, ALICE)
    )
    result = forget(folder, "CAalice", "--yes")
    assert result.exit_code == 0, result.output
    assert folder.holding("CAalice", SECRET, ALICE, ALICE[1:]) == []
    assert not heard.exists()
    assert folder.rows("CAother") == before
    assert folder.rows() == before
    assert other.read_bytes() == tape


def test_what_was_erased_is_told_with_the_proof(folder: Folder) -> None:
    a_call_of_alice(folder)
    folder.put("CAother")
    lines = forget(folder, "CAalice", "--yes").output.splitlines()
    assert lines[0].startswith("erased 1 call: 1 file of theirs, ")
    assert lines[1].startswith("searched 4 files, ")
    assert lines[1].endswith(" things: nothing left")
    assert lines[2].startswith("Not reached: journald and other logs, backups")


def test_for_machines(folder: Folder) -> None:
    a_call_of_alice(folder)
    said = msgspec.json.decode(forget(folder, "CAali", "--yes", "--json").stdout)
    assert (said["calls"], said["files"], said["rows"]["calls"], said["masked"]) == (["CAalice"], 1, 1, [])
    assert (said["proof"]["files"], said["proof"]["left"]) == (3, [])
    assert said["proof"]["searched_for"] > 2


def test_an_open_tape_of_a_daemon_that_died_is_erased(folder: Folder) -> None:
    path = a_call_of_alice(folder)
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()
    assert forget(folder, "CAalice", "--yes").exit_code == 0
    assert folder.holding("CAalice", SECRET) == []


def test_a_live_call_is_refused_and_nothing_is_erased(folder: Folder) -> None:
    path = a_call_of_alice(folder)
    path.rename(path.with_suffix(""))
    path.with_suffix("").write_bytes(gzip.decompress(path.with_suffix("").read_bytes()))
    a_call_of_alice(folder, "CAearlier")
    before = folder.rows()
    with held_alone(folder.data):
        result = forget(folder, ALICE, "--yes")
    assert result.exit_code == 2
    assert "Error: CAalice: going on now; nothing was erased. Try again when it has ended" in result.output
    assert folder.rows() == before


def test_a_daemon_that_runs_keeps_nobody_from_forgetting_a_call_that_is_over(folder: Folder) -> None:
    a_call_of_alice(folder)
    with held_alone(folder.data):
        assert forget(folder, "CAalice", "--yes").exit_code == 0
    assert folder.holding("CAalice", SECRET) == []


def test_a_call_that_is_only_in_the_database_is_erased(folder: Folder) -> None:
    a_call_of_alice(folder).unlink()
    assert forget(folder, "CAalice", "--yes").exit_code == 0
    assert folder.holding("CAalice", SECRET) == []


def test_a_tape_that_nobody_can_read_is_erased(folder: Folder) -> None:
    path = a_call_of_alice(folder)
    path.write_bytes(b"not gzip")
    assert forget(folder, "CAalice", "--yes").exit_code == 0
    assert folder.holding("CAalice") == []


def test_no_call_or_several_are_an_error(folder: Folder) -> None:
    a_call_of_alice(folder)
    a_call_of_alice(folder, "CAalien")
    for who, said in (("CAbob", "no call CAbob"), ("CAali", "beginning of several"), ("12", "too short")):
        result = forget(folder, who, "--yes")
        assert (result.exit_code, said in result.output) == (2, True)
    assert len(folder.rows()["calls"]) == 2


def test_the_same_calls_part_with_another_agent_stays(folder: Folder) -> None:
    folder.put("CA1")
    folder.put("CA1-sales")
    before = folder.rows("CA1-sales")
    assert forget(folder, "CA1", "--yes").exit_code == 0
    assert folder.rows() == before


# ---------------------------------------------------------------- a number


@pytest.mark.parametrize("written", [ALICE, ALICE[1:], "+1 (555) 987-6001", " +1.555.987.6001 "])
def test_all_calls_with_a_number_are_gone_however_it_is_written(folder: Folder, written: str) -> None:
    a_call_of_alice(folder)
    folder.put("CAtwo", caller=ALICE, day="2026-11-20")
    folder.put("CAother")
    before = folder.rows("CAother")
    result = forget(folder, written, "--yes")
    assert (result.exit_code, result.output[:15]) == (0, "erased 2 calls:")
    assert folder.holding(ALICE[1:], "CAalice", "CAtwo", SECRET) == []
    assert folder.rows() == before
    assert [path.name for path in (folder.data / "tapes").iterdir()] == ["2026-11-23"]


@pytest.mark.parametrize(
    "outbound",
    [{'"Direction":"inbound"': '"Direction":"outbound-api"'}, {'"to":"': '"is_outgoing":true,"to":"'}],
    ids=["somebody's own TwiML", "the bridge"],
)
def test_of_a_call_that_was_made_the_other_party_is_the_one_called(
    outbound: dict[str, str], folder: Folder
) -> None:
    folder.put("CAout", caller="(us)", **{OURS: ALICE, "(us)": OURS}, **outbound)  # the two change places
    folder.put("CAin")
    assert {known.call_id: known.party for known in known_calls(folder.data, folder.store)}["CAin"] == (
        CALLER,
    )
    meant = meant_by(ALICE, known_calls(folder.data, folder.store))
    assert [known.call_id for known in meant.calls] == ["CAout"]
    with pytest.raises(ForgetError, match="is a number of your own"):
        meant_by(OURS, known_calls(folder.data, folder.store))


def test_a_number_of_ours_is_refused(folder: Folder) -> None:
    folder.put("CA1")
    result = forget(folder, OURS, "--yes")
    assert (result.exit_code, "is a number of your own" in result.output) == (2, True)


def test_rows_without_a_tape_are_matched_by_either_number(folder: Folder) -> None:
    a_call_of_alice(folder).unlink()
    folder.put("CAother")
    assert forget(folder, ALICE, "--yes").exit_code == 0
    assert folder.holding("CAalice", ALICE[1:]) == []


def test_masked_numbers_are_listed_for_nobody_can_tell(folder: Folder) -> None:
    folder.put("CAmasked", caller="+xxxxxxxxx01")
    folder.put("CAelse", caller="+xxxxxxxxx02")
    result = forget(folder, ALICE, "--yes")
    assert result.exit_code == 2
    assert "1 call with a masked number that may be it, to be forgotten by id:\n  CAmasked" in result.output
    assert {row["call_id"] for row in folder.rows()["calls"]} == {"CAmasked", "CAelse"}


def test_a_number_that_another_call_mentions_is_told_and_left(folder: Folder) -> None:
    a_call_of_alice(folder)
    tape = read_tape(Path(__file__).parents[2] / "tapes" / "hung_up.jsonl.gz")
    said = max((row["said"] for row in records_of(tape.header, map(decode, tape.lines)).transcript), key=len)
    folder.put("CAbob", **{said: f"Call Alice back at {ALICE}."})
    result = forget(folder, ALICE, "--yes")
    assert result.exit_code == 1
    assert "  the number in tapes/2026-11-23/CAbob.jsonl.gz" in result.output.splitlines()
    assert "  the number in rows of calls.duckdb" in result.output.splitlines()


def test_a_number_nobody_rang_with_is_searched_for_all_the_same(folder: Folder) -> None:
    folder.put("CA1")
    (folder.data / "notes.txt").write_text(f"ring {ALICE}")
    result = forget(folder, ALICE, "--yes")
    assert (result.exit_code, "the number in notes.txt" in result.output) == (2, True)


@pytest.mark.parametrize("options", [["--yes"], ["--yes", "--json"], ["--dry-run"], []])
def test_a_number_nobody_rang_with_does_not_look_erased(folder: Folder, options: list[str]) -> None:
    folder.put("CA1")
    before = folder.rows()
    result = forget(folder, ALICE, *options)
    assert result.exit_code == 2
    assert f"Error: no call with {ALICE} in {folder.data}: nothing was erased" in result.stderr
    assert ("erased " in result.stdout, "nothing left" in result.stdout, folder.rows()) == (
        False,
        False,
        before,
    )


def test_numbers_are_compared_by_their_digits_and_addresses_by_their_letters() -> None:
    assert same_number("+1 555 987 6001", "15559876001")
    assert same_number("sip:Alice@example.com", "sip:alice@example.com")
    assert not same_number("+xxxxxxxxx01", "+15559876001")
    assert not same_number("", "")


# ---------------------------------------------------------------- asking first


def test_it_asks_first_and_takes_no_for_an_answer(folder: Folder) -> None:
    path = a_call_of_alice(folder)
    for answer in ("n\n", ""):
        result = forget(folder, ALICE, answer=answer)
        assert (result.exit_code, "nothing was erased" in result.output, path.exists()) == (2, True, True)
    assert "CAalice  2026-11-23 " in result.output
    assert forget(folder, ALICE, answer="y\n").exit_code == 0
    assert not path.exists()


def test_a_dry_run_erases_nothing(folder: Folder) -> None:
    path = a_call_of_alice(folder)
    before = path.read_bytes(), folder.store.path.read_bytes()
    assert "1 call of CAalice" in forget(folder, "CAalice", "--dry-run").output
    said = msgspec.json.decode(forget(folder, ALICE, "--dry-run", "--json").stdout)
    assert said == {"calls": ["CAalice"], "masked": []}
    assert (path.read_bytes(), folder.store.path.read_bytes()) == before
    assert not (folder.data / "forgotten").exists()


def test_a_folder_that_is_none_is_an_error_and_is_not_made(folder: Folder) -> None:
    assert forget(folder, "CA1", "--yes").exit_code == 2
    assert not folder.data.exists()


# ---------------------------------------------------------------- not half, and not again


def test_a_database_that_cant_be_used_leaves_all_for_the_next_try(folder: Folder) -> None:
    path, good = a_call_of_alice(folder), folder.store.path.read_bytes()
    folder.store.path.write_bytes(b"not a database" * 1000)
    result = forget(folder, "CAalice", "--yes")
    assert (result.exit_code, "bridge reindex" in result.output, path.exists()) == (2, True, True)
    folder.store.path.write_bytes(good)
    assert forget(folder, "CAalice", "--yes").exit_code == 0
    assert folder.holding("CAalice", SECRET) == []


def test_an_erased_call_is_not_indexed_again(folder: Folder) -> None:
    path = a_call_of_alice(folder)
    kept = path.read_bytes()
    forget(folder, "CAalice", "--yes")
    path.parent.mkdir()
    path.write_bytes(kept)  # from a backup, or by a process that had read it before
    (fault,) = folder.store.rebuild([path], lambda: None)
    assert "its call was erased" in str(fault)
    assert folder.rows()["calls"] == []
    look = Look(parse({"agents": {"a": {}}}, folder.data.parent / "config.toml"), "", 10)
    assert Indexing(folder.data).reply_to(look) == Found((str(path),), has_more=False)
    with pytest.raises(Exception, match="its call was erased"):
        folder.store.add([path])


def test_what_is_remembered_of_an_erased_call_says_nothing(folder: Folder) -> None:
    a_call_of_alice(folder)
    forget(folder, "CAalice", "--yes")
    known = Forgotten.in_folder(folder.data)
    assert known.has("CAalice")
    assert len(known.path.read_bytes()) == 66
    known.add(["CAalice"])
    assert len(known.path.read_bytes()) == 66


# ---------------------------------------------------------------- the search itself


def test_the_search_sees_through_compression_names_and_the_edges_of_blocks(
    tmp_path: Path, folder: Folder
) -> None:
    data = tmp_path / "data"
    (data / "a").mkdir(parents=True)
    (data / "edge").write_bytes(b"." * (2**20 - 3) + b"CAedge")
    (data / "a" / "packed.gz").write_bytes(gzip.compress(b"....CAgz...."))
    (data / "a" / "broken.gz").write_bytes(b"\x1f\x8b CAbroken")
    (data / "a" / "CAname.txt").write_bytes(b"")
    (data / "json").write_text('{"said": "Gr\\u00fcezi \\"du\\""}')
    wanted = {"CAedge": "edge", "CAgz": "a/packed.gz", "CAbroken": "a/broken.gz", "CAname": "a/CAname.txt",
              'Grüezi "du"': "json"}  # fmt: skip
    needles = [Needle.words(text, text) for text in (*wanted, "CAnowhere")]
    proof = search(data, folder.store, needles, set())
    assert {what: where for where, what in proof.left} == wanted
    assert (proof.files, proof.bytes) == (5, 2**20 + 3 + 12 + 11 + 30)


def test_what_somebody_else_said_too_proves_nothing(folder: Folder) -> None:
    folder.put("CAone", caller=ALICE)
    folder.put("CAtwo")
    assert forget(folder, "CAone", "--yes").exit_code == 0


def test_nothing_to_forget_is_an_error_that_says_where_to_look() -> None:
    with pytest.raises(ForgetError, match="--data names another folder"):
        meant_by("CA1", [])
