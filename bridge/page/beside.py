"""What a call's page asks for once it is there, from its tape: its sound and its lines. No database is needed."""

import os
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from bridge.page.sound_file import SoundFile
from bridge.page.tape_lines import TapeLines
from bridge.store.line_sound import Listener
from bridge.tapes.line_reading import check_lines
from bridge.tapes.odd_tapes import about
from bridge.tapes.reader import Reading
from bridge.tapes.restore import Restorer
from bridge.tapes.tape import decode
from bridge.text.visible import all_visible

NEW: Final = ".new"


def write_beside(tape: Path, length_ms: int, sound: Path, lines: Path) -> None:
    """Write the sound of a call that was so long into a file, as it is found on the tape, and then the tape's lines.

    Whoever plays the file hears its beginning at once; for an hour of talk the rest takes seconds. There is none of a
    call without sound. Raises `TapeError`.
    """
    with about(tape):
        reading = Reading.of(tape)
        heard, told = Listener(audio=Restorer(reading.header.agent_settings().clips)), TapeLines()
        file = SoundFile(heard, length_ms)
        with sound.open("wb", buffering=0) as target:
            _pour(reading, file, told, target)
    _complete(file, sound, has_sound=reading.header.has_audio and bool(heard.caller))
    lines.write_bytes(msgspec.json.encode(all_visible(told.finish())))


def _pour(reading: Reading, file: SoundFile, told: TapeLines, target: BinaryIO) -> None:
    """Read the whole tape, and write what is settled of its sound."""
    target.write(file.head())
    number, t_ms = 2, 0
    for block in reading.blocks():
        check_lines(block, first=number)
        for raw in block:
            line = decode(raw)
            file.listener.take(line)
            told.take(line, raw)
            t_ms = line.t_ms
        number += len(block)
        target.write(file.settled(t_ms))


def _complete(file: SoundFile, sound: Path, *, has_sound: bool) -> None:
    """Put the whole sound in place of what was written meanwhile."""
    if not has_sound:
        sound.unlink()
        return
    whole = sound.with_suffix(NEW)
    with whole.open("wb") as target:
        target.writelines(file.whole())
    os.replace(whole, sound)
