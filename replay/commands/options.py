"""What the commands that work on tapes have in common: their options, finding and reading tapes, complaining."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final, NoReturn

import click

from bridge.errors import BridgeError
from bridge.screen.errors import complain
from bridge.tapes.odd_tapes import about, named
from bridge.tapes.reader import Tape, read_tape
from replay.tapes.find import NoTapeError, find_tape, find_tapes

DATA = click.option(
    "--data", type=click.Path(path_type=Path), default=Path("data"), show_default=True,
    help="The folder of recordings in which a CALL is looked for.",
)  # fmt: skip
OUTPUT = click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="The file to write."
)
SCHEDULER = click.option(
    "--scheduler",
    default="",
    metavar="tcp://HOST:PORT",
    help="Let the workers of this Dask scheduler do the work; they find the tapes by the same names, s3:// at best.",
)
JSON = click.option("--json", "wants_json", is_flag=True, help="Print JSON for machines.")
TAPES = click.argument("tapes", nargs=-1, required=True, metavar="TAPE|FOLDER...")

READABLE: Final = "`replay run FOLDER` says which of its tapes can be read"


def found(names: Iterable[str], data: Path) -> list[Path]:
    """Return the tapes that the names stand for, or leave with advice."""
    try:
        return find_tapes(names, data)
    except NoTapeError as error:
        complain(str(error), hint=error.hint)


def read(name: str, data: Path) -> Tape:
    """Return the one tape that a name stands for, or leave with advice."""
    try:
        return read_tape(find_tape(name, data))
    except NoTapeError as error:
        complain(str(error), hint=error.hint)
    except BridgeError as error:
        complain(named(error, Path(name)), hint=READABLE)


@contextmanager
def working_on(path: Path) -> Iterator[None]:
    """Leave with a tape's name and what is odd about it, should this block come upon that."""
    try:
        with about(path):
            yield
    except BridgeError as error:
        complain(named(error, path))


def prepare_file(path: Path | None, option: str) -> None:
    """Have the folder of a file that is written at the end; leave with word of one that can't be written there."""
    if path is None or (path.exists() and not path.is_file()):  # a pipe or a device is written as it is
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=path.resolve().parent).close()
    except OSError as error:
        complain_of_file(path, error, option)


def complain_of_file(path: Path, error: OSError, option: str = "-o") -> NoReturn:
    """Leave with word of a file that can't be written."""
    complain(f"{path}: can't be written: {error.strerror or error}", hint=f"another file with {option} FILE")
