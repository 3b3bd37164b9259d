"""Tapes and the disk: what is left of them when the power is cut, and what may not hold up what."""

import shutil
import threading
from collections.abc import Iterator
from itertools import count, pairwise
from pathlib import Path

import pytest
import trio
from attrs import define, field
from taped import header_of
from trio.testing import MockClock, wait_all_tasks_blocked

from bench.power import Power
from bridge.agents import Agent
from bridge.errors import TapeError
from bridge.tapes import files
from bridge.tapes.names import tapes_under
from bridge.tapes.reader import read_tape
from bridge.tapes.recorder import FLUSH_SECONDS, MOST_AT_ONCE, SYNC_SECONDS, Recorder
from bridge.tapes.tape import NOTE, Line
from bridge.tapes.tape_writer import TapeWriter


@define
class Hall:
    """A recorder over a disk that may lose its power, and a tape in it."""

    data: Path
    power: Power = field(init=False)
    recorder: Recorder = field(init=False)
    tape: TapeWriter = field(init=False)
    cuts: Iterator[int] = field(factory=count)

    def __attrs_post_init__(self) -> None:
        self.data.mkdir(exist_ok=True)
        self.power = Power(self.data)
        self.recorder = Recorder(self.data / "tapes", sync=self.power.sync)
        self.tape = tape_in(self.recorder, "CA1")

    def left(self) -> list[str]:
        """Return what the tape's lines say after a power cut at this moment; nothing of a tape that is none."""
        into = self.data.parent / f"after-{next(self.cuts)}"
        self.power.cut(into)
        said = [_said(path) for path in tapes_under(into)]
        assert len(said) <= 2  # the compressed and the other, for a moment
        return max(said, key=len, default=[])


def _said(path: Path) -> list[str]:
    try:
        return [line.decode().split('"text":"')[1][:1] for line in read_tape(path).lines]
    except TapeError:
        return []


def tape_in(recorder: Recorder, call_id: str) -> TapeWriter:
    header = header_of(Agent(name="a"), [])
    header.call_id = call_id
    return recorder.open_tape(header)


def say(tape: TapeWriter, text: str) -> None:
    tape.append(Line(t_ms=1, leg=NOTE, sender="bridge", note={"kind": "log", "text": text}))


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    hall = Hall(tmp_path / "data")
    yield hall
    hall.power.close()


# ---------------------------------------------------------------- a power cut


async def test_a_tape_that_has_begun_is_there_after_a_power_cut_in_a_new_folder_too(hall: Hall) -> None:
    say(hall.tape, "a")
    assert hall.left() == []
    await hall.recorder.begin_new()
    assert hall.tape.on_disk.is_set()
    assert hall.left() == ["a"]


async def test_a_power_cut_costs_what_came_after_the_last_sync_and_no_more(hall: Hall) -> None:
    await hall.recorder.begin_new()
    for text in "ab":
        say(hall.tape, text)
        await hall.recorder.flush()
    assert hall.left() == []
    await hall.recorder.sync_written()
    say(hall.tape, "c")
    await hall.recorder.flush()
    assert hall.left() == ["a", "b"]


async def test_no_moment_of_compressing_loses_a_tape_to_a_power_cut(hall: Hall) -> None:
    lefts = []

    def watched(path: Path) -> None:
        lefts.append(hall.left())
        hall.power.sync(path)
        lefts.append(hall.left())

    await hall.recorder.begin_new()
    say(hall.tape, "a")
    await hall.recorder.flush()
    await hall.recorder.sync_written()
    say(hall.tape, "b")
    hall.tape.is_finished = True
    await hall.recorder.flush()
    hall.recorder.sync = watched
    await hall.recorder.complete()
    lefts.append(hall.left())
    assert [path.name for path in tapes_under(hall.data)] == ["CA1.jsonl.gz"]
    assert sorted(lefts, key=len) == lefts  # it only gets better
    assert (lefts[0], lefts[-1]) == (["a"], ["a", "b"])


async def test_a_tape_is_synced_at_most_once_a_second_while_its_call_goes_on(
    hall: Hall, autojump_clock: MockClock
) -> None:
    synced = []

    def counted(path: Path) -> None:
        if path == hall.tape.path:
            synced.append(trio.from_thread.run_sync(trio.current_time))

    hall.recorder.sync = counted
    with trio.fail_after(3600):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hall.recorder.run)
            while len(synced) < 6:  # at its beginning, and then by the second
                say(hall.tape, "a")
                await trio.sleep(0.02)
            hall.recorder.finish()
    assert min(later - earlier for earlier, later in pairwise(synced[1:])) >= SYNC_SECONDS - 0.001


async def test_a_file_system_that_knows_no_syncing_is_no_fault(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(number: int) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr("os.fsync", unknown)
    monkeypatch.setattr(files, "_sync_data", unknown)
    hall.recorder.sync = files.sync
    await hall.recorder.begin_new()
    assert not hall.recorder.is_failing


async def test_a_sync_that_fails_is_said_and_tried_again(hall: Hall) -> None:
    def broken(path: Path) -> None:
        raise OSError(5, "Input/output error")

    hall.recorder.sync, well = broken, hall.recorder.sync
    say(hall.tape, "a")
    await hall.recorder.begin_new()
    assert (hall.tape.on_disk.is_set(), hall.recorder.is_failing, hall.left()) == (True, True, [])
    hall.recorder.sync = well
    await hall.recorder.sync_written()
    assert (hall.recorder.is_failing, hall.left()) == (False, ["a"])


async def test_nobody_waits_for_the_beginning_of_a_tape_that_cant_be_written(hall: Hall) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    hall.recorder.write = full
    await hall.recorder.begin_new()
    assert (hall.tape.on_disk.is_set(), hall.left()) == (True, [])


async def test_a_tape_deleted_with_its_folder_is_begun_again_and_is_no_fault_of_the_disk(hall: Hall) -> None:
    await hall.recorder.begin_new()
    say(hall.tape, "a")
    await hall.recorder.flush()
    shutil.rmtree(hall.tape.path.parent)
    await hall.recorder.sync_written()
    assert not hall.recorder.is_failing
    say(hall.tape, "b")
    await hall.recorder.flush()
    assert _said(hall.tape.path) == ["b"]


# ---------------------------------------------------------------- what may not hold up what


@define
class Stuck:
    """A disk whose syncs take until they are let go."""

    began: threading.Event = field(factory=threading.Event)
    may_end: threading.Event = field(factory=threading.Event)

    def sync(self, path: Path) -> None:
        self.began.set()
        assert self.may_end.wait(20)

    async def wait_began(self) -> None:
        assert await trio.to_thread.run_sync(self.began.wait, 20)


@pytest.mark.parametrize("what", ["a new tape's sync", "the sync of all", "a compression"])
async def test_neither_sync_nor_compression_holds_up_what_is_written(hall: Hall, what: str) -> None:
    other, stuck, work = tape_in(hall.recorder, "CA2"), Stuck(), hall.recorder.begin_new
    if what == "the sync of all":
        await hall.recorder.begin_new()
        say(other, "x")
        work = hall.recorder.sync_written
    elif what == "a compression":
        other.is_finished, work = True, hall.recorder.complete
    await hall.recorder.flush()
    hall.recorder.sync = stuck.sync
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            await stuck.wait_began()
            say(hall.tape, "a")
            await hall.recorder.flush()
            assert _said(hall.tape.path) == ["a"]
            stuck.may_end.set()


async def test_tapes_of_calls_that_ended_together_are_compressed_one_after_the_other(hall: Hall) -> None:
    done: list[str] = []
    hall.recorder.on_done = lambda path: done.append(path.name)
    tapes = [hall.tape, *(tape_in(hall.recorder, f"CA{number}") for number in range(2, 6))]
    for tape in tapes:
        tape.is_finished = True
    await hall.recorder.flush()
    assert (hall.recorder.backlog, done) == (5, [])
    await hall.recorder.complete()
    assert (hall.recorder.backlog, done) == (0, [f"CA{number}.jsonl.gz" for number in range(1, 6)])


async def test_a_flush_is_one_hop_to_one_thread_for_all_tapes(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    hops, run_sync = [], trio.to_thread.run_sync
    monkeypatch.setattr(
        "trio.to_thread.run_sync", lambda *args, **rest: hops.append(1) or run_sync(*args, **rest)
    )
    tapes = [hall.tape, *(tape_in(hall.recorder, f"CA{number}") for number in range(2, 52))]
    for _ in range(3):
        for tape in tapes:
            say(tape, "a")
        await hall.recorder.flush()
    await hall.recorder.flush()  # nothing waits
    assert len(hops) == 3
    assert [_said(tape.path) for tape in tapes] == [["a", "a", "a"]] * 51


async def test_many_tapes_are_written_in_turns_and_each_as_often_as_ever(
    tmp_path: Path, mock_clock: MockClock
) -> None:
    written, can_be_taken = [], threading.Semaphore(0)

    def write(path: Path, data: bytes) -> None:
        written.append(path)
        can_be_taken.release()

    def take(count: int) -> None:
        for _ in range(count):
            assert can_be_taken.acquire(timeout=30)

    recorder = Recorder(tmp_path, write=write)
    tapes = [tape_in(recorder, f"CA{number}") for number in range(2 * MOST_AT_ONCE + 1)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.run)
        await trio.to_thread.run_sync(take, len(tapes))
        for _ in range(6):
            for tape in tapes:
                say(tape, "a")
            await wait_all_tasks_blocked()
            mock_clock.jump(FLUSH_SECONDS / 3)
            await trio.to_thread.run_sync(take, 22)  # a third of them
        so_far = list(written)
        recorder.finish()
    assert (
        so_far == (4 * [tape.path for tape in tapes])[: 65 + 6 * 22]
    )  # whoever has waited longest comes first


async def test_a_tape_that_cant_be_written_costs_no_other_a_line_and_waits_for_itself(hall: Hall) -> None:
    other = tape_in(hall.recorder, "CA2")

    def write(path: Path, data: bytes) -> None:
        if path == hall.tape.path:
            raise OSError(5, "Input/output error")
        files.append_to(path, data)

    hall.recorder.write = write
    for text in "ab":
        say(hall.tape, text)
        say(other, text)
        await hall.recorder.flush()
    assert (_said(other.path), hall.tape.path.exists()) == (["a", "b"], False)
    hall.recorder.write = files.append_to
    await hall.recorder.flush()
    assert _said(hall.tape.path) == ["a", "b"]
