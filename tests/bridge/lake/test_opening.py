"""What is said of a lake that can't be opened: what to do about it, and no password, wherever one stands."""

from collections.abc import Iterator

import duckdb
import pytest
from lakes import Postgres, needs_extensions, needs_postgres, postgres

from bridge.errors import LakeError
from bridge.lake.opening import LakePlace, explained, opened

PLACE = LakePlace("postgres://bridge@db/lake", "files", "host-a", {})


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.mark.parametrize(
    "words", ["password=hunter22", "PASSWORD = 'hunter22 of mine'", 'password="hunter22"']
)
def test_no_password_is_told_whoever_tells_it(words: str) -> None:
    told = f"IO Error: can't attach host=db {words} dbname=lake"
    with pytest.raises(LakeError) as refused, explained(PLACE):
        raise duckdb.IOException(told)
    assert "hunter22" not in str(refused.value)
    assert "dbname=lake" in str(refused.value)


@needs_extensions
@needs_postgres
def test_a_database_or_a_user_that_postgres_does_not_have_is_said_to_be_missing(server: Postgres) -> None:
    for url, told in (
        (f"postgres://bridge@/nothing?host={server.folder}", "no such database"),
        (f"postgres://nobody@/lake?host={server.folder}", "no such user"),
    ):
        for is_read in (True, False):
            with (
                pytest.raises(LakeError, match=told),
                opened(LakePlace(url, "/nowhere", "host-a", {}), read_only=is_read),
            ):
                pass
