"""Erasing calls wherever hosts have them: in the lake, here, and, by a request in the lake, on each other. Blocks."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import duckdb
from attrs import frozen

from bridge.lake.erasures import Answer, Request, answer, answers, ask, open_for, withdraw
from bridge.lake.opening import NAME, LakePlace
from bridge.lake.retrying import insisting
from bridge.lake.searching import left_in
from bridge.lake.tables import is_begun, prepare
from bridge.lake.upkeep import erase as erase_in_lake
from bridge.retention.forget import (
    MOST_WORDS,
    SHORTEST_WORDS,
    WORDS_PER_CALL,
    Erased,
    Known,
    Meant,
    digits_of,
    erase,
    known_calls,
    meant_by,
)
from bridge.store.database import Store
from bridge.tapes.lock import is_held

POLL_SECONDS: Final = 2.0
WAIT_SECONDS: Final = 400
"""A host that has nothing to send looks every five minutes."""


@frozen
class ErasedEverywhere:
    """What was erased here and in the lake, what the other hosts say, which have said nothing, and what is left."""

    here: Erased
    rows: dict[str, int]
    answers: tuple[Answer, ...]
    silent: tuple[str, ...]
    left: tuple[tuple[str, str], ...]

    @property
    def is_gone(self) -> bool:
        """Say whether nothing is left anywhere, and every host has said so."""
        return not (self.left or self.silent or self.here.proof.left or any(one.left for one in self.answers))


def in_lake(connection: duckdb.DuckDBPyConnection) -> Iterator[Known]:
    """Yield every call that the lake has. Raises `duckdb.Error`."""
    if not is_begun(connection):
        return
    sql = f"select call_id, agent, started_at, from_number, to_number, is_outgoing from {NAME}.calls"
    for call_id, agent, started_at, from_number, to_number, is_outgoing in connection.execute(sql).fetchall():
        numbers = (from_number or "", to_number or "")
        party, ours = reversed(numbers) if is_outgoing else numbers
        yield Known(call_id, agent or "", f"{started_at:%Y-%m-%dT%H:%M:%S}", (party,), (ours,))


def meant_everywhere(connection: duckdb.DuckDBPyConnection, data: Path, who: str) -> Meant:
    """Return what a call id or a number means here and in the lake. Raises `ForgetError`, `duckdb.Error`."""
    here = known_calls(data, Store(data / "calls.duckdb"))
    names = {known.call_id for known in here}
    return meant_by(who.strip(), [*here, *(one for one in in_lake(connection) if one.call_id not in names)])


def erase_everywhere(
    connection: duckdb.DuckDBPyConnection,
    place: LakePlace,
    data: Path,
    meant: Meant,
    *,
    wait_seconds: float = WAIT_SECONDS,
    tell: Callable[[Answer], None] = lambda answer: None,
) -> ErasedEverywhere:
    """Erase these calls here, in the lake, and on all hosts that answer in so many seconds; then search for the rest.

    A host that was silent erases them when it looks the next time. Raises `StoreError`, `duckdb.Error`.
    """
    prepare(connection)
    needles = list(_needles(connection, meant))
    words = [known.call_id for known in meant.calls] + ([meant.who] if meant.is_number else [])
    request = ask(connection, place.host, words)
    here = erase(data, meant)
    rows = erase_in_lake(connection, place, here.call_ids)
    told = Answer(place.host, len(here.call_ids), len(here.proof.left))
    insisting(place, lambda: answer(connection, request, told))
    silent = _wait(connection, place, request, wait_seconds, tell)
    late = [known.call_id for known in in_lake(connection) if request.means(known.call_id, *known.party)]
    if late:  # sent by a host that had not heard of it
        erase_in_lake(connection, place, late)
    answered = tuple(one for one in answers(connection, request) if one.host != place.host)
    if not silent:
        insisting(place, lambda: withdraw(connection, request))
    erase_in_lake(connection, place, ())  # the request's own rows, and all that was rewritten meanwhile
    return ErasedEverywhere(here, rows, answered, silent, tuple(left_in(connection, place, needles)))


def _needles(connection: duckdb.DuckDBPyConnection, meant: Meant) -> Iterator[str]:
    """Yield what must not be found afterwards; words alone that nobody else's call has."""
    if meant.is_number:
        yield digits_of(meant.who) or meant.who
    yield from (known.call_id for known in meant.calls)
    ids = [known.call_id for known in meant.calls]
    sql = f"""select said from {NAME}.transcript group by said
              having bool_and(call_id in (select unnest(?::varchar[]))) and length(said) >= {SHORTEST_WORDS}
              order by length(said) desc limit {min(MOST_WORDS, WORDS_PER_CALL * max(1, len(ids)))}"""
    yield from (row[0] for row in connection.execute(sql, [ids]).fetchall())


def _wait(
    connection: duckdb.DuckDBPyConnection,
    place: LakePlace,
    request: Request,
    seconds: float,
    tell: Callable[[Answer], None],
) -> tuple[str, ...]:
    """Wait until every host has answered that has a call in the lake; return those that have not."""
    until = time.monotonic() + seconds
    hosts = {row[0] for row in connection.execute(f"select distinct host from {NAME}.calls").fetchall()}
    heard = {place.host}
    while True:
        for one in answers(connection, request):
            if one.host not in heard:
                heard.add(one.host)
                tell(one)
        if hosts <= heard or time.monotonic() >= until:
            return tuple(sorted(hosts - heard))
        time.sleep(POLL_SECONDS)


def answer_requests(connection: duckdb.DuckDBPyConnection, place: LakePlace, data: Path) -> int:
    """Erase here what other hosts ask for, and tell them; return how many calls that were.

    A call that goes on is erased when it is over, and the request answered then. Raises `StoreError`, `duckdb.Error`.
    """
    count = 0
    for request in open_for(connection, place.host):
        calls = known_calls(data, Store(data / "calls.duckdb"))
        meant = [known for known in calls if request.means(known.call_id, *known.party)]
        if any(known.is_open for known in meant) and is_held(data):
            continue
        others = tuple(known for known in calls if known not in meant)
        done = erase(data, Meant(request.name, tuple(meant), others))
        if meant:
            erase_in_lake(connection, place, done.call_ids)
        told = Answer(place.host, len(meant), len(done.proof.left))
        insisting(place, lambda told=told, request=request: answer(connection, request, told))  # type: ignore[misc]
        count += len(meant)
    return count
