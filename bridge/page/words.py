"""What was said, word by word: when each word begins on the line, and whether it was heard. Pure, and an estimate.

An agent's words are spread over its sound as it was made, and that over the line as it was sent; a caller's over the
time in which turn detection heard them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from bridge.heart.audio import bytes_of, ms_of
from bridge.page.spans import spoken_until
from bridge.store.line_sound import Piece
from bridge.store.trace import Trace
from bridge.text.heard import timed_words

Row: TypeAlias = dict[str, Any]
Record: TypeAlias = Mapping[str, Any]


def lines_of(record: Record, trace: Trace, *, is_live: bool = False) -> list[Row]:
    """Return the transcript's lines in order, each with its words as (text, ms, whether it was heard).

    While a call goes on, what is not settled yet counts as heard: nobody knows better.
    """
    silences = {row["caller_item_id"]: _silence_ms(row) for row in record["turns"]}
    until = spoken_until(record, trace)
    settled = {item["item_id"] for item in record["items"]}
    rows = [
        _as_known(row, until, is_open=is_live and row["item_id"] not in settled)
        for row in record["transcript"]
    ]
    pieces, made_ms = _by_item(record["items"], trace)
    return [
        _line(row, made_ms.get(row["item_id"], 0), pieces.get(row["item_id"], []), silences, trace)
        for row in rows
    ]


def _by_item(items: Sequence[Row], trace: Trace) -> tuple[dict[str, list[Piece]], dict[str, int]]:
    """Return each item's pieces on the line, and how much sound was made of it."""
    pieces, made_ms = dict[str, list[Piece]](), dict[str, int]()
    for piece in trace.pieces:
        pieces.setdefault(piece.item_id, []).append(piece)
    for item in items:
        made_ms[item["item_id"]] = made_ms.get(item["item_id"], 0) + item["generated_ms"]
    return pieces, made_ms


def _as_known(row: Row, until: Mapping[str, int], *, is_open: bool) -> Row:
    """Return a row with the end of a speech that wasn't heard to stop, and, while it is open, as if all were heard."""
    ended = until.get(row["item_id"]) if row["ended_ms"] is None else row["ended_ms"]
    return row | {"ended_ms": ended} | ({"heard": row["said"], "unheard": ""} if is_open else {})


def _silence_ms(turn: Row) -> int:
    """Return how long turn detection waited before it called this turn over, as far as that is known."""
    felt, waited = turn.get("latency_ms"), turn.get("response_ms")
    return felt - waited if felt is not None and waited is not None else 0


def _line(row: Row, made_ms: int, pieces: Sequence[Piece], silences: Mapping[str, int], trace: Trace) -> Row:
    made_ms = made_ms or ms_of(sum(piece.size for piece in pieces))  # nothing is settled yet
    is_agent = row["role"] == "agent"
    began, ended = _spoken(row, made_ms, pieces, silences, trace) if is_agent else _said(row, silences)
    words = timed_words(row["said"] or "", 0, made_ms if is_agent else max(0, ended - began))
    heard_letters, at, told = len(row["heard"] or ""), 0, []
    for text, offset_ms in words:
        t_ms = _on_line(offset_ms, pieces, trace, began) if is_agent else began + offset_ms
        told.append([text, t_ms, at < heard_letters])
        at += len(text)
    return {
        "role": row["role"], "item_id": row["item_id"], "from_ms": began, "to_ms": max(began, ended), "words": told,
        "interrupted": bool(row["interrupted"]), "unheard": row["unheard"] or "",
    }  # fmt: skip


def _said(row: Row, silences: Mapping[str, int]) -> tuple[int, int]:
    began = row["began_ms"] or 0
    ended = row["ended_ms"] if row["ended_ms"] is not None else began
    return began, max(began, ended - silences.get(row["item_id"], 0))


def _spoken(
    row: Row, made_ms: int, pieces: Sequence[Piece], silences: Mapping[str, int], trace: Trace
) -> tuple[int, int]:
    if not pieces:
        began = row["began_ms"] or 0
        return began, began + (made_ms if row["heard"] else 0)
    heard = [piece for piece in pieces if piece.is_heard] or pieces[:1]
    return trace.begins_ms + ms_of(pieces[0].begin), trace.begins_ms + ms_of(heard[-1].end)


def _on_line(offset_ms: int, pieces: Sequence[Piece], trace: Trace, began_ms: int) -> int:
    """Return when a moment of what was said comes on the line: what was never sent comes at the end of what was."""
    at = bytes_of(offset_ms)
    for piece in pieces:
        if at < piece.at + piece.size:
            return trace.begins_ms + ms_of(piece.begin + max(0, at - piece.at))
    if not pieces:
        return began_ms + offset_ms
    return trace.begins_ms + ms_of(pieces[-1].end)
