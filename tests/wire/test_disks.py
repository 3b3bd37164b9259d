"""A data folder that misbehaves: a disk that fails for a while, and files nobody expects. Calls go on."""

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest
import trio
from structlog.testing import capture_logs

from bench.stage import MakePlace, open_stage
from bridge.errors import StoreError
from bridge.tapes.files import append_to
from bridge.tapes.lock import one_after_the_other
from bridge.tapes.reader import read_tape
from replay.phone.ring import Caller
from replay.phone.script import HangUp, Wait, WaitForAgent

QUICK = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)


@attrs.define
class FullDisk:
    """A disk that is full for its first writes."""

    failures: int

    def write(self, path: Path, data: bytes) -> None:
        """Append, once there is room."""
        self.failures -= 1
        if self.failures >= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        append_to(path, data)


async def test_a_disk_that_was_full_for_a_while_costs_no_line(place: MakePlace) -> None:
    setup = place(write=FullDisk(3).write)
    with trio.fail_after(30), capture_logs() as logs:
        async with open_stage(setup) as stage:
            report = await stage.ring(attrs.evolve(QUICK, steps=(WaitForAgent(), Wait(900), HangUp())))
            await stage.wait_recorded()
    (row,) = setup.calls()
    assert (row["call_id"], row["ended_by"], row["is_torn"]) == (report.call_sid, "caller", False)
    (path,) = setup.tapes
    assert sum(b'"event":"media"' in line for line in read_tape(path).lines) == report.frames_sent
    assert [log["event"] for log in logs].count("tape can't be written, trying on") == 1


async def test_a_disk_that_stays_full_holds_up_no_call_and_no_end(place: MakePlace) -> None:
    setup = place(write=FullDisk(1_000_000).write)
    with trio.fail_after(30):
        async with open_stage(setup) as stage:
            report = await stage.ring(QUICK)
            await stage.wait_no_calls()
    assert (report.closed_by, report.error) == ("caller", None)
    assert setup.tapes == []


async def test_who_waits_for_the_record_of_a_call_has_it_however_slow_the_database_is(
    place: MakePlace,
) -> None:
    setup = place()
    with trio.fail_after(30):
        async with open_stage(setup) as stage:
            with one_after_the_other(setup.folder / "data"):  # the indexer waits for it
                report = await stage.ring(QUICK)
                with trio.move_on_after(0.2) as waiting:
                    await stage.daemon.wait_recorded()
            await stage.daemon.wait_recorded()
            (row,) = await trio.to_thread.run_sync(setup.calls)
    assert waiting.cancelled_caught
    assert row["call_id"] == report.call_sid


def test_a_write_that_fails_half_way_leaves_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "tape"
    append_to(path, b"one\n")
    with pytest.raises(OSError, match="File too large"), small_files(6):
        append_to(path, b"two\nthree\n")
    assert path.read_bytes() == b"one\n"


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond so many bytes."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def headed(call_id: str, *lines: bytes, form: int = 1) -> bytes:
    """Return a tape with these lines."""
    about = {
        "call_id": call_id,
        "call_sid": call_id,
        "account_sid": "AC",
        "agent": "a",
        "started_at": "2026-01-01",
    }
    return b"\n".join([json.dumps({"tape": form, **about}).encode(), *lines, b""])


ODD = {
    "empty.jsonl": b"",
    "words.jsonl": b"not a tape\n",
    "header.jsonl": headed("CA1"),
    "end.jsonl": headed("CA2", b'{"t_ms":1,"leg":"note","from":"bridge","end":{}}'),
    "note.jsonl": headed("CA3", b'{"t_ms":1,"leg":"note","from":"bridge","note":{}}'),
    "close.jsonl": headed("CA4", b'{"t_ms":1,"leg":"twilio_ws","from":"twilio","close":{}}'),
    "new.jsonl": headed("CA5", form=99),
    "no_gzip.jsonl.gz": b"not gzip",
    "cut.jsonl.gz": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff\xff",
}


async def test_odd_files_among_the_tapes_keep_no_daemon_from_starting(place: MakePlace) -> None:
    setup = place()
    folder = setup.folder / "data" / "tapes" / "2026-01-01"
    folder.mkdir(parents=True)
    for name, data in ODD.items():
        (folder / name).write_bytes(data)
    with trio.fail_after(30):
        async with open_stage(setup) as stage:
            report = await stage.ring(QUICK)
            await stage.wait_recorded()
    assert report.call_sid in {row["call_id"] for row in setup.calls()}


async def test_a_database_that_is_none_keeps_no_caller_out(place: MakePlace) -> None:
    setup = place()
    setup.store.path.parent.mkdir(parents=True)
    setup.store.path.write_bytes(b"not a database" * 1000)
    with trio.fail_after(30):
        async with open_stage(setup) as stage:
            report = await stage.ring(QUICK)
            await stage.wait_no_calls()
    assert report.first_heard_ms is not None
    with pytest.raises(StoreError, match="bridge reindex"):
        setup.calls()
    assert len(setup.tapes) == 1
