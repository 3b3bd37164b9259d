"""What a fleet has kept of its calls, and what of it is the same in every call of one story: all but times and names.

Nothing is rung here.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from attrs import frozen

from bench.fleet_hosts import Host
from bridge.lake.opening import LakePlace, opened
from bridge.store.database import KEPT, rows_of

Shape: TypeAlias = frozenset[tuple[str, int]]
"""All rows of one call, each as a line of text, and how often it is there."""

Tables: TypeAlias = dict[str, list[dict[str, Any]]]

VARIES: Final = re.compile(
    r".*(_ms|_id|_sid|_at)|items[.]first_(heard|sent)|calls[.](tape|from_number|day|host|answered)"
    r"|[a-z_]+[.]day|milestones[.]position|waveforms[.]data"
)
"""Columns whose values are another call's or another moment's. Milestones come in the order in which things happen: a
model may be ready before the stream is there, or after it."""

NAMED: Final = re.compile(r"\b(?:item_|resp_|call_|CA|MZ)\w+|\d+(?:[.]\d+)?")
"""What is another call's or another moment's in texts: everything else in them is compared."""

COUNTED: Final = "calls.counts"
"""Messages by kind: which kinds, the story says; how many of some, the time that the caller stays."""

TEXTS: Final = ("text", "data")


def plain(table: str, row: dict[str, Any]) -> str:
    """Return a row without what is never the same twice."""
    kept = {name: value for name, value in row.items() if not VARIES.fullmatch(f"{table}.{name}")}
    for name, value in kept.items():
        if isinstance(value, str) and (name in TEXTS or f"{table}.{name}" == COUNTED):
            kept[name] = NAMED.sub("…", value)
    return f"{table} {sorted(kept.items())}"


def shapes_of(tables: Tables) -> dict[str, Shape]:
    """Return what the tables say of each call."""
    found = dict[str, Counter[str]]()
    for table, rows in tables.items():
        for row in rows:
            found.setdefault(row["call_id"], Counter())[plain(table, row)] += 1
    return {call_id: frozenset(rows.items()) for call_id, rows in found.items()}


def unlike(shape: Shape, others: Iterable[Shape]) -> str:
    """Return in what a call differs from the one of the others that is most like it; "" if it is the same as one."""
    nearest = min((shape ^ other for other in others), key=len, default=shape)
    return "; ".join(f"{'has' if row in shape else 'lacks'} {row[1]} of {row[0]}" for row in sorted(nearest))


@frozen
class Found:
    """What is kept of the calls of a run, over all its hosts."""

    streams: Counter[str]
    """Rows with a stream, by call."""
    rows: Counter[str]
    tapes: Counter[str]
    shapes: dict[str, Shape]
    """Of calls with a stream: where two hosts have a call, of the one that had its caller."""
    lake: dict[str, Shape] | None
    in_lake: Counter[str]
    """Rows that the lake has of each call; there shall be one."""

    @classmethod
    def of(cls, hosts: list[Host], place: LakePlace | None) -> "Found":
        """Look at every host's database and tapes, and into the lake."""
        streams, rows, shapes = Counter[str](), Counter[str](), dict[str, Shape]()
        for host in hosts:
            tables = {table: host.rows(table) for table in KEPT}
            came = {row["call_id"] for row in tables["calls"] if row["stream_started_ms"] is not None}
            streams.update(came)
            rows.update(row["call_id"] for row in tables["calls"])
            shapes |= {call_id: shape for call_id, shape in shapes_of(tables).items() if call_id in came}
        lake = None if place is None else lake_tables(place)
        return cls(
            streams,
            rows,
            Counter(call for host in hosts for call in host.tapes),
            shapes,
            None if lake is None else shapes_of(lake),
            Counter(row["call_id"] for row in lake["calls"]) if lake else Counter(),
        )


def lake_tables(place: LakePlace) -> Tables:
    """Return all that the lake has."""
    with opened(place, read_only=True) as connection:
        return {table: rows_of(connection, f"select * from lake.{table}", []) for table in KEPT}
