"""How full the disk is: said once, sound given up at the limit, and kept again only when there is room."""

import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from attrs import define, field
from structlog.testing import capture_logs
from taped import header_of

from bridge.agents import Agent
from bridge.config import Recording
from bridge.heart.audio import SILENCE
from bridge.tapes.disk_space import GB, MB, DiskWatch, Level, Usage, fullness, level_of, usage_of
from bridge.tapes.files import append_to
from bridge.tapes.reader import read_tape
from bridge.tapes.recorder import Recorder, compress
from bridge.tapes.tape import Line, decode, received
from bridge.tapes.tape_writer import TapeWriter
from bridge.wire.twilio import parse

ROOMY = Usage(0, 10**12)


@define
class Disk:
    """A disk that is as full as a test wants."""

    usage: Usage = ROOMY

    def look(self) -> Usage:
        return self.usage


@define
class House:
    """A recorder under a watch, and a disk to fill."""

    folder: Path
    recording: Recording = field(factory=lambda: Recording(quota_gb=1.0))
    disk: Disk = field(factory=Disk)
    recorder: Recorder = field(init=False)
    watch: DiskWatch = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.recorder = Recorder(self.folder / "tapes")
        self.watch = DiskWatch(self.folder, self.recording, self.recorder, self.disk.look)

    async def holds(self, used: int, free: int = 10**12) -> list[str]:
        """Fill the disk so far, let the watch look twice, and return what it said."""
        self.disk.usage = Usage(used, free)
        with capture_logs() as logs:
            await self.watch.once()
            await self.watch.once()
        return [log["event"] for log in logs]


def media(t_ms: int) -> Line:
    text = '{"event":"media","streamSid":"MZ","media":{"chunk":"1","payload":"AAAA"}}'
    return received(t_ms, "twilio_ws", "twilio", text, parse(text))


def tape_in(recorder: Recorder, call_id: str) -> TapeWriter:
    header = header_of(Agent(name="a"), [])
    header.call_id = call_id
    return recorder.open_tape(header)


def payloads(path: Path) -> list[str]:
    return ["AAAA" if b'"AAAA"' in raw else "////" for raw in read_tape(path).lines if b'"media"' in raw]


def remarks(path: Path) -> list[str]:
    return [line.note["text"] for line in map(decode, read_tape(path).lines) if line.note]


# ---------------------------------------------------------------- levels


def test_the_limit_that_is_nearer_counts() -> None:
    limits = Recording(quota_gb=2.0, min_free_mb=200)
    assert fullness(Usage(GB, 10 * GB), limits) == (0.5, "1.000 GB are used, quota_gb is 2")
    assert fullness(Usage(GB, 250 * MB), limits) == (0.8, "250 MB are free, min_free_mb is 200")
    assert fullness(Usage(10**15, 10 * GB), Recording(min_free_mb=0))[0] == 0


def test_what_was_given_up_comes_back_only_below_the_warning() -> None:
    shares = (0.5, 0.8, 0.99, 1.0, 1.5, 0.99, 0.8, 0.79, 0.8)
    level, levels = Level.FINE, []
    for share in shares:
        level = level_of(share, level, 80)
        levels.append(level.name)
    assert levels == ["FINE", "NEAR", "NEAR", "OVER", "OVER", "OVER", "OVER", "FINE", "NEAR"]


async def test_each_change_is_said_once(tmp_path: Path) -> None:
    house = House(tmp_path)
    assert await house.holds(GB // 2) == []
    assert await house.holds(GB * 9 // 10) == ["the disk is nearly full: at 100 % no sound is kept"]
    assert await house.holds(GB) == ["sound is not kept any more; calls and their records go on"]
    assert await house.holds(GB * 9 // 10) == []
    assert await house.holds(0) == ["sound is kept again", "there is room on the disk again"]


async def test_a_disk_that_cant_be_looked_at_is_said_and_changes_nothing(tmp_path: Path) -> None:
    def broken() -> Usage:
        raise OSError(errno.EIO, "Input/output error")

    watch = DiskWatch(tmp_path, Recording(), Recorder(tmp_path), broken)
    with capture_logs() as logs:
        await watch.once()
    assert [log["event"] for log in logs] == ["can't tell how full the disk is"]


def test_what_a_folder_holds_is_counted(tmp_path: Path) -> None:
    before = usage_of(tmp_path).used
    (tmp_path / "tape").write_bytes(b"x" * 1000)
    assert usage_of(tmp_path).used - before == 1000
    assert usage_of(tmp_path, counts_files=False).used == 0
    assert usage_of(tmp_path).free > 0


# ---------------------------------------------------------------- tapes


async def test_at_the_quota_live_tapes_go_on_in_silence_and_new_ones_begin_so(tmp_path: Path) -> None:
    house = House(tmp_path)
    live = tape_in(house.recorder, "CAlive")
    live.append(media(20))
    await house.holds(GB)
    new = tape_in(house.recorder, "CAnew")
    for tape in (live, new):
        tape.append(media(40))
    await house.recorder.flush()
    assert (payloads(live.path), read_tape(live.path).header.has_audio) == (["AAAA", "////"], True)
    assert (payloads(new.path), read_tape(new.path).header.has_audio) == (["////"], False)
    why = "1.000 GB are used, quota_gb is 1"
    assert remarks(live.path) == [f"sound is not kept from here on: {why}"]
    assert remarks(new.path) == [f"sound is not kept: {why}"]


async def test_with_room_again_a_call_that_began_with_sound_has_it_again(tmp_path: Path) -> None:
    house = House(tmp_path)
    await house.holds(GB)
    silent = tape_in(house.recorder, "CAsilent")
    await house.holds(0)
    live = tape_in(house.recorder, "CAlive")
    await house.holds(GB)
    await house.recorder.flush()
    await house.holds(0)
    for tape in (silent, live):
        tape.append(media(20))
    await house.recorder.flush()
    assert (payloads(silent.path), payloads(live.path)) == (["////"], ["AAAA"])
    assert remarks(live.path)[-1] == "sound is kept again"


async def test_on_a_full_disk_sound_goes_at_once_and_comes_back_when_writing_works(tmp_path: Path) -> None:
    house = House(tmp_path)
    full = True

    def write(path: Path, data: bytes) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        append_to(path, data)

    house.recorder.write = write
    tape = tape_in(house.recorder, "CA1")
    tape.append(media(20))
    await house.recorder.flush()
    tape.append(media(40))
    assert await house.holds(0) == []  # still failing
    full = False
    await house.recorder.flush()
    assert await house.holds(0) == ["sound is kept again"]
    tape.append(media(60))
    await house.recorder.flush()
    assert payloads(tape.path) == ["AAAA", "////", "AAAA"]
    assert remarks(tape.path) == [
        "sound is not kept from here on: the disk is full (No space left on device)",
        "sound is kept again",
    ]


async def test_another_fault_of_the_disk_costs_no_sound(tmp_path: Path) -> None:
    def write(path: Path, data: bytes) -> None:
        raise OSError(errno.EIO, "Input/output error")

    recorder = Recorder(tmp_path, write=write)
    tape_in(recorder, "CA1")
    await recorder.flush()
    assert recorder.hushed_by == ""


def test_a_tape_that_cant_be_compressed_leaves_no_half_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "CA1.jsonl"
    path.write_bytes(b"{}\n")
    (tmp_path / "CA1.jsonl.gz").mkdir()  # nothing can be put in its place
    with pytest.raises(OSError, match="directory"):
        compress(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["CA1.jsonl", "CA1.jsonl.gz"]


# ---------------------------------------------------------------- a real one


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB of its own; only root can make one."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount command")
    if done.returncode:
        pytest.skip("can't mount a file system here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_disk_that_is_really_full_costs_sound_and_no_record(tiny_disk: Path) -> None:
    recorder = Recorder(tiny_disk / "tapes")
    tape = tape_in(recorder, "CA1")
    filler = tiny_disk / "filler"
    await recorder.flush()
    filler.write_bytes(b"x" * usage_of(tiny_disk).free)
    for t_ms in range(20, 20_000, 20):
        tape.append(media(t_ms))
    tape.append(Line(t_ms=20_000, leg="note", sender="bridge", note={"kind": "log", "text": "kept"}))
    await recorder.flush()
    assert recorder.hushed_by == "the disk is full (No space left on device)"
    filler.unlink()
    tape.is_finished = True
    await recorder.flush()
    await recorder.complete()
    (path,) = (tiny_disk / "tapes").rglob("*.jsonl.gz")
    assert remarks(path) == [
        "kept",
        "sound is not kept from here on: the disk is full (No space left on device)",
    ]
    assert len(payloads(path)) == 999


async def test_too_little_free_space_is_the_same_as_a_quota(tiny_disk: Path) -> None:
    recorder = Recorder(tiny_disk / "tapes")
    watch = DiskWatch(tiny_disk, Recording(), recorder)
    with trio.fail_after(5):
        await watch.once()
    assert watch.level is Level.OVER
    assert "MB are free, min_free_mb is 200" in recorder.hushed_by
    assert SILENCE * 3 == b"\xff\xff\xff"
