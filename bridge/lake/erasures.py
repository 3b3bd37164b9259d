"""What hosts tell each other through the lake about calls to be erased: who asks, for what, and who has done so.

A request holds salted hashes, no number and no call id. It goes when every host has answered, or after a month. Blocks.
"""

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final

import duckdb
from attrs import frozen

from bridge.lake.opening import NAME

KEPT_DAYS: Final = 30
TABLES: Final = {
    "erasures": "request varchar, asked_at timestamp, host varchar, salt varchar, hash varchar",
    "erased": "request varchar, host varchar, done_at timestamp, calls integer, left_over integer",
}


@frozen
class Request:
    """What has to be erased, by salted hashes of numbers and call ids."""

    name: str
    salt: str
    hashes: frozenset[str]

    def means(self, *words: str) -> bool:
        """Say whether one of these numbers or call ids is meant."""
        return any(hashed(word, self.salt) in self.hashes for word in words if word)


@frozen
class Answer:
    """What a host has done about a request: so many calls erased, and so many places where something is left."""

    host: str
    calls: int
    left: int


def plain(word: str) -> str:
    """Return a number or an id as it is hashed, however it is written."""
    digits = "".join(char for char in word if char.isdigit())
    return digits if set(word) <= set("0123456789+-(). ") else word.casefold()


def hashed(word: str, salt: str) -> str:
    """Return the salted hash of a number or a call id."""
    return blake2b(plain(word).encode(), key=salt.encode(), digest_size=16).hexdigest()


def ask(connection: duckdb.DuckDBPyConnection, host: str, words: Iterable[str]) -> Request:
    """Ask all hosts to erase calls with these numbers or ids. Raises `duckdb.Error`."""
    _prepare(connection)
    name, salt = f"request-{secrets.token_hex(8)}", secrets.token_hex(16)
    request = Request(name, salt, frozenset(hashed(word, salt) for word in words))
    rows = [[name, _now(), host, salt, one] for one in sorted(request.hashes)]
    connection.executemany(f"insert into {NAME}.erasures values (?, ?, ?, ?, ?)", rows)
    return request


def open_for(connection: duckdb.DuckDBPyConnection, host: str) -> list[Request]:
    """Return the requests that this host has not answered. Raises `duckdb.Error`."""
    if not _is_there(connection):
        return []
    sql = f"""select request, salt, list(hash) from {NAME}.erasures
              where request not in (select request from {NAME}.erased where host = ?) group by all order by 1"""
    return [Request(row[0], row[1], frozenset(row[2])) for row in connection.execute(sql, [host]).fetchall()]


def answer(connection: duckdb.DuckDBPyConnection, request: Request, answered: Answer) -> None:
    """Tell that this host has erased what was asked for. Raises `duckdb.Error`."""
    row = [request.name, answered.host, _now(), answered.calls, answered.left]
    connection.execute(f"insert into {NAME}.erased values (?, ?, ?, ?, ?)", row)


def answers(connection: duckdb.DuckDBPyConnection, request: Request) -> list[Answer]:
    """Return who has answered. Raises `duckdb.Error`."""
    sql = f"select host, calls, left_over from {NAME}.erased where request = ? order by host"
    return [Answer(*row) for row in connection.execute(sql, [request.name]).fetchall()]


def withdraw(connection: duckdb.DuckDBPyConnection, request: Request) -> None:
    """Take a request away that every host has answered. Raises `duckdb.Error`."""
    for table in TABLES:
        connection.execute(f"delete from {NAME}.{table} where request = ?", [request.name])


def withdraw_old(connection: duckdb.DuckDBPyConnection) -> None:
    """Take away what nobody will answer any more. Raises `duckdb.Error`."""
    if _is_there(connection):
        old = f"select request from {NAME}.erasures where asked_at < now()::timestamp - interval {KEPT_DAYS} days"
        for request in {row[0] for row in connection.execute(old).fetchall()}:
            withdraw(connection, Request(request, "", frozenset()))


def _prepare(connection: duckdb.DuckDBPyConnection) -> None:
    for table, columns in TABLES.items():
        connection.execute(f"create table if not exists {NAME}.{table} ({columns})")


def _is_there(connection: duckdb.DuckDBPyConnection) -> bool:
    sql = "select 1 from duckdb_tables() where database_name = ? and table_name = 'erased'"
    return bool(connection.execute(sql, [NAME]).fetchall())


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
