"""A call's page as a file: the sound in it, as far as it fits, and what is said where there is none."""

import re
import zlib
from base64 import b64decode
from pathlib import Path

import pytest

from bridge.page.facts import told
from bridge.tapes.reader import Tape, read_tape
from replay.tapes import page_file as module
from replay.tapes.page_file import page_file
from replay.tapes.scrub import Scrub, redacted_tape

TAPES = Path(__file__).parents[2] / "tapes"


@pytest.fixture
def tape() -> Tape:
    return read_tape(TAPES / "interrupted.jsonl.gz")


def held(page: str) -> list[bytes]:
    """Return the sound that stands in a page: the caller's and the agent's."""
    found = re.search(r'id="sound">([^<]*)<', page)
    return [zlib.decompress(b64decode(text)) for text in found[1].split(",")] if found else []


def test_both_sides_of_the_sound_are_in_the_file_byte_for_byte(tape: Tape) -> None:
    _, sound = told(tape)
    assert held(page_file(tape)) == [sound.caller, sound.agent]


def test_a_long_call_keeps_its_first_minutes_and_says_so(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", 8 * 1000)
    monkeypatch.setattr(module, "MOST_SOUND_BYTES", 10_000)
    page = page_file(tape)
    kept = held(page)
    assert 0 < len(kept[0]) < len(told(tape)[1].caller)
    assert f"ends at 0:0{len(kept[0]) // 8000}" in page


def test_a_redacted_page_has_no_sound_no_word_and_no_number(tape: Tape) -> None:
    page = page_file(redacted_tape(tape, Scrub()))
    assert held(page) == []
    assert "This tape has no sound" in page
    assert "Harbour" not in page
    assert "waterfront" not in page
    assert tape.header.caller not in page
