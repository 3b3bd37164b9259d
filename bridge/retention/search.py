"""The proof that something is gone: every byte of every file in a data folder is searched for it, unpacked. Blocks."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from attrs import field, frozen

from bridge.store.database import TABLES, Store, patiently
from bridge.store.database_files import those_aside
from bridge.tapes.names import DONE_SUFFIX, OPEN_SUFFIX, call_id_of

BLOCK: Final = 2**20
UNREAD: Final = "perhaps rows of theirs, which this version can't read: delete it"
"""What is left in a database that was set aside: nobody can say, so it is not called nothing."""

PHONE: Final = frozenset("0123456789+-(). ")


@frozen
class Needle:
    """What to search for; `must` when it may be nowhere at all, else only where no other call explains it."""

    name: str
    text: str = field(repr=False)
    forms: tuple[bytes, ...] = field(repr=False)
    must: bool = True

    @classmethod
    def words(cls, name: str, text: str, *, must: bool = True) -> "Needle":
        """Return a text, as it is and as JSON writes it."""
        shapes = (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
        return cls(name, text, tuple(dict.fromkeys(shape.encode() for shape in shapes)), must)

    @classmethod
    def number(cls, number: str, *, must: bool = True) -> "Needle":
        """Return a phone number by its digits, however its plus is written; an address as it is."""
        digits = "".join(char for char in number if char.isdigit()) if set(number) <= PHONE else number
        return cls.words("the number", digits, must=must)


@frozen
class Proof:
    """What was searched, and what is left: where, and what it is."""

    files: int
    bytes: int
    searched_for: int
    left: tuple[tuple[str, str], ...]


def search(
    data: Path,
    store: Store,
    needles: Sequence[Needle],
    others: set[str],
    tell: Callable[[Path], None] = lambda path: None,
) -> Proof:
    """Search a data folder; `others` are the calls that were not erased. Raises `OSError`, `StoreError`.

    Rows are asked too: DuckDB compresses what it stores, so that its bytes alone would prove too little.
    """
    hits, files, size = list[tuple[Path, Needle]](), 0, 0
    for path in sorted(path for path in data.rglob("*") if path.is_file() and not path.is_symlink()):
        tell(path)
        found, length = _scan(path, needles)
        named = [needle for needle in needles if needle.text in str(path.relative_to(data))]
        hits += [(path, needle) for needle in dict.fromkeys([*found, *named])]
        files, size = files + 1, size + length
    in_rows = _in_rows(store, needles)
    explained = {needle for path, needle in hits if _is_tape_of(path, others)} | set(in_rows)
    left = [
        (path.relative_to(data).as_posix(), needle) for path, needle in hits if _is_left(needle, explained)
    ]
    left += [(f"rows of {store.path.name}", needle) for needle in in_rows if needle.must]
    unread = [(path.name, UNREAD) for path in those_aside(store.path)]
    return Proof(files, size, len(needles), (*((where, needle.name) for where, needle in left), *unread))


def _is_left(needle: Needle, explained: set[Needle]) -> bool:
    return needle.must or needle not in explained


def _is_tape_of(path: Path, calls: set[str]) -> bool:
    return path.name.endswith((OPEN_SUFFIX, DONE_SUFFIX)) and call_id_of(path) in calls


# ---------------------------------------------------------------- bytes


def _scan(path: Path, needles: Sequence[Needle]) -> tuple[list[Needle], int]:
    """Return which of these are in a file, and how many bytes it has, unpacked."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            return _found_in(file, needles)  # type: ignore[arg-type]  # a GzipFile reads like any other
    except (EOFError, zlib.error, gzip.BadGzipFile):
        with path.open("rb") as file:
            return _found_in(file, needles)
    except FileNotFoundError:  # a tape that was just completed: it is there under its other name
        done = path.with_name(path.name + ".gz")
        return _scan(done, needles) if done.exists() else ([], 0)


def _found_in(file: IO[bytes], needles: Sequence[Needle]) -> tuple[list[Needle], int]:
    overlap = max((len(form) for needle in needles for form in needle.forms), default=1) - 1
    found, size = dict[Needle, None](), 0
    for block, length in _blocks(file, overlap):
        found |= dict.fromkeys(needle for needle in needles if any(form in block for form in needle.forms))
        size += length
    return list(found), size


def _blocks(file: IO[bytes], overlap: int) -> Iterator[tuple[bytes, int]]:
    """Yield a file in blocks that overlap, with how many bytes of each are new."""
    tail = b""
    while new := file.read(BLOCK):
        yield tail + new, len(new)
        tail = (tail + new)[-overlap:] if overlap else b""


# ---------------------------------------------------------------- rows


def _in_rows(store: Store, needles: Sequence[Needle]) -> list[Needle]:
    """Return which of these stand in any row of any table."""
    if not store.path.exists() or not needles:
        return []
    sql = "select table_name, column_name from information_schema.columns where data_type in ('VARCHAR', 'JSON')"
    columns = patiently(lambda: store.query(sql))
    found = set[Needle]()
    for table in TABLES:
        names = [row["column_name"] for row in columns if row["table_name"] == table]
        found |= set(patiently(lambda names=names, table=table: _in_table(store, table, names, needles)))  # type: ignore[misc]
    return [needle for needle in needles if needle in found]


def _in_table(store: Store, table: str, columns: list[str], needles: Sequence[Needle]) -> list[Needle]:
    text = f"concat_ws(chr(10), {', '.join(columns)})"
    asked = ", ".join(f"bool_or(contains(text, ?)) as n{number}" for number in range(len(needles)))
    sql = f"select {asked} from (select {text} as text from {table})"
    (row,) = store.query(sql, [needle.text for needle in needles])
    return [needle for needle, is_there in zip(needles, row.values(), strict=True) if is_there]
