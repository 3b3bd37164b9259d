"""Which tapes a command line means: files, folders of them, either of them in object storage, or calls by their id."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from bridge.errors import BridgeError, ObjectError
from bridge.objects.bucket import objects_under
from bridge.objects.names import as_path, is_object, name_of
from bridge.tapes.names import DONE_SUFFIX, OPEN_SUFFIX, STORED_SUFFIX, tapes_under
from bridge.uploads.stub import lying, tape_of

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
    if is_object(name):
        return _tapes_in_storage(name)
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


def _tapes_in_storage(name: str) -> list[Path]:
    """Return the tape of this name, or those in the folder of this name."""
    path = as_path(name)
    if path.name.endswith((OPEN_SUFFIX, DONE_SUFFIX)):
        return [path]
    hint = "s3://BUCKET/FOLDER, with tapes in it or in its folders"
    try:
        found = [one for one in objects_under(path) if one.name.endswith((OPEN_SUFFIX, DONE_SUFFIX))]
    except ObjectError as error:
        raise NoTapeError(str(error), hint) from None
    if not found:
        raise NoTapeError(f"{name_of(path)}: no tapes in this folder", hint)
    return sorted(found)


def _tapes_of_call(call_id: str, data: Path) -> list[Path]:
    if len(call_id) < FEWEST_LETTERS or "/" in call_id or not data.is_dir():
        return []
    here = [tape for tape in tapes_under(data) if tape.name.startswith(call_id)]
    stubs = (stub for stub in sorted(data.rglob(f"[!.]*{STORED_SUFFIX}")) if stub.name.startswith(call_id))
    return here or [lying(tape_of(stub)) for stub in stubs]
