"""Calls as columns: the tables of the store and every message on the wire, one Parquet file each."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb
import msgspec

from bridge.errors import TapeError
from bridge.recorder import read_tape
from bridge.store import TABLES, Store
from bridge.tape import MODEL, PHONE, decode
from replay.wire import WireLine, wire_lines

FRAMES: Final = """
    create table frames (
        call_id varchar, line integer, t_ms integer, leg varchar, "from" varchar, kind varchar, bytes integer)
    """


def write_parquet(tapes: Sequence[Path], folder: Path) -> Iterator[tuple[Path, int]]:
    """Write all tables into a folder; yield each file and its rows. Raises `TapeError` and `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="replay-") as scratch:
        database = Path(scratch) / "calls.duckdb"
        for tape in tapes:
            _index(Store(database), tape)
        with duckdb.connect(str(database)) as connection:
            connection.execute(FRAMES)
            for tape in tapes:
                _add_frames(connection, tape)
            for table in (*TABLES, "frames"):
                yield _copied(connection, table, folder)


def _index(store: Store, tape: Path) -> None:
    try:
        store.add([tape])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise TapeError(f"{tape}: a line that this version can't read ({error!r})") from None


def _copied(connection: duckdb.DuckDBPyConnection, table: str, folder: Path) -> tuple[Path, int]:
    path = folder / f"{table}.parquet"
    order = {"calls": "started_at, call_id", "frames": "call_id, line"}.get(table, "call_id, position")
    target = str(path).replace("'", "''")
    try:
        connection.execute(f"copy (select * from {table} order by {order}) to '{target}' (format parquet)")
    except duckdb.IOException as error:
        raise OSError(str(error)) from None
    row = connection.execute(f"select count(*) from {table}").fetchone()
    return path, int(row[0]) if row else 0


def _add_frames(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Add a tape's messages by columns: row by row is eighty times slower."""
    rows = list(frames_of(path))
    columns = [list(column) for column in zip(*rows, strict=True)]
    if columns:
        unnested = ", ".join("unnest(?)" for _ in columns)
        connection.execute(f"insert into frames select {unnested}", columns)


def frames_of(path: Path) -> Iterator[tuple[str, int, int, str, str, str, int]]:
    """Yield (call id, line, ms, leg, from, kind, bytes on the wire) for every WebSocket message of a tape.

    `line` counts from 1, the tape's header, as an editor does.
    """
    tape = read_tape(path)
    try:
        lines = wire_lines(tape)
        next(lines)
        for number, (raw, line) in enumerate(zip(tape.lines, lines, strict=True), 2):
            if line["leg"] in (PHONE, MODEL) and "msg" in line:
                kind = _kind_of(line)
                yield (
                    tape.header.call_id,
                    number,
                    line["t_ms"],
                    line["leg"],
                    line["from"],
                    kind,
                    _size(raw, line),
                )
    except TapeError as error:
        raise TapeError(f"{path}: {error}") from None


def _kind_of(line: WireLine) -> str:
    message: dict[str, Any] = line["msg"]
    return str(message.get("event") if line["leg"] == PHONE else message.get("type"))


def _size(raw: bytes, line: WireLine) -> int:
    """Return a message's bytes: as it stands on the tape, or restored where the tape has a reference."""
    msg = decode(raw).msg
    return len(bytes(msg)) if msg else len(msgspec.json.encode(line["msg"]))
