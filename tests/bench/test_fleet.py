"""What the fleet's bench takes for a call that is on record, and for the rows of the same story."""

from collections import Counter
from pathlib import Path

import pytest
from attrs import evolve
from kept import Folder

from bench.fleet import Heard, unkept
from bench.fleet_hosts import Host, hosts_in
from bench.fleet_records import Found, shapes_of, unlike
from bridge.store.unsent import Unsent
from replay.phone.report import CallReport

CALL, OTHER = f"CA{'0' * 32}", f"CA{'f' * 32}"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Return a host that has one call on record."""
    (host,) = hosts_in(tmp_path, ("one",), None)
    Folder(host.folder / "data").put(CALL)
    return host


def faults(host: Host, call_sid: str = CALL, *, was_killed: bool = False) -> list[str]:
    found = Found.of([host], None)
    call = Heard(CallReport(call_sid=call_sid, stream_sids=["MZ1"], rang_at=0), was_killed=was_killed)
    return unkept(call, found, set(found.shapes.values()))


def test_a_host_is_settled_when_no_tape_is_open_and_each_has_its_row_and_its_place_in_the_lake(
    host: Host,
) -> None:
    assert host.is_settled()
    tapes = host.folder / "data" / "tapes" / "2026-11-23"
    (torn := tapes / f"{OTHER}.jsonl").touch()
    assert not host.is_settled()
    torn.rename(tapes / f"{OTHER}.jsonl.gz")
    assert not host.is_settled()
    (tapes / f"{OTHER}.jsonl.gz").unlink()
    Unsent.in_folder(host.folder / "data").mark([CALL], are_new=True)
    assert not host.is_settled()


def test_a_tape_without_a_row_is_told_and_so_is_a_row_without_a_tape(host: Host) -> None:
    assert faults(host) == []
    tape = next((host.folder / "data" / "tapes").rglob("*.gz"))
    other = tape.rename(tape.with_name(f"{OTHER}.jsonl.gz"))
    assert faults(host) == ["with 1 rows of a stream, 1 rows and 0 tapes"]
    assert faults(host, OTHER) == ["with 0 rows of a stream, 0 rows and 1 tapes"]
    assert faults(host, OTHER, was_killed=True) == ["with 0 rows of a stream, 0 rows and 1 tapes"]
    other.unlink()


def test_the_lake_has_each_call_once_with_the_rows_of_its_host(host: Host) -> None:
    found = Found.of([host], None)
    call, alone = Heard(CallReport(call_sid=CALL, stream_sids=["MZ1"], rang_at=0)), set(found.shapes.values())
    whole = evolve(found, lake=found.shapes, in_lake=Counter([CALL]))
    assert unkept(call, whole, alone) == []
    assert unkept(call, evolve(whole, in_lake=Counter([CALL, CALL])), alone) == ["that the lake has 2 times"]
    (fault,) = unkept(call, evolve(whole, lake={CALL: frozenset()}), alone)
    assert fault.startswith("whose rows in the lake are others: lacks 1 of calls")


def test_calls_of_one_story_are_alike_whatever_their_names_and_times_and_not_with_another_word(
    tmp_path: Path,
) -> None:
    (one, two) = hosts_in(tmp_path, ("one", "two"), None)
    Folder(one.folder / "data").put(CALL)
    Folder(two.folder / "data").put(OTHER, day="2026-11-24", caller="+15559876001")
    (here,), (there,) = (Found.of([host], None).shapes.values() for host in (one, two))
    assert unlike(here, [there]) == ""
    (said,) = one.rows("transcript")[:1]
    tables = {"transcript": [{**said, "said": "Something else.", "began_ms": 1}]}
    others = unlike(shapes_of(tables)[CALL], [here])
    assert "has 1 of transcript" in others
    assert "lacks 1 of transcript" in others
