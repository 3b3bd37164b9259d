"""What came of the last reload, in a file of the data folder: a signal has no answer, and who sent it waits for one."""

import os
from pathlib import Path
from typing import Final

import msgspec

NAME: Final = ".reload"


class Outcome(msgspec.Struct, frozen=True):
    """How one reload ended: with a fault nothing has changed; `waiting` names what only a restart changes.

    `began_ns` is by the clock of the machine, so that whoever asked for it can tell it from the one before.
    """

    began_ns: int
    is_code: bool
    fault: str = ""
    waiting: list[str] = []
    generation: int = 1
    older_calls: int = 0


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Leave it for whoever waits, whole or not at all. Raises `OSError`."""
    beside = folder / f"{NAME}.new"
    beside.write_bytes(msgspec.json.encode(outcome))
    os.replace(beside, folder / NAME)


def read_outcome(folder: Path) -> Outcome | None:
    """Return the last one that can be read."""
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=Outcome)
    except (OSError, msgspec.DecodeError):
        return None
