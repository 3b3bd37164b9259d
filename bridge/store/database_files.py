"""The two files that a DuckDB database is: the file itself, and beside it the log of what was written since (`.wal`).

Whoever deletes, replaces or sets aside a database does it here, so that never one of the two is left with a stranger:
DuckDB refuses a log that is not its file's, and then nobody can open either. Blocks.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

ASIDE: Final = "set-aside"
"""Stands in the name of a database that could not be taken over whole, and was kept for whoever can read it."""


def wal_of(path: Path) -> Path:
    """Return where DuckDB keeps the log of a database."""
    return path.with_name(f"{path.name}.wal")


def delete_database(path: Path) -> None:
    """Delete a database. The log goes first: a file without it only lacks what came last."""
    wal_of(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def replace_database(fresh: Path, path: Path) -> None:
    """Put one database in another one's place, of which nothing is left."""
    wal_of(path).unlink(missing_ok=True)
    os.replace(fresh, path)
    if wal_of(fresh).exists():  # its last writer died or failed before DuckDB had written it into the file
        os.replace(wal_of(fresh), wal_of(path))


def set_aside(path: Path, why: str) -> Path:
    """Rename a database to a name that says why, without overwriting an earlier one; return where it is now."""
    names = (f"{path.stem}.{ASIDE}-{why}{f'-{n}' if n > 1 else ''}{path.suffix}" for n in count(1))
    target = next(place for name in names if not (place := path.with_name(name)).exists())
    os.replace(path, target)
    if wal_of(path).exists():
        os.replace(wal_of(path), wal_of(target))
    return target


def those_aside(path: Path) -> list[Path]:
    """Return the databases that were set aside in favour of this one; their rows are not in it, or not all."""
    return sorted(path.parent.glob(f"{path.stem}.{ASIDE}-*{path.suffix}"))


@contextmanager
def without_log(path: Path) -> Iterator[Path]:
    """Lend a database as it was before its log began, under another name; the two files themselves stay as they are."""
    lent = path.with_name(f"{path.name}.lent")
    delete_database(lent)
    try:
        try:
            os.link(path, lent)
        except OSError:  # a file system without hard links
            shutil.copyfile(path, lent)
        yield lent
    finally:
        delete_database(lent)
