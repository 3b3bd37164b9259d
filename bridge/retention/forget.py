"""Erasing calls for good: which ones are meant, everything that was recorded of them, and the search that proves it.

It reaches the data folder. Logs elsewhere, backups, exports, and what Twilio and OpenAI keep are not reached.
"""

import re
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import evolve, frozen

from bridge.errors import BridgeError, ForgetError, StoreError
from bridge.objects.opening import open_tape
from bridge.objects.versions import left_of
from bridge.retention.erase import (
    day_folders,
    erase_files,
    erase_objects,
    erase_rows,
    files_of,
    hearing_of,
)
from bridge.retention.search import Needle, Proof, search
from bridge.store.database import Store, patiently
from bridge.store.records import records_of
from bridge.store.unsent import Unsent
from bridge.tapes.forgotten import Forgotten
from bridge.tapes.header import decode_header
from bridge.tapes.line_reading import checked
from bridge.tapes.lock import held_alone
from bridge.tapes.masking import mask
from bridge.tapes.names import DONE_SUFFIX, OPEN_SUFFIX, call_id_of
from bridge.tapes.odd_tapes import about, named
from bridge.tapes.reader import MOST_BYTES, Tape, read_tape
from bridge.tapes.tape import HTTP, decode
from bridge.uploads.stub import stored_alone

FEWEST_DIGITS: Final = 6
"""Of a phone number: fewer stand in other numbers by chance, and are not masked either."""

PHONE_NUMBER: Final = re.compile(r"\+?[\d\s().-]+")
WORDS_PER_CALL: Final = 5
SHORTEST_WORDS: Final = 12
MOST_IDS: Final = 100
MOST_WORDS: Final = 100


# ---------------------------------------------------------------- who


def digits_of(text: str) -> str:
    """Return a text's digits: +1 (555) 012-3456 and 15550123456 are one number."""
    return "".join(char for char in text if char.isdigit())


def is_number(text: str) -> bool:
    """Say whether this is a phone number, or a SIP or client address, and no call id."""
    return bool(PHONE_NUMBER.fullmatch(text)) or ":" in text or "@" in text


def same_number(one: str, other: str) -> bool:
    """Say whether two texts are one number or address; a masked number is no other's."""
    if not (PHONE_NUMBER.fullmatch(one) and PHONE_NUMBER.fullmatch(other)):
        return bool(one) and one.casefold() == other.casefold()
    return bool(digits_of(one)) and digits_of(one) == digits_of(other)


@frozen
class Known:
    """A call that something is recorded of; `party` is the number that isn't ours. Of a tape with a `fault` nobody
    knows whose it is."""

    call_id: str
    agent: str = ""
    started_at: str = ""
    party: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()
    is_open: bool = False
    fault: str = ""


def known_calls(data: Path, store: Store) -> list[Known]:
    """Return every call on a tape or in the database, the oldest first. Raises `StoreError`."""
    taped = {known.call_id: known for known in _taped(data / "tapes")}
    away = {call_id_of(one.path).partition(".")[0]: one.path for one in stored_alone(data / "tapes")}
    known = taped | {one.call_id: one for one in _only_stored(store, taped, away)}
    rest = [evolve(_on_tape(path), call_id=name) for name, path in away.items() if name not in known]
    return sorted([*known.values(), *rest], key=lambda one: one.started_at)


def _taped(tapes: Path) -> Iterator[Known]:
    for folder in day_folders(tapes):
        for path in sorted(folder.iterdir()):
            if path.name.endswith((OPEN_SUFFIX, DONE_SUFFIX)) and not path.name.startswith("."):
                yield _on_tape(path)


def _on_tape(path: Path) -> Known:
    """Return what a tape's first two lines say: who rang whom is in the header of a call that the bridge made, and
    else in the second line, the webhook."""
    call_id, is_open = call_id_of(path), path.name.endswith(OPEN_SUFFIX)
    try:
        with open_tape(path) as file:
            first, second = file.readline(MOST_BYTES), file.readline(MOST_BYTES)
        header = decode_header(first)
    except (OSError, EOFError, zlib.error, BridgeError) as error:
        return Known(
            call_id, started_at=path.parent.name, is_open=is_open, fault=named(BridgeError(str(error)), path)
        )
    party, ours = header.caller, header.called
    if header.is_outgoing or _direction(second).startswith("outbound"):
        party, ours = ours, party
    return Known(call_id, header.agent, header.started_at, (party,), (ours,), is_open)


def _direction(raw: bytes) -> str:
    try:
        line = checked(raw)
    except BridgeError:
        return ""
    return str((line.http or {}).get("form", {}).get("Direction", "")) if line.leg == HTTP else ""


def _only_stored(store: Store, taped: dict[str, Known], away: Collection[str]) -> Iterator[Known]:
    """Yield calls whose tapes are not here. Of one whose tape is in storage the row says whose number is whose; of one
    that is gone either number counts, unless it is known to be ours."""
    if not store.path.exists():
        return
    sql = "select call_id, agent, started_at, from_number, to_number, is_outgoing from calls"
    rows = patiently(lambda: store.query(sql))
    ours = {number for known in taped.values() for number in known.ours}
    ours |= {
        row["from_number" if row["is_outgoing"] else "to_number"] for row in rows if row["call_id"] in away
    }
    for row in rows:
        if row["call_id"] not in taped:
            numbers = (row["from_number"] or "", row["to_number"] or "")
            party = tuple(number for number in numbers if number not in ours)
            mine = tuple(number for number in numbers if number in ours)
            yield Known(
                row["call_id"], row["agent"] or "", f"{row['started_at']:%Y-%m-%dT%H:%M:%S}", party, mine
            )


# ---------------------------------------------------------------- what is meant


@frozen
class Meant:
    """The calls to erase, those that stay, and those whose masked number may be the one that was given."""

    who: str
    calls: tuple[Known, ...]
    others: tuple[Known, ...]
    masked: tuple[Known, ...] = ()

    @property
    def unknown(self) -> tuple[str, ...]:
        """Return what is odd about each tape that may be of this number, for all that can be read of it."""
        return tuple(known.fault for known in self.others if known.fault) if self.is_number else ()

    @property
    def is_number(self) -> bool:
        """Say whether a number was given, not a call."""
        return is_number(self.who)


def meant_by(who: str, calls: list[Known]) -> Meant:
    """Return what a call id, its beginning, or a number means here. Raises `ForgetError`."""
    if is_number(who):
        return _with_number(who, calls)
    found = [known for known in calls if known.call_id == who] or [
        known for known in calls if who and known.call_id.startswith(who)
    ]
    if not found:
        raise ForgetError(f"no call {who}: `bridge calls` lists them, --data names another folder")
    if len(found) > 1:
        raise ForgetError(f"{who} is the beginning of several calls: give more of it")
    return Meant(who, tuple(found), tuple(known for known in calls if known not in found))


def _with_number(who: str, calls: list[Known]) -> Meant:
    if PHONE_NUMBER.fullmatch(who) and len(digits_of(who)) < FEWEST_DIGITS:
        raise ForgetError(f"{who}: too short for a phone number; give all of it, with its country code")
    found = [known for known in calls if any(same_number(who, number) for number in known.party)]
    if not found and any(same_number(who, number) for known in calls for number in known.ours):
        raise ForgetError(f"{who} is a number of your own: give the caller's, or a call id")
    hidden = mask(digits_of(who))
    masked = [
        known
        for known in calls
        if any(number.startswith("+x") and _alike(hidden, number) for number in known.party)
    ]
    return Meant(who, tuple(found), tuple(known for known in calls if known not in found), tuple(masked))


def _alike(hidden: str, number: str) -> bool:
    """Say whether two masked numbers may be the same: as long, with the same last digits."""
    one, other = (re.sub(r"[^\dx]", "", text) for text in (hidden, number))
    return one == other


def refuse_live(meant: Meant, *, daemon_runs: bool) -> None:
    """Raise `ForgetError` for a call that goes on: its tape is still being written."""
    live = [known.call_id for known in meant.calls if known.is_open] if daemon_runs else []
    if live:
        raise ForgetError(
            f"{', '.join(live[:5])}: going on now; nothing was erased. Try again when it has ended"
        )


# ---------------------------------------------------------------- erasing


@frozen
class Erased:
    """What was erased, and the proof; `rows` by table, `objects` in storage."""

    call_ids: tuple[str, ...]
    files: int
    bytes: int
    hearings: int
    rows: dict[str, int]
    proof: Proof
    objects: int = 0


@contextmanager
def kept_from_starting(data: Path) -> Iterator[bool]:
    """Let no daemon start in a data folder meanwhile; yield whether one runs there already."""
    with ExitStack() as stack:
        try:
            stack.enter_context(held_alone(data))
        except StoreError:
            yield True
        else:
            yield False


def look_for(who: str, data: Path, *, daemon_runs: bool) -> Meant:
    """Return what is meant in a data folder. Raises `ForgetError` for nothing and for live calls, `StoreError`."""
    if not data.is_dir():
        raise ForgetError(f"{data}: no such folder; name the data folder with --data")
    meant = meant_by(who.strip(), known_calls(data, Store(data / "calls.duckdb")))
    refuse_live(meant, daemon_runs=daemon_runs)
    return meant


def erase(data: Path, meant: Meant, tell: Callable[[Path], None] = lambda path: None) -> Erased:
    """Erase these calls everywhere in a data folder, then search it for what is left of them.

    The tombstones come first: from then on nobody indexes or brings back what is erased. Raises `StoreError` when
    the database can't be written; what was not erased then is erased by the next try.
    """
    store, call_ids = Store(data / "calls.duckdb"), [known.call_id for known in meant.calls]
    needles = list(needles_of(data, store, meant))
    Forgotten.in_folder(data).add(call_ids)
    Unsent.in_folder(data).drop(call_ids)
    stubs = [path for call_id in call_ids for path in files_of(data / "tapes", call_id)]
    beginnings, objects = erase_objects(stubs)  # first: what can't be reached now is known to the next try
    rows = patiently(lambda: erase_rows(store, call_ids))
    hearings, tapes = list[Path](), list[Path]()
    for call_id in call_ids:
        files = files_of(data / "tapes", call_id)
        hearings += [heard for path in files if _is_tape(path) for heard in hearing_of(data, path)]
        tapes += files
    heard, size_heard = erase_files(hearings)
    count, size = erase_files(tapes)
    proof = search(data, store, needles, {known.call_id for known in meant.others}, tell)
    left = [(name, "an object") for beginning in beginnings for name in left_of(beginning)]
    proof = evolve(proof, left=(*proof.left, *left))
    return Erased(tuple(call_ids), count, size + size_heard, heard, rows, proof, objects)


def _is_tape(path: Path) -> bool:
    return path.name.endswith((OPEN_SUFFIX, DONE_SUFFIX)) and not path.name.startswith(".")


# ---------------------------------------------------------------- what to search for


def needles_of(data: Path, store: Store, meant: Meant) -> Iterator[Needle]:
    """Yield what must not be found afterwards: the number, the calls' ids, the longest things said in them.

    What somebody else's call holds too proves nothing, unless it is the number that was to be forgotten.
    """
    if meant.is_number:
        yield Needle.number(meant.who, must=True)
    else:
        yield from (
            Needle.number(number, must=False) for known in meant.calls for number in known.party if number
        )
    for known in meant.calls[:MOST_IDS]:
        is_part = any(other.call_id.startswith(known.call_id) for other in meant.others)
        yield Needle.words("call id", known.call_id, must=not is_part)
    words = [text for known in meant.calls for text in _said(data, store, known.call_id)]
    yield from (Needle.words("words that were said", text, must=False) for text in words[:MOST_WORDS])


def _is_telling(number: str) -> bool:
    """Say whether a number is somebody's: neither masked nor so short that it stands anywhere by chance."""
    return is_number(number) and (
        len(digits_of(number)) >= FEWEST_DIGITS or not PHONE_NUMBER.fullmatch(number)
    )


def _said(data: Path, store: Store, call_id: str) -> list[str]:
    """Return the longest things said in a call."""
    texts = [*_on_tapes(data, call_id), *_in_rows(store, call_id)]
    long = {text for text in texts if len(text) >= SHORTEST_WORDS}
    return sorted(long, key=lambda text: (-len(text), text))[:WORDS_PER_CALL]


def _on_tapes(data: Path, call_id: str) -> Iterator[str]:
    for path in files_of(data / "tapes", call_id):
        if _is_tape(path):
            try:
                with about(path):
                    said = _said_on(read_tape(path))
            except BridgeError:
                continue  # it is erased all the same; only what to search for can't be read
            yield from said


def _said_on(tape: Tape) -> list[str]:
    found: Any = records_of(tape.header, map(decode, tape.lines), is_torn=tape.is_torn)
    return [row["said"] for row in found.transcript]


def _in_rows(store: Store, call_id: str) -> list[str]:
    if not store.path.exists():
        return []
    sql = "select said from transcript where call_id = ?"
    return [row["said"] or "" for row in patiently(lambda: store.query(sql, [call_id]))]


def as_json(erased: Erased, meant: Meant) -> dict[str, Any]:
    """Return what was erased, for machines."""
    proof = erased.proof
    return {
        "calls": list(erased.call_ids), "objects": erased.objects,
        "files": erased.files, "bytes": erased.bytes, "vad_cache": erased.hearings,
        "rows": erased.rows, "masked": [known.call_id for known in meant.masked],
        "proof": {
            "files": proof.files, "bytes": proof.bytes, "searched_for": proof.searched_for,
            "left": [{"where": where, "what": what} for where, what in proof.left],
        },
    }  # fmt: skip
