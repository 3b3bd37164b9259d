"""Which tapes a command line means: files, folders of them, or calls by their id."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from bridge.errors import BridgeError
from bridge.tapes.names import tapes_under

FEWEST_LETTERS: Final = 4
"""A call's id may be shortened as lists of calls show it, but not to what fits everything."""

MOST_NAMED: Final = 5


class NoTapeError(BridgeError):
    """No tape is what was asked for; `hint` says what to try."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def find_tapes(names: Iterable[str], data: Path) -> list[Path]:
    """Return the tapes that the names stand for, each one once. Raises `NoTapeError`."""
    found = [path for name in names for path in _tapes_of(name, data)]
    return list(dict.fromkeys(found))


def find_tape(name: str, data: Path) -> Path:
    """Return the one tape that a name stands for. Raises `NoTapeError`."""
    tapes = find_tapes([name], data)
    if len(tapes) > 1:
        shown = ", ".join(str(tape) for tape in tapes[:MOST_NAMED])
        raise NoTapeError(f"{name} is {len(tapes)} tapes: {shown}", "name one of them")
    return tapes[0]


def _tapes_of(name: str, data: Path) -> list[Path]:
    path = Path(name)
    if path.is_dir():
        if tapes := tapes_under(path):
            return tapes
        hint = "a folder with files named *.jsonl or *.jsonl.gz, such as data/tapes"
        raise NoTapeError(f"{name}: no tapes in this folder", hint)
    if path.exists():
        return [path]
    if tapes := _tapes_of_call(name, data):
        return tapes
    raise NoTapeError(
        f"{name}: no such file or folder, and no call of that id under {data}",
        "`bridge calls` lists the calls there are; --data FOLDER says where they were recorded",
    )


def _tapes_of_call(call_id: str, data: Path) -> list[Path]:
    if len(call_id) < FEWEST_LETTERS or "/" in call_id or not data.is_dir():
        return []
    return [tape for tape in tapes_under(data) if tape.name.startswith(call_id)]
