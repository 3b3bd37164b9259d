"""How long calls are kept: after so many days a tape loses its sound, then it is deleted, and so are its rows."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from attrs import evolve, frozen

from bridge.agents import Keep
from bridge.config import Settings
from bridge.errors import TapeError
from bridge.retention.erase import (
    day_folders,
    erase_files,
    erase_objects,
    erase_rows,
    files_of,
    hearing_of,
    ready_of,
    silence,
)
from bridge.store.database import Store, patiently
from bridge.store.database_files import those_aside, wal_of
from bridge.store.messages import Removed
from bridge.tapes.forgotten import Forgotten
from bridge.tapes.names import DONE_SUFFIX, STORED_SUFFIX, call_id_of
from bridge.tapes.reader import header_of
from bridge.uploads.stub import fetch, is_uploaded, tape_of

BATCH: Final = 20
"""Tapes in one go: rewriting a long call takes a second, and between two goes a daemon that ends is let go."""

STALE_DAYS: Final = 1
"""How old a half-written copy is whose process must have died."""

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the time by which calls grow old."""
    return datetime.now(UTC)


@frozen
class Due:
    """What is too old now: tapes to silence and to delete, half-written copies, and calls that lose their rows."""

    silence: tuple[Path, ...] = ()
    delete: tuple[Path, ...] = ()
    leftovers: tuple[Path, ...] = ()
    rows: tuple[str, ...] = ()

    def batches(self) -> Iterator["Due"]:
        """Yield it in pieces that are soon done, but for the rows."""
        yield Due(leftovers=self.leftovers)
        for start in range(0, len(self.silence), BATCH):
            yield Due(silence=self.silence[start : start + BATCH])
        for start in range(0, len(self.delete), BATCH):
            yield Due(delete=self.delete[start : start + BATCH])


# ---------------------------------------------------------------- what is due


def is_due(started_at: datetime, days: int | None, now: datetime) -> bool:
    """Say whether a call is at least so many days old; 0 is for ever."""
    return bool(days) and now - started_at >= timedelta(days=days or 0)


def due_tapes(data: Path, keep_of: Callable[[str], Keep], now: datetime) -> Due:
    """Return which complete tapes are too old; those still open are the recorder's."""
    silence_, delete, leftovers = list[Path](), list[Path](), list[Path]()
    for folder in day_folders(data / "tapes"):
        for path in sorted(folder.iterdir()):
            if _is_of_a_call(path):
                what = _due_tape(path, keep_of, now)
                delete += [path] if what == "delete" else []
                silence_ += [path] if what == "silence" else []
            elif path.suffix == ".part" and _age(path, now) >= timedelta(days=STALE_DAYS):
                leftovers.append(path)
    for path in those_aside(data / "calls.duckdb"):
        leftovers += [wal_of(path), path] if _is_too_old(path, keep_of(""), now) else []
    return Due(tuple(silence_), tuple(delete), tuple(leftovers))


def _is_of_a_call(path: Path) -> bool:
    """Say whether this is a complete tape, or what stands for one that is in storage alone."""
    is_tape = path.name.endswith(DONE_SUFFIX) and not path.name.startswith(".")
    return is_tape or (path.name.endswith(STORED_SUFFIX) and not tape_of(path).exists())


def _is_too_old(database: Path, keep: Keep, now: datetime) -> bool:
    """Say whether all that a database holds that was set aside is older than rows are kept."""
    return bool(keep.rows_days) and _age(database, now) >= timedelta(days=keep.rows_days or 0)


def _age(path: Path, now: datetime) -> timedelta:
    try:
        return now - datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        return timedelta(0)


def _due_tape(path: Path, keep_of: Callable[[str], Keep], now: datetime) -> str:
    header = header_of(path)
    keep = keep_of(header.agent if header else "")  # whose it is can't be read: as for all
    started_at = moment(header.started_at if header else path.parent.name, now)
    if is_due(started_at, keep.tapes_days, now):
        return "delete"
    has_audio = header is None or header.has_audio
    return "silence" if has_audio and is_due(started_at, keep.audio_days, now) else ""


def moment(text: str, unless: datetime) -> datetime:
    """Return the moment that a text names, in UTC unless it says otherwise; `unless` when it names none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return unless
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def due_rows(store: Store, keep_of: Callable[[str], Keep], now: datetime) -> tuple[str, ...]:
    """Return the calls whose rows are too old. Raises `StoreError`."""
    if not store.path.exists():
        return ()
    rows = store.query("select call_id, agent, started_at from calls order by started_at, call_id")
    return tuple(
        row["call_id"] for row in rows
        if is_due(row["started_at"].replace(tzinfo=UTC), keep_of(row["agent"]).rows_days, now)
    )  # fmt: skip


def keeps_rows(settings: Settings, clock: Clock = utc_now) -> Callable[[Path], bool]:
    """Return what says whether the rows of a tape are still kept, so that nobody indexes it again."""
    if not any(settings.keep_of(agent).rows_days for agent in ("", *settings.agents)):
        return lambda path: True  # and nothing of the tape has to be read for it

    def keeps(path: Path) -> bool:
        header = header_of(path)
        if header is None:
            return True
        now = clock()
        return not is_due(moment(header.started_at, now), settings.keep_of(header.agent).rows_days, now)

    return keeps


def due(data: Path, settings: Settings, now: datetime) -> Due:
    """Return all that is too old. Raises `StoreError`."""
    rows = patiently(lambda: due_rows(Store(data / "calls.duckdb"), settings.keep_of, now))
    return evolve(due_tapes(data, settings.keep_of, now), rows=rows)


# ---------------------------------------------------------------- doing it


def remove_tapes(data: Path, due: Due) -> Removed:
    """Silence and delete tapes, with what the lab heard in them; one that can't be is counted and left."""
    removed = Removed(freed_bytes=erase_files(due.leftovers)[1])
    for path in due.silence:
        removed += _tried(_silence, data, path)
    for path in due.delete:
        removed += _tried(_delete, data, path)
    # Or else their webhooks could be used again: a tape on disk is what tells a replay.
    Forgotten.in_folder(data).add(_id_of(path) for path in due.delete if not path.exists())
    return removed


def _id_of(path: Path) -> str:
    """Return the call id in the name of a tape, or of its stub."""
    return call_id_of(path).removesuffix(STORED_SUFFIX)


def let_local_copies_go(data: Path, settings: Settings, now: datetime) -> Removed:
    """Delete tapes that have been here for long enough and are in storage as they are here, and whose rows are made."""
    days, store = settings.store.keep_local_days, Store(data / "calls.duckdb")
    if not days or not store.path.exists():
        return Removed()
    indexed, gone = patiently(store.call_ids), list[Path]()
    for folder in day_folders(data / "tapes"):
        if is_due(moment(folder.name, now), days + 1, now):  # the last call of that day is so old, too
            tapes = sorted(folder.glob(f"[!.]*{DONE_SUFFIX}"))
            gone += [path for path in tapes if call_id_of(path) in indexed and is_uploaded(path)]
    count, freed = erase_files(gone)
    return Removed(local_copies=count, freed_bytes=freed)


def _tried(work: Callable[[Path, Path], Removed], data: Path, path: Path) -> Removed:
    try:
        return work(data, path)
    except FileNotFoundError:
        return Removed()  # erased meanwhile
    except Exception as error:  # a tape that others wrote: whatever is odd about it costs that tape alone
        return Removed(
            failed=1, refusals=(f"{path}: too old, and can't be rewritten or deleted: {error!s:.200}",)
        )


def _silence(data: Path, path: Path) -> Removed:
    if path.suffix == STORED_SUFFIX:
        path = fetch(path)  # it is uploaded again, for it was changed
    before, heard = path.stat().st_size, [*hearing_of(data, path), *ready_of(data, call_id_of(path))]
    if not silence(path):
        return Removed()
    freed = before - path.stat().st_size + erase_files(heard)[1]
    return Removed(silenced=1, freed_bytes=freed)


def _delete(data: Path, path: Path) -> Removed:
    files = files_of(data / "tapes", _id_of(path))
    erase_objects(files)
    _, freed = erase_files([*hearing_of(data, path), *files])
    if path.exists():
        raise TapeError("no file that could be deleted")
    return Removed(deleted=1, freed_bytes=freed)


def remove_rows(store: Store, call_ids: tuple[str, ...]) -> Removed:
    """Erase the rows of calls, with their bytes. Raises `StoreError`."""
    if not call_ids:
        return Removed()
    before = store.path.stat().st_size
    counts = patiently(lambda: erase_rows(store, call_ids))
    return Removed(rows=counts["calls"], freed_bytes=max(0, before - store.path.stat().st_size))


def keep(data: Path, settings: Settings, now: datetime) -> Removed:
    """Remove all that is too old, now. Raises `StoreError`."""
    todo = due(data, settings, now)
    removed = remove_rows(Store(data / "calls.duckdb"), todo.rows)
    for batch in todo.batches():
        removed += remove_tapes(data, batch)
    return removed + let_local_copies_go(data, settings, now)


def keep_in_steps(data: Path, settings: Settings, now: datetime) -> Iterator[Removed]:
    """Remove all that is too old; yield after each piece, so that others get their turn. Raises `StoreError`.

    Rows come last: somebody may hold the database.
    """
    for batch in due_tapes(data, settings.keep_of, now).batches():
        yield remove_tapes(data, batch)
    if settings.store.keep_local_days:
        yield let_local_copies_go(data, settings, now)
    store = Store(data / "calls.duckdb")
    yield remove_rows(store, patiently(lambda: due_rows(store, settings.keep_of, now)))
