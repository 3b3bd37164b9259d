"""The lake as it is asked: by the names of the local database's tables, so that the same SQL fits both. Blocks."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from bridge.lake.opening import LakePlace, explained, opened
from bridge.lake.tables import shown_as_local
from bridge.store.database import Query, rows_of


@contextmanager
def lake_reading(place: LakePlace) -> Iterator[Query]:
    """Open the lake once for several queries, all of one moment. Raises `LakeError`."""
    with opened(place, read_only=True) as connection, explained(place):
        shown_as_local(connection)
        connection.begin()
        yield partial(rows_of, connection)
