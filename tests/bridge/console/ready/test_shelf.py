"""Sound that is still being prepared: whoever plays it waits for what is not there yet, and for nothing more."""

import sys
from pathlib import Path

import pytest
import trio

from bridge.console.ready import shelf
from bridge.console.ready.prepared import SOUND
from bridge.console.ready.shelf import ENOUGH_BYTES, Prepared, Shelf
from bridge.page.sound_file import HEAD, head_of

SAMPLES = 100_000
SIZE = HEAD.size + 2 * SAMPLES
WHOLE = head_of(SAMPLES, 2) + bytes(range(256)) * (2 * SAMPLES // 256 + 1)


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    """A call whose first two seconds and a bit are written."""
    found = Prepared(tmp_path / "tape", 1, 12_500, tmp_path)
    found.is_begun.set()
    (tmp_path / SOUND).write_bytes(WHOLE[: ENOUGH_BYTES + 100])
    return found


async def test_the_beginning_is_told_while_the_rest_is_written(prepared: Prepared) -> None:
    assert await prepared.sound(0, 10**6) == (WHOLE[: ENOUGH_BYTES + 100], SIZE)
    assert await prepared.sound(10, 5) == (WHOLE[10:15], SIZE)


async def test_what_is_not_there_yet_is_waited_for(
    prepared: Prepared, autojump_clock: trio.testing.MockClock
) -> None:
    told = list[tuple[bytes, int]]()

    async def ask(first: int, most: int) -> None:
        told.append(await prepared.sound(first, most))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, SIZE - 1000, 10**6)
        await trio.sleep(1)
        assert told == []
        (prepared.folder / SOUND).write_bytes(WHOLE[:SIZE])
    assert told == [(WHOLE[SIZE - 1000 : SIZE], SIZE)]


async def test_all_of_it_is_told_when_it_is_whole(prepared: Prepared) -> None:
    with trio.move_on_after(0.05) as waited:
        await prepared.sound(0, 0)
    assert waited.cancelled_caught
    (prepared.folder / SOUND).write_bytes(WHOLE[:SIZE])
    prepared.is_over.set()
    assert await prepared.sound(0, 0) == (WHOLE[:SIZE], SIZE)


async def test_of_a_call_without_sound_nothing_is_told(prepared: Prepared) -> None:
    (prepared.folder / SOUND).unlink()
    prepared.is_over.set()
    assert await prepared.sound(0, 100) == (b"", 0)


async def test_what_an_earlier_run_left_is_removed_and_what_is_wanted_is_not(tmp_path: Path) -> None:
    for name in ("CA1", "CA2"):
        (tmp_path / "ready" / name).mkdir(parents=True)
    (tmp_path / "tape").write_text("")
    kept = Shelf(tmp_path, lambda *_: None)
    await kept.of("CA2", tmp_path / "tape", 1000)
    await kept.clear()
    assert [path.name for path in (tmp_path / "ready").iterdir()] == ["CA2"]


@pytest.mark.real_time("a sound is prepared by a process")
async def test_of_a_sound_that_could_not_be_finished_nothing_is_left(
    tmp_path: Path, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tape").write_text("")
    begins = f"open({str(tmp_path / 'ready' / 'CA1' / SOUND)!r}, 'wb').write({WHOLE[:1000]!r}); raise SystemExit(1)"
    monkeypatch.setattr(shelf, "child", lambda *_: [sys.executable, "-c", begins])
    found = await Shelf(tmp_path, nursery.start_soon).of("CA1", tmp_path / "tape", 1000)
    assert found is not None
    assert not await found.has_lines()
    assert await found.sound(0, 100) == (b"", 0)
