"""What the calls of a variant do otherwise than the baseline usually does, in words, and with which callers. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from replay.judge.columns import Table
from replay.judge.fields import Field
from replay.judge.stats import MISSING, Codes

MOST: Final = 4


def examples_of(field: Field, table: Table, rows: Sequence[Codes]) -> dict[str, Any]:
    """Return a verdict's `examples`, the most frequent first, and its `by_caller`: shares of calls that depart more."""
    groups = [list(map(int, part)) for part in rows]
    merged = groups if field.trait.is_of_caller else [sorted(row for part in groups for row in part)]
    usual = {row: found for part in merged for found in [_usual(field, table, part)] for row in part}
    departing = {row for row in usual if _departs(field, row, usual[row])}
    counted = Counter(field.texts[field.codes[row]] for row in departing if table.is_now[row])
    calls = sum(table.is_now[row] and field.codes[row] != MISSING for row in usual)
    told = [
        f"{text} ({count} of {calls} calls; baseline: {_instead(field, text, usual, departing, table)})"
        for text, count in counted.most_common(MOST)
    ]
    by_caller = {table.callers[part[0]]: _more(field, table, part, departing) for part in groups}
    return {"examples": tuple(told), "by_caller": by_caller}


def _usual(field: Field, table: Table, rows: Sequence[int]) -> int:
    """Return the label that most of the baseline's calls have, or that all should have."""
    if field.is_promise and field.fine is not None:
        return field.fine
    codes = [int(field.codes[row]) for row in rows if not table.is_now[row] and field.codes[row] != MISSING]
    return min(codes, key=lambda code: (-codes.count(code), code), default=MISSING)


def _departs(field: Field, row: int, usual: int) -> bool:
    code = int(field.codes[row])
    return MISSING not in (code, usual) and code not in (usual, field.fine)


def _more(field: Field, table: Table, rows: Sequence[int], departing: set[int]) -> float:
    shares = []
    for side in (True, False):
        mine = [row for row in rows if table.is_now[row] == side and field.codes[row] != MISSING]
        shares.append(sum(row in departing for row in mine) / len(mine) if mine else 0.0)
    return shares[0] - shares[1]


def _instead(field: Field, text: str, usual: dict[int, int], departing: set[int], table: Table) -> str:
    """Return what the baseline usually says, and how often it departs in this very way itself."""
    where = [row for row in departing if table.is_now[row] and field.texts[field.codes[row]] == text]
    known = field.texts[usual[where[0]]]
    own = sum(
        row in departing and not table.is_now[row] and field.texts[field.codes[row]] == text for row in usual
    )
    said = known.partition(" = ")[2] or known
    return f"{said}, and {own} so" if own else said
