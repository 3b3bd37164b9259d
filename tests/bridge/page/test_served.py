"""A call's page as a console has it: from the database in a moment, from the tape where that knows too little."""

import gzip
from base64 import b64decode
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from shown_calls import restaurant_call

from bridge.page.facts import document
from bridge.page.hearing import Player
from bridge.page.served import Served, growing, recording, served
from bridge.sound.wave_file import read_wave
from bridge.store.database import Store
from bridge.tapes.names import call_id_of
from bridge.tapes.reader import read_tape


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "tapes").mkdir()
    Store(folder / "calls.duckdb").add([restaurant_call(folder / "tapes").path])
    return folder


@pytest.fixture(scope="module")
def tape(data: Path) -> Path:
    (path,) = (data / "tapes").iterdir()
    return path


def page(data: Path, tape: Path) -> Served:
    found = served(data, call_id_of(tape), sound_url="/sound", lines_url="/lines")
    assert found is not None
    return found


def given(found: Served) -> dict[str, Any]:
    return dict(msgspec.json.decode(found.data))


def test_the_database_alone_gives_the_waveform_and_waits_of_the_tape(data: Path, tape: Path) -> None:
    facts, found = document(read_tape(tape)), given(page(data, tape))
    assert found["waits"] == [{name: row[name] for name in ("from_ms", "to_ms")} for row in facts["waits"]]
    assert found["length_ms"] == facts["length_ms"]
    before = facts["peaks"]["ms"]
    assert b64decode(found["peaks"]["agent"]).strip(b"\0") == b64decode(facts["peaks"]["agent"]).strip(b"\0")
    assert before == found["peaks"]["ms"]


def test_it_needs_no_tape_for_that(data: Path, tape: Path) -> None:
    hidden = tape.rename(tape.with_suffix(".away"))
    try:
        found = page(data, tape)
    finally:
        hidden.rename(tape)
    assert any(b64decode(given(found)["peaks"]["agent"]))
    assert 'data-sound=""' in found.body
    assert "your opening hours" in found.body


def test_without_a_kept_waveform_the_tape_is_read(data: Path, tape: Path) -> None:
    whole = page(data, tape)
    Store(data / "calls.duckdb").query("update waveforms set format = 0")
    assert page(data, tape) == whole
    Store(data / "calls.duckdb").query("delete from waveforms")
    assert page(data, tape) == whole


def test_of_rows_alone_the_words_are_shown_and_what_is_missing_is_said(data: Path, tape: Path) -> None:
    Store(data / "calls.duckdb").query("delete from waveforms")
    hidden = tape.rename(tape.with_suffix(".away"))
    try:
        found = page(data, tape)
    finally:
        hidden.rename(tape)
    assert "its tape is gone" in found.body
    assert "your opening hours" in found.body


def test_there_is_no_page_of_a_call_that_nobody_knows(data: Path) -> None:
    assert served(data, "CA404") is None


def test_the_sound_is_as_long_as_the_page(data: Path, tape: Path, tmp_path: Path) -> None:
    found = Player().sound(call_id_of(tape), 0, 10**9, partial(recording, data))
    assert found is not None
    (tmp_path / "call.wav").write_bytes(found[0])
    caller, agent = read_wave(tmp_path / "call.wav", channels=2).channels
    assert len(caller) == len(agent) == given(page(data, tape))["length_ms"] * 8
    assert max(caller) > 1000
    assert max(agent) > 1000


def test_the_tapes_lines_come_apart(data: Path, tape: Path) -> None:
    assert given(page(data, tape))["tape"] is None
    found = Player().lines(call_id_of(tape), 0, partial(recording, data))
    assert found is not None
    assert len(found["rows"]) > 50


# ---------------------------------------------------------------- while the call goes on


def page_at(folder: Path, tape: Path, *, just_before: bytes) -> str:
    """Return a call's page as it was before a line that says this came to its tape."""
    day = folder / "tapes" / "2026-11-28"
    day.mkdir(parents=True)
    header, *lines = gzip.decompress(tape.read_bytes()).splitlines(keepends=True)
    end = next(place for place, line in enumerate(lines) if just_before in line)
    (day / f"{call_id_of(tape)}.jsonl").write_bytes(b"".join([header, *lines[:end]]))
    found = growing(folder, call_id_of(tape), live_url="/live")
    assert found is not None
    return found.body


def test_what_the_agent_is_saying_right_now_is_neither_heard_nor_unheard(tape: Path, tmp_path: Path) -> None:
    body = page_at(tmp_path, tape, just_before=b'"note":{"kind":"item"')
    assert 'data-words="' in body
    assert "<s>" not in body
    assert 'class="unsettled"' in body
    assert 'class="heard"' not in body
    assert "crashed" not in body


def test_what_is_settled_is_told_of_a_call_that_goes_on(tape: Path, tmp_path: Path) -> None:
    body = page_at(tmp_path, tape, just_before=b'"end":{')
    assert "<s>" in body
    assert 'class="heard"' in body
    assert " yet" not in body.replace("nobody yet", "")


def test_figures_that_have_no_value_yet_say_so(tape: Path, tmp_path: Path) -> None:
    body = page_at(tmp_path, tape, just_before=b'"name":"first_audio_heard"')
    assert "<dt>First word heard</dt><dd>not yet" in body
    assert "<dt>Answers, median</dt><dd>none yet" in body
    assert "was answered aloud yet." in body
