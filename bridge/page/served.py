"""A call's page for a console, from the database and the call's tape. Blocks, and takes some tenths of a second for a
long call: it is made in the indexer's process, where no voice waits for it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import frozen

from bridge.objects.names import is_object, name_of
from bridge.page.facts import document_of, length_of, told
from bridge.page.hearing import Recording, written_ns
from bridge.page.html import body, data_of, made_visible, title
from bridge.prices import PUBLISHED
from bridge.store.database import Query, Store
from bridge.store.one_call import record_of
from bridge.store.trace import Trace, kept_trace, traced
from bridge.tapes.reader import path_on_disk, read_tape
from bridge.uploads.nearby import nearby
from bridge.uploads.stub import located

Row: TypeAlias = dict[str, Any]
NO_TRACE: Final = (
    "The waveform of this call is not known: its tape is gone, or was indexed by an older version."
)


@frozen
class Served:
    """What a console needs for a call's page: its title, what stands in it, and what its script is given."""

    title: str
    body: str
    data: str


def growing(data: Path, call_id: str, *, live_url: str) -> Served | None:
    """Return the page of a call that goes on, from its tape as it is now; None when it has none. Raises `TapeError`."""
    path = path_on_disk(data / "tapes", call_id)
    if path is None:
        return None
    facts, _ = told(read_tape(path), is_live=True)
    call = facts["call"] | {"is_torn": False, "ended_by": "nobody yet", "why": ""}
    legs = [
        row if row["outcome"] != "crashed" else row | {"ended_ms": None, "outcome": None}
        for row in facts["legs"]
    ]
    shown = made_visible(facts | {"call": call, "legs": legs, "tape": None, "next_steps": []})
    return Served(title(shown), str(body(shown, live_url=live_url)), data_of(shown))


def served(data: Path, call_id: str, *, sound_url: str = "", lines_url: str = "") -> Served | None:
    """Return the page of a call, or None when there is none of that id. Raises `StoreError` and `TapeError`."""
    with Store(data / "calls.duckdb").reading() as query:
        if not query("select 1 from calls where call_id = ?", [call_id]):
            return None
        record, trace = record_of(query, call_id), _kept(query, call_id)
    path = located(data, str(record["call"]["tape"]))
    has_tape = is_object(path) or path.is_file()
    record["call"]["tape"] = name_of(path)
    if trace is None and has_tape:
        trace = _traced(path)
    note = "" if trace is not None else NO_TRACE
    trace = trace or _nothing(record)
    facts = made_visible(document_of(record, trace))
    can_be_heard = has_tape and has_sound(trace)
    urls = {"sound_url": sound_url if can_be_heard else "", "lines_url": lines_url if has_tape else ""}
    return Served(title(facts), str(body(facts, note=note, **urls)), data_of(facts))


def recording(data: Path, call_id: str) -> Recording | None:
    """Return what can be listened to of a call, or None. Raises `StoreError` and `TapeError`."""
    with Store(data / "calls.duckdb").reading() as query:
        rows = query("select tape, duration_ms from calls where call_id = ?", [call_id])
        trace = _kept(query, call_id)
    path = nearby(data, call_id, str(rows[0]["tape"])) if rows else data
    stamp_ns = written_ns(path)
    if not path.is_file() or stamp_ns is None:
        return None
    trace = trace or _traced(path)
    length_ms = length_of(rows[0]["duration_ms"], trace)
    return Recording(path, stamp_ns, length_ms, trace.bookmarks, has_sound=has_sound(trace))


def has_sound(trace: Trace) -> bool:
    """Say whether anything is to be heard of a call, while its tape is there."""
    return trace.has_audio and bool(trace.caller)


def _kept(query: Query, call_id: str) -> Trace | None:
    rows = query("select * from waveforms where call_id = ?", [call_id])
    return kept_trace(rows[0]) if rows else None


def _traced(path: Path) -> Trace:
    tape = read_tape(path)
    return traced(tape.header, tape.lines, is_torn=tape.is_torn).trace


def _nothing(record: Mapping[str, Any]) -> Trace:
    """Return what is known of a call of which only rows are left."""
    prices = PUBLISHED.of(record["call"]["model"], "")
    return Trace(0, b"", b"", (), prices, [], [], has_audio=False)
