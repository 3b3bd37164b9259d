"""How long calls are kept: after so many days a tape loses its sound, then it is deleted, and so are its rows."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import structlog
import trio
from attrs import asdict, define, evolve, field, frozen

from bridge.config import Keep, Settings
from bridge.erase import day_folders, erase_files, erase_rows, files_of, hearing_of, patiently, silence
from bridge.errors import BridgeError, TapeError
from bridge.forgotten import Forgotten
from bridge.recorder import DONE_SUFFIX, call_id_of, header_of
from bridge.store import Indexer, Store

EVERY_SECONDS: Final = 6 * 3600
BATCH: Final = 20
"""Tapes in one go: rewriting a long call takes a second, and between two goes a daemon that ends is let go."""

STALE_DAYS: Final = 1
"""How old a half-written copy is whose process must have died."""

log = structlog.get_logger(__name__)
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


@frozen
class Removed:
    """What was done: calls that lost their sound, their tape, their rows; bytes freed; what failed, and why."""

    silenced: int = 0
    deleted: int = 0
    rows: int = 0
    freed_bytes: int = 0
    failed: int = 0
    refusals: tuple[str, ...] = ()

    def __add__(self, other: "Removed") -> "Removed":
        mine, others = asdict(self), asdict(other)
        return Removed(**{name: mine[name] + others[name] for name in mine})

    def __bool__(self) -> bool:
        return any(asdict(self).values())


# ---------------------------------------------------------------- what is due


def is_due(started_at: datetime, days: int | None, now: datetime) -> bool:
    """Say whether a call is at least so many days old; 0 is for ever."""
    return bool(days) and now - started_at >= timedelta(days=days or 0)


def due_tapes(data: Path, keep_of: Callable[[str], Keep], now: datetime) -> Due:
    """Return which complete tapes are too old; those still open are the recorder's."""
    silence_, delete, leftovers = list[Path](), list[Path](), list[Path]()
    for folder in day_folders(data / "tapes"):
        for path in sorted(folder.iterdir()):
            if path.name.endswith(DONE_SUFFIX) and not path.name.startswith("."):
                what = _due_tape(path, keep_of, now)
                delete += [path] if what == "delete" else []
                silence_ += [path] if what == "silence" else []
            elif path.suffix == ".part" and _age(path, now) >= timedelta(days=STALE_DAYS):
                leftovers.append(path)
    return Due(tuple(silence_), tuple(delete), tuple(leftovers))


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
    Forgotten.in_folder(data).add(call_id_of(path) for path in due.delete if not path.exists())
    return removed


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
    before, heard = path.stat().st_size, hearing_of(data, path)
    if not silence(path):
        return Removed()
    freed = before - path.stat().st_size + erase_files(heard)[1]
    return Removed(silenced=1, freed_bytes=freed)


def _delete(data: Path, path: Path) -> Removed:
    _, freed = erase_files([*hearing_of(data, path), *files_of(data / "tapes", call_id_of(path))])
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
    return removed


@define(eq=False)
class Keeper:
    """The daemon's task: at start, and then every 6 hours."""

    settings: Settings
    indexer: Indexer
    clock: Clock = utc_now
    _limiter: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(1))

    async def run(self) -> None:
        """Remove what is too old, for ever."""
        while True:
            await self.once()
            await trio.sleep(EVERY_SECONDS)

    async def once(self) -> Removed:
        """Remove what is too old; what can't be now is tried again the next time."""
        try:
            removed = await self._remove()
        except (OSError, BridgeError, duckdb.Error) as error:
            log.error("what is too old can't be removed now", error=str(error)[:200])
            return Removed(failed=1)
        for refusal in removed.refusals:
            log.error(refusal)
        if removed:
            log.info("removed what is too old", **asdict(evolve(removed, refusals=())))
        return removed

    async def _remove(self) -> Removed:
        """Tapes in a thread of their own, rows in the one that uses the database."""
        data, now = self.settings.data_folder, self.clock()
        todo = await self._in_thread(due_tapes, data, self.settings.keep_of, now)
        removed = Removed()
        for batch in todo.batches():
            removed += await self._in_thread(remove_tapes, data, batch)
        rows = await self.indexer.in_thread(
            patiently, lambda: due_rows(self.indexer.store, self.settings.keep_of, now)
        )
        gone: Removed = await self.indexer.in_thread(remove_rows, self.indexer.store, rows)
        return removed + gone

    async def _in_thread(self, work: Callable[..., Any], *args: Any) -> Any:
        return await trio.to_thread.run_sync(work, *args, limiter=self._limiter, abandon_on_cancel=True)
