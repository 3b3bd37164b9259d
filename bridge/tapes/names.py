"""Where a tape is and what it is called: while its call goes on, and when it is complete."""

import os
from pathlib import Path
from typing import Final

from bridge.tapes.header import Header

OPEN_SUFFIX: Final = ".jsonl"
DONE_SUFFIX: Final = ".jsonl.gz"
STORED_SUFFIX: Final = ".stored"
"""Of what stands beside a tape that is in object storage too, and in its place once it is there alone."""

READY: Final = "ready"
"""The folder beside the tapes with what was made of some to be looked at, by call."""


def open_path(folder: Path, header: Header) -> Path:
    """Return where the tape of a call is while the call goes on."""
    return folder / header.started_at[:10] / f"{header.call_id}{OPEN_SUFFIX}"


def finished_path(path: Path) -> Path:
    """Return the name of a complete tape."""
    return path.with_name(path.name.removesuffix(OPEN_SUFFIX) + DONE_SUFFIX)


def call_id_of(path: Path) -> str:
    """Return the call id in a tape's name."""
    return path.name.removesuffix(DONE_SUFFIX).removesuffix(OPEN_SUFFIX)


def tapes_under(folder: Path, *, only_open: bool = False) -> list[Path]:
    """Return the tapes in a folder, oldest first by name."""
    suffixes = (OPEN_SUFFIX,) if only_open else (OPEN_SUFFIX, DONE_SUFFIX)
    found = (Path(place, name) for place, folders, files in os.walk(folder) for name in (*folders, *files))
    return sorted(path for path in found if path.name.endswith(suffixes))
