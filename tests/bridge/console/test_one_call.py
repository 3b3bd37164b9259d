"""One call's page in the console: made of its tape once, with its sound by parts, and gone with the tape."""

import gzip
from pathlib import Path

import pytest
from consoles import site
from kept import Folder

from bridge.console.ready import shelf
from bridge.console.ready.prepared import LINES, SOUND
from bridge.retention.erase import erase_files, files_of
from bridge.tapes.names import READY

pytestmark = pytest.mark.real_time("a page is prepared by a process")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    kept = Folder(tmp_path)
    kept.put("CA1", tape="interrupted")
    return kept


async def test_a_call_has_its_page_its_sound_and_its_tape(folder: Folder) -> None:
    console = site(folder.data)
    page = await console.page("/console/calls/CA1")
    assert 'data-sound="/console/calls/CA1/sound.wav"' in page
    assert '<script type="application/json" id="facts">{' in page
    whole = await (await console.get("/console/calls/CA1/sound.wav")).get_data(as_text=False)
    assert whole[:4] == b"RIFF"
    assert len(whole) == int.from_bytes(whole[4:8], "little") + 8
    tape = await (await console.get("/console/calls/CA1/tape")).get_data(as_text=False)
    assert b'"CA1"' in gzip.decompress(tape)


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        ("bytes=0-1", 206, 0, 1),
        ("bytes=100-", 206, 100, -1),
        ("bytes=-8", 206, -8, -1),
        ("bytes=99999999-", 416, 0, 0),
    ],
)
async def test_sound_is_told_by_parts(folder: Folder, asked: str, status: int, first: int, last: int) -> None:
    console = site(folder.data)
    whole = await (await console.get("/console/calls/CA1/sound.wav")).get_data(as_text=False)
    part = await console.get("/console/calls/CA1/sound.wav", Range=asked)
    size = len(whole)
    first, last = first % size, last % size
    assert part.status_code == status
    if status == 206:
        assert part.headers["Content-Range"] == f"bytes {first}-{last}/{size}"
        assert await part.get_data(as_text=False) == whole[first : last + 1]


async def test_sound_is_prepared_once_and_anew_when_its_tape_was_written_anew(folder: Folder) -> None:
    console, path = site(folder.data), folder.data / READY / "CA1" / SOUND
    await console.get("/console/calls/CA1/sound.wav")
    first = path.stat().st_mtime_ns
    await console.get("/console/calls/CA1/lines.json")
    assert path.stat().st_mtime_ns == first
    next((folder.data / "tapes").rglob("CA1*")).touch()
    await console.get("/console/calls/CA1/sound.wav")
    assert path.stat().st_mtime_ns != first


async def test_the_page_waits_for_no_tape_and_has_it_prepared_meanwhile(folder: Folder) -> None:
    console = site(folder.data)
    await console.page("/console/calls/CA1")
    assert not (folder.data / READY / "CA1" / LINES).exists()
    await console.get("/console/calls/CA1/lines.json")
    assert {path.name for path in (folder.data / READY / "CA1").iterdir()} == {SOUND, LINES}


async def test_the_lines_of_its_tape_are_told_when_somebody_looks(folder: Folder) -> None:
    told = await (await site(folder.data).get("/console/calls/CA1/lines.json")).get_json()
    assert {leg for _, _, leg, _, _ in told["rows"]} >= {"twilio_http", "openai_ws", "note"}


async def test_whoever_erases_a_call_erases_what_is_ready_of_it(folder: Folder) -> None:
    console = site(folder.data)
    await console.get("/console/calls/CA1/sound.wav")
    assert folder.holding("RIFF") == [SOUND]
    erase_files(files_of(folder.data / "tapes", "CA1"))
    assert not (folder.data / READY / "CA1").exists()
    page = await console.page("/console/calls/CA1")  # rows are left: then those are what there is
    assert 'data-sound=""' in page
    assert (await console.get("/console/calls/CA1/sound.wav")).status_code == 404


async def test_only_so_many_are_kept_ready(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "MOST_READY", 1)
    console = site(folder.data)
    folder.put("CA2")
    for call in ("CA1", "CA2"):
        await console.get(f"/console/calls/{call}/lines.json")
    assert [path.name for path in (folder.data / READY).iterdir()] == ["CA2"]


@pytest.mark.parametrize("call", ["CA9", "..", "CA1%2f..", "x" * 300])
async def test_a_call_that_there_is_not_is_said_to_be_none(folder: Folder, call: str) -> None:
    console = site(folder.data)
    for path in ("", "/sound.wav", "/tape"):
        assert (await console.get(f"/console/calls/{call}{path}")).status_code in (308, 404)
