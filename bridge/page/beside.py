"""What a call's page asks for once it is there, from its tape: its sound and its lines. No database is needed."""

from pathlib import Path

import msgspec

from bridge.page.facts import told
from bridge.page.sound_file import wave_of
from bridge.tapes.reader import read_tape
from bridge.text.visible import all_visible


def beside_page(path: Path) -> tuple[bytes, bytes]:
    """Return the sound as a file, and the lines as JSON.

    Takes seconds for an hour of talk. Raises `TapeError`.
    """
    facts, sound = told(read_tape(path))
    wave = wave_of(sound, facts["length_ms"]) if facts["has_audio"] and sound.caller else b""
    return wave, msgspec.json.encode(all_visible(facts["tape"]))
