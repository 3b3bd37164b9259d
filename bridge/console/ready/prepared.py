"""What a call's page asks for once it is there, made ready from its tape by a process of its own: reading an hour of
talk takes seconds, and holds the interpreter meanwhile. `python -m bridge.console.ready.prepared TAPE LENGTH_MS FOLDER`
writes it.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from bridge.errors import BridgeError
from bridge.page.beside import write_beside

LINES, SOUND, FAULT = "lines.json", "sound.wav", "fault"
NICENESS: Final = 10


def prepare(tape: Path, length_ms: int, folder: Path) -> None:
    """Write a call's sound and its tape's lines into a folder, or why there are none. Raises `OSError`."""
    try:
        write_beside(tape, length_ms, folder / SOUND, folder / LINES)
    except BridgeError as error:
        (folder / SOUND).unlink(missing_ok=True)
        (folder / FAULT).write_text(str(error), encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Prepare it, after calls: the system gives it what they leave of the processor."""
    with suppress(OSError, AttributeError):
        os.nice(NICENESS)
    tape, length_ms, folder = arguments
    prepare(Path(tape), int(length_ms), Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
