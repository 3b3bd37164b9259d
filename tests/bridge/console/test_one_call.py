"""One call's page in the console, with its sound by parts, and gone with its tape."""

import gzip
from pathlib import Path

import pytest
from consoles import site
from kept import Folder

from bridge.console import one_call
from bridge.console.exports import clear_ready
from bridge.retention.erase import erase_files, files_of
from bridge.tapes.names import READY


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


async def test_a_player_that_asks_for_too_much_is_given_the_beginning_of_it(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_call, "MOST_BYTES", 2**16)
    console = site(folder.data)
    whole = await (await console.get("/console/calls/CA1/sound.wav")).get_data(as_text=False)
    part = await console.get("/console/calls/CA1/sound.wav", Range="bytes=500-")
    assert part.headers["Content-Range"] == f"bytes 500-{500 + 2**16 - 1}/{len(whole)}"
    assert await part.get_data(as_text=False) == whole[500 : 500 + 2**16]


async def test_the_lines_of_its_tape_are_told_when_somebody_looks(folder: Folder) -> None:
    console = site(folder.data)
    told = await (await console.get("/console/calls/CA1/lines.json")).get_json()
    assert {leg for _, _, leg, _, _ in told["rows"]} >= {"twilio_http", "openai_ws", "note"}
    for odd in ("-5", "x", "1" * 400):
        assert (await console.get(f"/console/calls/CA1/lines.json?at={odd}")).status_code == 200


async def test_nothing_is_left_of_a_call_for_whoever_erases_it(folder: Folder) -> None:
    console = site(folder.data)
    await console.get("/console/calls/CA1/sound.wav")
    assert not (folder.data / READY).exists()
    erase_files(files_of(folder.data / "tapes", "CA1"))
    page = await console.page("/console/calls/CA1")  # rows are left: then those are what there is
    assert 'data-sound=""' in page
    for name in ("sound.wav", "lines.json"):
        assert (await console.get(f"/console/calls/CA1/{name}")).status_code == 404


async def test_what_an_older_version_has_made_ready_is_removed(folder: Folder) -> None:
    old = folder.data / READY / "CA1" / "sound.wav"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"RIFF")
    assert old in files_of(folder.data / "tapes", "CA1")
    await clear_ready(folder.data)
    assert not (folder.data / READY).exists()


@pytest.mark.parametrize("call", ["CA9", "..", "CA1%2f..", "x" * 300])
async def test_a_call_that_there_is_not_is_said_to_be_none(folder: Folder, call: str) -> None:
    console = site(folder.data)
    for path in ("", "/sound.wav", "/tape"):
        assert (await console.get(f"/console/calls/{call}{path}")).status_code in (308, 404)
