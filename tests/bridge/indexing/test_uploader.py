"""Finished tapes reach storage whatever becomes of it meanwhile: away, slow, or of a daemon that was killed."""

from pathlib import Path
from threading import Event

import pytest
import trio
from storage import Storage, forget_ways, storage

from bridge.config import Settings, parse
from bridge.errors import ObjectError
from bridge.indexing.uploader import AT_ONCE, Uploader
from bridge.observe.monitoring import never_fatal
from bridge.tapes.names import DONE_SUFFIX
from bridge.uploads.stub import NOTHING, Stored, write_stub
from bridge.uploads.upload import not_uploaded

__all__ = ["storage"]


def settings_in(data: Path, url: str = "s3://calls/tapes") -> Settings:
    raw = {"store": {"tapes": url}, "recording": {"folder": str(data)}, "agents": {"front-desk": {}}}
    return parse(raw, data / "config.toml")


def lay(data: Path, count: int) -> list[Path]:
    """Lay finished tapes of several days into a data folder."""
    paths = [
        data / "tapes" / f"2026-11-{10 + number % 5}" / f"CA{number:04}{DONE_SUFFIX}"
        for number in range(count)
    ]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(path.name.encode())
    return paths


def sent(path: Path, folder: str) -> bool:
    """Stand for an upload."""
    write_stub(path, NOTHING, Stored(f"{folder}/{path.name}", 1, ""), path.stat().st_mtime_ns)
    return True


async def test_a_library_that_panics_is_a_fault_like_any_other(
    tmp_path: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_ENDPOINT", "localhost:9000")  # obstore panics at that
    forget_ways()
    lay(tmp_path, 1)
    uploader = Uploader(settings_in(tmp_path, storage.url))
    assert not await uploader.once()
    assert "storage can't be reached" in uploader.fault


async def test_a_bug_in_the_uploads_ends_them_alone(tmp_path: Path) -> None:
    lay(tmp_path, 1)
    await never_fatal(Uploader(settings_in(tmp_path), send=lambda path, folder: 1 // 0 > 0).run)


async def test_what_is_on_the_disk_is_uploaded_and_only_once(tmp_path: Path, storage: Storage) -> None:
    paths = lay(tmp_path, 12)
    uploader = Uploader(settings_in(tmp_path, storage.url))
    assert await uploader.once()
    assert sorted(storage.keys()) == sorted(f"tapes/{path.parent.name}/{path.name}" for path in paths)
    assert await uploader.once()
    assert (uploader.uploaded, uploader.failed, uploader.waiting) == (12, 0, 0)


async def test_storage_that_is_away_for_a_minute_costs_nothing(tmp_path: Path) -> None:
    lay(tmp_path, 40)
    tries = list[float]()

    def away_at_first(path: Path, folder: str) -> bool:
        now = trio.from_thread.run_sync(trio.current_time)
        if now < 60:
            tries.append(now)
            raise ObjectError(f"{folder}: storage can't be reached")
        return sent(path, folder)

    uploader = Uploader(settings_in(tmp_path), send=away_at_first)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(uploader.run)
        await trio.sleep(59)
        assert "can't be reached" in uploader.fault
        assert (uploader.uploaded, len(list(not_uploaded(tmp_path / "tapes")))) == (0, 40)
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    assert (uploader.uploaded, uploader.fault) == (40, "")
    assert len(tries) == uploader.failed < 10 * AT_ONCE, "the pauses grow"


async def test_slow_storage_holds_nobody_up_and_what_is_left_is_found_by_the_next_daemon(
    tmp_path: Path,
) -> None:
    lay(tmp_path, 10)
    is_over = Event()
    under_way = list[Path]()

    def slow(path: Path, folder: str) -> bool:
        under_way.append(path)
        is_over.wait(60)
        return False

    uploader = Uploader(settings_in(tmp_path), send=slow)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(uploader.run)
        while len(under_way) < AT_ONCE:
            await trio.lowlevel.checkpoint()
        assert uploader.waiting == 10
        nursery.cancel_scope.cancel()  # a daemon that ends: it waits for none of them
    is_over.set()
    assert len(under_way) == AT_ONCE
    after = Uploader(settings_in(tmp_path), send=sent)
    assert await after.once()
    assert after.uploaded == 10


async def test_nothing_is_looked_for_where_no_storage_is_named(tmp_path: Path) -> None:
    lay(tmp_path, 1)
    uploader = Uploader(settings_in(tmp_path, ""), send=sent)
    with trio.move_on_after(100):
        await uploader.run()
    assert uploader.uploaded == uploader.waiting == 0


async def test_a_tape_that_is_erased_meanwhile_is_no_fault(tmp_path: Path) -> None:
    def gone(path: Path, folder: str) -> bool:
        raise FileNotFoundError(path)

    lay(tmp_path, 3)
    uploader = Uploader(settings_in(tmp_path), send=gone)
    assert await uploader.once()
    assert (uploader.uploaded, uploader.failed) == (0, 0)
