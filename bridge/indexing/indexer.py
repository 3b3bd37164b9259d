"""The indexer as its daemon knows it: a process of our own that loads DuckDB, is started when there is something to
do, and may die at any moment.

The tape is the truth: what it was given and has not confirmed is given to it again. A tape that it dies of again and
again is set aside, and the rest goes on.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
import trio
from attrs import define, evolve, field

from bridge.config import Secrets, Settings
from bridge.indexing.process import IndexerProcess, ProcessDied, start_indexer
from bridge.indexing.waiting import LONGEST_ASIDE_SECONDS, Errand, LateTold, Pauses, Waiting
from bridge.machine import resident_bytes
from bridge.store.messages import (
    Added,
    AddTape,
    Asking,
    Closed,
    CloseTape,
    Failed,
    Fault,
    Found,
    Job,
    Keep,
    KeepLate,
    Kept,
    Look,
    Prepare,
    Removed,
    Reply,
    Rows,
    SaveTape,
    Told,
)
from bridge.store.records import Records
from bridge.tapes.header import Header
from bridge.tapes.late import Late
from bridge.tapes.names import OPEN_SUFFIX, tapes_under

MOST_WAITING: Final = 10_000
"""Finished calls that may wait for the database; those beyond it are found on disk when these are done."""

HELD_SECONDS: Final = 0.5
"""How soon a database that somebody else holds is tried again: they close it in milliseconds."""

LAST_SECONDS: Final = 1.5
"""What the rows of the last calls may take while the daemon ends; the process may still have to be started."""

MOST_DEATHS: Final = 3
"""Of one tape: then it is set aside."""

MOST_ASIDE: Final = 100  # tapes; the next start finds the others

MOST_LATE: Final = 1000
"""Requests about calls that are over and wait for their tapes."""

MOST_READING: Final = 8  # questions at once; each is soon answered, and a person asks one

LONGEST_LATE_PAUSE: Final = 16.0
"""Seconds; doubled each time from one on, so a tape is looked for during half a minute. It is complete in one."""

log = structlog.get_logger(__name__)


@define(eq=False)
class Indexer:
    """Has finished tapes put into the database, one at a time. `on_record` is told the numbers of each call of ours."""

    settings: Settings
    secrets: Secrets
    on_record: Callable[[Records], None] | None = None
    deaths: int = 0
    added: int = 0
    refused: int = 0
    """Tapes that are in the database since the start, and those that can't be indexed as they are."""
    fault: str = ""
    """What is wrong with the database; "" while it can be used."""
    last_seconds: float = LAST_SECONDS
    """How long `finish` waits."""
    _errands: deque[Errand] = field(factory=deque)
    _tapes: deque[Waiting] = field(factory=deque)
    _aside: list[Waiting] = field(factory=list)
    _late: list[LateTold] = field(factory=list)
    _look_after: str | None = None
    """Where to look for tapes that nobody has told of; `None`: all are known."""
    _has_missed_some: bool = False
    _database_due: float = 0.0
    _pauses: Pauses = field(factory=Pauses)
    _starts: Pauses = field(factory=Pauses)
    _was_held: bool = False
    _process: IndexerProcess | None = None
    _starting: trio.Lock = field(factory=trio.Lock)
    _reading: int = 0
    _nursery: trio.Nursery | None = None
    _news: trio.Event = field(factory=trio.Event)
    _idle: trio.Event = field(factory=trio.Event)

    # ------------------------------------------------------------ what others ask of it

    @property
    def data(self) -> Path:
        """Return the folder of the database and of the tapes."""
        return self.settings.data_folder

    def add(self, path: Path, *, is_ours: bool = True) -> None:
        """Queue a tape; never waits. Beyond the bound it is found on disk later."""
        if len(self._tapes) < MOST_WAITING:
            self._tapes.append(Waiting(str(path), is_ours, trio.current_time()))
        else:
            log.warning("too many finished calls wait for the database", tape=path.name)
            self._has_missed_some = True
        self._news.set()

    def tell_late(self, late: Late) -> None:
        """Have what was told of a call that is over kept with its record; never waits."""
        if len(self._late) < MOST_LATE:
            self._late.append(LateTold(late, trio.current_time()))
        else:
            log.warning("too much is told of calls that are over", call_id=late.call_sid)
        self._news.set()

    @property
    def lag(self) -> int:
        """Return how many finished calls are not in the database, but for those set aside."""
        return len(self._tapes) + sum(not isinstance(one.job, Keep) for one in self._errands)

    @property
    def is_busy(self) -> bool:
        """Say whether a tape is or may be left to index."""
        has_news = any(one.is_new for one in self._late)
        return bool(self.lag) or has_news or self._look_after is not None or self._has_missed_some

    @property
    def lag_seconds(self) -> float:
        """Return how long the oldest of them waits."""
        return trio.current_time() - self._tapes[0].since if self._tapes else 0.0

    @property
    def set_aside(self) -> int:
        """Return how many tapes the indexer has died of again and again."""
        return len(self._aside)

    @property
    def memory_bytes(self) -> int:
        """Return how much memory the process has; 0 while there is none."""
        return resident_bytes(self.pid) if self.pid is not None else 0

    @property
    def pid(self) -> int | None:
        """Return the process, while there is one."""
        return self._process.pid if self._process and not self._process.is_gone else None

    async def save_tapes(self, headers: list[Header]) -> None:
        """Close the tapes of calls whose process has died while this one goes on, and index them."""
        for header in headers:
            reply = await self.ask(SaveTape(header))
            if isinstance(reply, Failed):
                log.error("tape can't be closed, the next start will", tape=header.call_id, error=reply.text)
            elif isinstance(reply, Closed) and reply.path is not None:
                self.add(Path(reply.path))

    async def keep(self, now: datetime) -> Removed:
        """Remove what is too old, piece by piece; finished calls come in between."""
        removed = Removed()
        while True:
            reply = await self.ask(Keep(self.settings, now))
            if isinstance(reply, Kept):
                removed += reply.removed
                if reply.is_done:
                    return removed
            else:
                text = reply.text if isinstance(reply, Failed) else repr(reply)
                log.error("what is too old can't be removed now", error=text[:200])
                return removed + Removed(failed=1)

    async def ask(self, job: Job) -> Reply:
        """Return what came of a job."""
        replies: list[Reply] = []
        done = trio.Event()

        def answer(reply: Reply) -> None:
            replies.append(reply)
            done.set()

        errand = Errand(job, answer)
        self._errands.append(errand)
        self._news.set()
        await done.wait()
        return replies[0]

    async def read(self, question: Asking) -> Rows | Failed:
        """Return what the database says to a question; neither tapes nor calls wait for it."""
        if self._nursery is None or self._reading >= MOST_READING:
            return Failed(Fault.QUESTION, "too many ask at once: ask again in a moment")
        self._reading += 1
        try:
            for _ in range(2):  # it may leave in that moment, having had nothing to do
                with suppress(ProcessDied):
                    return await (await self._alive()).read(question)
        finally:
            self._reading -= 1
        return Failed(Fault.UNUSABLE, "the process that has the database can't be started, or died of it")

    async def finish(self) -> None:
        """Wait a little for what is queued, unless the database is out of reach; the next start finds what is left."""
        with trio.move_on_after(self.last_seconds):
            while self.is_busy and trio.current_time() >= self._database_due:
                self._idle = trio.Event()
                await self._idle.wait()

    # ------------------------------------------------------------ doing it

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Have tapes of an earlier run closed and indexed, then each one that is queued.

        Started once it knows which tapes were left open: those that appear later are being written.
        """
        found = await trio.to_thread.run_sync(tapes_under, self.data / "tapes", abandon_on_cancel=True)
        left_open = (path for path in found if path.name.endswith(OPEN_SUFFIX))
        self._errands += (Errand(CloseTape(str(path)), self._closed) for path in left_open)
        self._look_after = "" if found else None
        task_status.started()
        async with trio.open_nursery() as self._nursery:
            while True:
                await self._do_next()
                if not self.is_busy or trio.current_time() < self._database_due:
                    self._idle.set()

    def _closed(self, reply: Reply) -> None:
        if isinstance(reply, Failed):
            log.error("tape can't be closed, the next start will", error=reply.text)

    async def _do_next(self) -> None:
        """Do what is to be done now, or wait until something is; the database's part has times of its own."""
        now = trio.current_time()
        aside = min((one for one in self._aside if one.due <= now), key=lambda one: one.due, default=None)
        late = next((one for one in self._late if one.due <= now), None)
        if self._errands:
            await self._run_errand()
        elif late is not None:
            await self._tell(late)
        elif now < self._database_due:
            await self._wait(self._database_due)
        elif self._tapes:
            await self._index(self._tapes[0])
        elif self._look_after is not None:
            self._look_after = await self._look(self._look_after)
        elif self._has_missed_some:
            self._look_after, self._has_missed_some = "", False
        elif aside is not None:
            self._aside.remove(aside)
            self._tapes.append(evolve(aside, since=now))
        else:
            await self._wait(min((one.due for one in self._aside), default=now + LONGEST_ASIDE_SECONDS))

    async def _tell(self, told: LateTold) -> None:
        """Put what was told on its tape, whose rows are then made anew; look for that tape a few times."""
        reply = await self._persist(KeepLate(told.late))
        self._late.remove(told)
        if isinstance(reply, Told) and reply.path is not None:
            return self.add(Path(reply.path), is_ours=False)
        if told.pause <= LONGEST_LATE_PAUSE:
            again = LateTold(told.late, trio.current_time() + told.pause, 2 * told.pause, is_new=False)
            return self._late.append(again)
        why = reply.text if isinstance(reply, Failed) else "no tape of that call is here"
        log.warning(
            "what was told of a call that is over is not kept", call_id=told.late.call_sid, why=why[:200]
        )

    async def _wait(self, until: float) -> None:
        until = min((until, *(one.due for one in self._late)))
        self._news = trio.Event()
        with trio.move_on_at(until):
            await self._news.wait()

    async def _run_errand(self) -> None:
        errand = self._errands[0]
        reply = await self._persist(errand.job)
        self._errands.popleft()
        errand.answer(reply)

    async def _persist(self, job: Job) -> Reply:
        """Return what came of a job that the indexer may die of, but not again and again."""
        deaths = 0
        while deaths < MOST_DEATHS:
            try:
                return await self._give(job)
            except ProcessDied as death:
                deaths += death.had_begun
        return Failed(Fault.TAPE, f"the indexer died {MOST_DEATHS} times of it: {job!r:.200}")

    async def _look(self, after: str) -> str | None:
        """Queue tapes that are on disk and not in the database; return where to look on."""
        reply = await self._persist(Look(self.settings, after, MOST_WAITING - len(self._tapes)))
        if isinstance(reply, Found):
            self._is_well()
            aside = {one.path for one in self._aside}
            for path in reply.tapes:
                if path not in aside:
                    self.add(Path(path), is_ours=False)
            return reply.tapes[-1] if reply.has_more else None
        if isinstance(reply, Failed) and reply.fault is not Fault.TAPE:
            self._wait_for_database(reply)
            return after
        log.error("tapes of an earlier run can't be looked for", reply=str(reply)[:200])
        return None

    async def _index(self, tape: Waiting) -> None:
        wants_records = tape.is_ours and self.on_record is not None
        try:
            reply = await self._give(AddTape(tape.path, wants_records, has_just_ended=tape.is_ours))
        except ProcessDied as death:
            tape.deaths += death.had_begun
            if tape.deaths >= MOST_DEATHS:
                self._put_aside(tape)
            return
        if isinstance(reply, Failed) and reply.fault is not Fault.TAPE:
            self._wait_for_database(reply)
            return
        self._tapes.remove(tape)
        self._settle(tape, reply)

    def _settle(self, tape: Waiting, reply: Reply) -> None:
        if isinstance(reply, Added):
            self.added += 1
            self._is_well()
            if reply.records is not None and self.on_record is not None:
                self.on_record(reply.records)
        else:
            self.refused += 1
            text = reply.text if isinstance(reply, Failed) else repr(reply)
            log.error("call can't be indexed", tape=tape.path, error=text[:500])

    def _put_aside(self, tape: Waiting) -> None:
        self._tapes.remove(tape)
        log.error("the indexer dies of this tape: it is set aside", tape=tape.path, again_in=tape.pause)
        if len(self._aside) < MOST_ASIDE:
            due = trio.current_time() + tape.pause
            pause = min(2 * tape.pause, LONGEST_ASIDE_SECONDS)
            self._aside.append(evolve(tape, deaths=MOST_DEATHS - 1, due=due, pause=pause))

    def _is_well(self) -> None:
        if self.fault:
            log.warning("the database can be used again")
        self.fault, self._was_held = "", False
        self._pauses.begin_anew()

    def _wait_for_database(self, failed: Failed) -> None:
        """Try again later, and say so once."""
        if failed.fault is Fault.HELD:
            if not self._was_held:
                log.warning("database is busy, trying on", error=failed.text[:200])
            self._was_held = True
            self._database_due = trio.current_time() + HELD_SECONDS
            return
        if failed.text != self.fault:
            log.error("database can't be used: calls go on, their tapes wait", fault=failed.text[:500])
        self.fault = failed.text
        self._database_due = trio.current_time() + self._pauses.next()

    # ------------------------------------------------------------ the process

    async def _give(self, job: Job) -> Reply:
        """Let the process do a job, starting one if there is none. Raises `ProcessDied`, after a pause."""
        try:
            reply = await self._ask_process(job)
        except ProcessDied as death:
            self.deaths += 1
            pause = self._starts.next()
            log.error("the indexer died, and is started again", how=death.how, again_in=pause)
            await trio.sleep(pause)
            raise
        self._starts.begin_anew()
        return reply

    async def _ask_process(self, job: Job) -> Reply:
        try:
            return await (await self._alive()).ask(job)
        except ProcessDied as death:
            if not death.has_left:
                raise
        return await (await self._alive()).ask(job)  # it had nothing to do for long, and left in that moment

    async def _alive(self) -> IndexerProcess:
        async with self._starting:
            if self._process is None or self._process.is_gone:
                assert self._nursery is not None
                self._process = await start_indexer(self._nursery, Prepare(self.settings, self.secrets))
            await self._process.wait_ready()
            return self._process
