"""A call's page made ready from its tape, by a process of its own: reading an hour of talk takes seconds, and holds the
interpreter meanwhile. `python -m bridge.console.prepared TAPE FOLDER` writes its parts into a folder.
"""

import os
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from bridge.errors import BridgeError
from bridge.page import html
from bridge.page.facts import told
from bridge.page.sound import Sound
from bridge.tapes.reader import read_tape

TITLE, BODY, FACTS, SOUND, FAULT = "title", "body.html", "facts.json", "sound.wav", "fault"
NICENESS: Final = 10
ULAW: Final = 7
"""The format tag of µ-law in a WAV file: https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html"""

HERTZ: Final = 8000


def prepare(tape: Path, folder: Path, sound_url: str = "") -> None:
    """Write a call's page into a folder, in parts; one of them says why if it can't be. Raises `OSError`."""
    try:
        facts, sound = told(read_tape(tape))
    except BridgeError as error:
        (folder / FAULT).write_text(str(error), encoding="utf-8")
        return
    has_sound = facts["has_audio"] and bool(sound.caller)
    if has_sound:
        (folder / SOUND).write_bytes(wave_of(sound))
    shown = html.made_visible(facts)
    (folder / FACTS).write_text(html.data_of(shown), encoding="utf-8")
    (folder / TITLE).write_text(html.title(shown), encoding="utf-8")
    (folder / BODY).write_text(html.body(shown, sound_url=sound_url if has_sound else ""), encoding="utf-8")


def wave_of(sound: Sound) -> bytes:
    """Return a WAV file as it was on the line: the caller on the left, the agent on the right, 8 bits of µ-law."""
    both = bytearray(2 * len(sound.caller))
    both[0::2], both[1::2] = sound.caller, sound.agent
    form = struct.pack("<HHIIHHH", ULAW, 2, HERTZ, 2 * HERTZ, 2, 8, 0)
    fact = struct.pack("<I", len(sound.caller))
    chunks = b"".join(
        name + struct.pack("<I", len(data)) + data
        for name, data in ((b"fmt ", form), (b"fact", fact), (b"data", bytes(both)))
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def main(arguments: list[str]) -> None:
    """Prepare a page, after calls: the system gives it what they leave of the processor."""
    with suppress(OSError, AttributeError):
        os.nice(NICENESS)
    tape, folder, sound_url = arguments
    prepare(Path(tape), Path(folder), sound_url)


if __name__ == "__main__":
    main(sys.argv[1:])
