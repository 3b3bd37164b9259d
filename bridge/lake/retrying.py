"""A transaction of the lake that others were faster than is done again. Blocks."""

import random
import time
from collections.abc import Callable
from typing import Final

import duckdb

from bridge.errors import LakeError
from bridge.lake.opening import LakePlace

TRIES: Final = 30
"""Of one transaction, where others write at the same time."""

LONGEST_PAUSE_SECONDS: Final = 2.0


def insisting(place: LakePlace, work: Callable[[], object]) -> int:
    """Do a transaction again while others are in between; return how often they were. Raises what else it raises."""
    for conflicts in range(TRIES):
        try:
            work()
            return conflicts
        except duckdb.TransactionException as error:
            if "conflict" not in str(error).lower():
                raise
        time.sleep(random.uniform(0, min(0.05 * 2**conflicts, LONGEST_PAUSE_SECONDS)))
    raise LakeError(f"{place.shown}: others were faster {TRIES} times; try again")
