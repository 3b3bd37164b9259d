"""One call's page as a file of its own, which opens anywhere, offline, with the sound in it."""

from base64 import b64encode
from typing import Final
from zlib import Z_SYNC_FLUSH, compressobj

from bridge.heart.audio import SILENCE, bytes_of
from bridge.page.drawing import clock
from bridge.page.facts import told
from bridge.page.html import file_page
from bridge.store.line_sound import Sound
from bridge.tapes.reader import Tape

MOST_SOUND_BYTES: Final = 16_000_000
"""In the file, as text: some twenty minutes of talk. With the rest it still goes through most mail servers."""

BLOCK_BYTES: Final = bytes_of(60_000)


def page_file(tape: Tape, *, run: str = "") -> str:
    """Return a call's page with its sound in it, as far as that fits; it says what is left out. Raises `TapeError`."""
    facts, sound = told(tape, run=run)
    if not (sound.caller.strip(SILENCE) or sound.agent.strip(SILENCE)):
        return file_page(facts, note="This tape has no sound: there never was any, or it was taken out.")
    held, held_ms = _held(sound)
    note = ""
    if held_ms < facts["length_ms"]:
        note = f"The sound in this file ends at {clock(held_ms, 0)}, to keep it small: `replay wav` writes all of it."
    return file_page(facts, held, note=note)


def _held(sound: Sound) -> tuple[str, int]:
    """Return as many minutes of sound as fit, each side by itself, and how many ms those are."""
    sides = [(sound.caller, compressobj(9), bytearray()), (sound.agent, compressobj(9), bytearray())]
    at = 0
    while at < len(sound.caller) and sum(len(packed) for *_, packed in sides) * 4 // 3 < MOST_SOUND_BYTES:
        for audio, packer, packed in sides:
            packed += packer.compress(audio[at : at + BLOCK_BYTES]) + packer.flush(Z_SYNC_FLUSH)
        at = min(at + BLOCK_BYTES, len(sound.caller))
    texts = [b64encode(packed + packer.flush()).decode("ascii") for _, packer, packed in sides]
    return ",".join(texts), at // bytes_of(1)
