"""Calls as columns: the tables of the store and every message on the wire, one Parquet file each."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

import duckdb
import msgspec

from bridge.errors import TapeError
from bridge.store.database import TABLES, Store, quoted
from bridge.tapes.odd_tapes import gone_through
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import MODEL, PHONE, decode
from replay.tapes.beside import written_beside
from replay.tapes.wire import WireLine, wire_lines

FRAMES: Final = """
    create table frames (
        call_id varchar, line integer, t_ms integer, leg varchar, "from" varchar, kind varchar, bytes integer)
    """


Frame: TypeAlias = tuple[str, int, int, str, str, str, int]


def write_parquet(tapes: Sequence[Path], folder: Path, faults: list[TapeError]) -> list[tuple[Path, int]]:
    """Write all tables into a folder; return each file and its rows, none if no tape could be read.

    `faults` is given what is odd about tapes that are left out. Raises `OSError`, and has written nothing then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="replay-") as scratch, ExitStack() as stack:
        database = Path(scratch) / "calls.duckdb"
        frames = stack.enter_context(duckdb.connect())
        frames.execute(FRAMES)

        def add(tape: Path) -> None:
            rows = list(frames_of(tape))
            Store(database).add([tape])
            _add_frames(frames, rows)

        if not sum(1 for _ in gone_through(tapes, add, faults)):
            return []
        calls = stack.enter_context(duckdb.connect(str(database)))
        places = {table: folder / f"{table}.parquet" for table in (*TABLES, "frames")}
        parts = {table: stack.enter_context(written_beside(path)) for table, path in places.items()}
        counts = [
            _copied(frames if table == "frames" else calls, table, part) for table, part in parts.items()
        ]
    return list(zip(places.values(), counts, strict=True))


def _copied(connection: duckdb.DuckDBPyConnection, table: str, path: Path) -> int:
    order = {"calls": "started_at, call_id", "frames": "call_id, line"}.get(table, "call_id, position")
    try:
        connection.execute(
            f"copy (select * from {table} order by {order}) to {quoted(path)} (format parquet)"
        )
    except duckdb.IOException as error:
        raise OSError(str(error)) from None
    row = connection.execute(f"select count(*) from {table}").fetchone()
    return int(row[0]) if row else 0


def _add_frames(connection: duckdb.DuckDBPyConnection, rows: list[Frame]) -> None:
    """Add a tape's messages by columns: row by row is eighty times slower."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    if columns:
        unnested = ", ".join("unnest(?)" for _ in columns)
        connection.execute(f"insert into frames select {unnested}", columns)


def frames_of(path: Path) -> Iterator[Frame]:
    """Yield (call id, line, ms, leg, from, kind, bytes on the wire) for every WebSocket message of a tape.

    `line` counts from 1, the tape's header, as an editor does. Raises `TapeError`.
    """
    tape = read_tape(path)
    lines = wire_lines(tape)
    next(lines)
    for number, (raw, line) in enumerate(zip(tape.lines, lines, strict=True), 2):
        if line["leg"] in (PHONE, MODEL) and "msg" in line:
            kind, size = _kind_of(line), _size(raw, line)
            yield tape.header.call_id, number, line["t_ms"], line["leg"], line["from"], kind, size


def _kind_of(line: WireLine) -> str:
    message: dict[str, Any] = line["msg"]
    return str(message.get("event") if line["leg"] == PHONE else message.get("type"))


def _size(raw: bytes, line: WireLine) -> int:
    """Return a message's bytes: as it stands on the tape, or restored where the tape has a reference."""
    msg = decode(raw).msg
    return len(bytes(msg)) if msg else len(msgspec.json.encode(line["msg"]))
