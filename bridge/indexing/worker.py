"""The indexer's process: it does one job after the other, of its daemon's, and answers each.

It alone loads DuckDB, and beside that as little as can be: it is started often, while calls go on. When its daemon is
gone, or has had nothing for it for a while, it ends; what it had not confirmed is done again by another one. It comes
after calls: the system gives it what they leave of the processor.
"""

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

import duckdb
from attrs import define, evolve, field

from bridge.errors import BridgeError, HeldError, StoreError
from bridge.indexing.desk import Desk, Inbox
from bridge.links.packets import hear
from bridge.store.database import Store
from bridge.store.messages import (
    Added,
    AddTape,
    Closed,
    CloseTape,
    Failed,
    Fault,
    Found,
    Job,
    Keep,
    KeepLate,
    KeepMark,
    Kept,
    Look,
    Prepare,
    Ready,
    Removed,
    Reply,
    SaveTape,
    Send,
    Told,
    counted,
)
from bridge.store.unsent import Unsent
from bridge.tapes.lock import one_after_the_other
from bridge.tapes.names import DONE_SUFFIX, call_id_of, tapes_under

if TYPE_CHECKING:
    from bridge.store.records import Records
    from bridge.tapes.late import Late
from bridge.uploads.stub import bring_back

IDLE_SECONDS: Final = 30.0
NICENESS: Final = 10
"""With both cores busy it has a tenth of what a process has that carries calls."""


@define
class Indexing:
    """What is done with the database and the tapes of a data folder."""

    data: Path
    has_lake: bool = False
    rewriting: Lock = field(factory=Lock)
    """Held while the database's file is replaced by another."""
    _begin_log: Callable[[], None] = lambda: None
    _steps: Iterator[Removed] | None = None
    _steps_of: datetime | None = None

    @property
    def store(self) -> Store:
        """Return the database."""
        return Store(self.data / "calls.duckdb", Unsent.in_folder(self.data) if self.has_lake else None)

    def reply_to(self, job: Job) -> Reply:
        """Do a job. An error that DuckDB itself does not expect ends the process: who knows what it left behind."""
        try:
            return self._do(job)
        except HeldError as error:
            return Failed(Fault.HELD, str(error))
        except (StoreError, duckdb.IOException, OSError) as error:
            return Failed(Fault.UNUSABLE, str(error))
        except (duckdb.FatalException, duckdb.InternalException):
            raise
        except Exception as error:  # a tape that others wrote: whatever is odd about it costs that tape alone
            return Failed(Fault.TAPE, str(error) or repr(error))

    def _do(self, job: Job) -> Reply:
        match job:
            case CloseTape() | SaveTape():
                return self._close(job)
            case Look():
                return self._look(job)
            case AddTape(path, wants_records, has_just_ended):
                found: list[Records] = []
                self.store.add([Path(path)], found.append, have_just_ended=has_just_ended)
                return Added(counted(found[0]) if wants_records else None)
            case Keep():
                return self._keep(job)
            case KeepLate(late):
                return self._keep_late(late)
            case KeepMark(mark):
                from bridge.tapes.late import keep_mark

                bring_back(self.data / "tapes", mark.call_id)
                marked = keep_mark(self.data / "tapes", mark)
                self.store.add([] if marked is None else [marked])
                return Told(None if marked is None else str(marked))
            case Send():
                raise TypeError("the lake has a process of its own")

    def _close(self, job: CloseTape | SaveTape) -> Closed:
        self._begin_log()
        from bridge.tapes.recovery import finish_lost, finish_torn  # seldom wanted

        match job:
            case CloseTape(path):
                done = finish_torn(Path(path))
            case SaveTape(header):
                done = finish_lost(self.data / "tapes", header)
        return Closed(None if done is None else str(done))

    def _keep_late(self, late: "Late") -> Told:
        from bridge.tapes.late import keep_late

        self._begin_log()
        with suppress(StoreError):  # of a call that we made, only its record knows both its names
            sql = "select call_id from calls where call_sid = ? order by started_at desc"
            known = (row["call_id"] for row in self.store.query(sql, [late.call_sid]))
            late = evolve(late, call_ids=tuple(dict.fromkeys((*late.call_ids, *known))))
        path = keep_late(self.data / "tapes", late)
        return Told(None if path is None else str(path))

    def _look(self, job: Look) -> Found:
        """Return the complete tapes that are not in the database and shall be."""
        from bridge.retention.keep import keeps_rows

        known, wants, found = self.store.call_ids(), keeps_rows(job.settings), list[str]()
        for path in tapes_under(self.data / "tapes"):
            is_new = path.name.endswith(DONE_SUFFIX) and call_id_of(path) not in known
            if is_new and str(path) > job.after and wants(path):
                if len(found) == job.most:
                    return Found(tuple(found), has_more=True)
                found.append(str(path))
        return Found(tuple(found), has_more=False)

    def _keep(self, job: Keep) -> Kept:
        from bridge.retention.keep import keep_in_steps  # seldom wanted

        if self._steps is None or self._steps_of != job.now:
            self._steps, self._steps_of = keep_in_steps(self.data, job.settings, job.now), job.now
        with self.rewriting:
            removed = next(self._steps, None)
        if removed is not None:
            return Kept(removed, is_done=False)
        self._steps = None
        return Kept(Removed(), is_done=True)


# ---------------------------------------------------------------- the process


def work(raw: socket.socket) -> None:
    """Do what the daemon asks for, until it is gone or asks for nothing."""
    prepare: Prepare = hear(raw, IDLE_SECONDS)
    data = prepare.settings.data_folder
    with crash_told(prepare), one_after_the_other(data):
        has_lake = bool(prepare.settings.store.lake)
        indexing = Indexing(data, has_lake, begin_log=partial(log_as_told, prepare))
        inbox = Inbox(raw, Desk(indexing.store.path, indexing.rewriting))
        inbox.open()
        inbox.say(Ready())
        while True:
            inbox.say(indexing.reply_to(inbox.next_job(IDLE_SECONDS)))


def log_as_told(prepare: Prepare) -> None:
    """Log as the daemon does, from now on: what that takes is loaded where there is something to be said."""
    from bridge.logs import log_as

    log_as(prepare.settings, prepare.secrets, os.environ)


@contextmanager
def crash_told(prepare: Prepare) -> Iterator[None]:
    """Log what the process dies of, unless it is explained in a sentence."""
    try:
        yield
    except (BridgeError, OSError, EOFError):
        raise  # that the daemon is gone, or what is explained in a sentence
    except Exception:
        log_as_told(prepare)
        from bridge.logs import crash_logged

        with crash_logged():
            raise


def main(work: Callable[[socket.socket], None] = work) -> None:
    """Be the process whose standard input is the way to its daemon. What ends it is that, or a signal that kills."""
    for one in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, one):
            signal.signal(getattr(signal, one), signal.SIG_IGN)
    with suppress(OSError, AttributeError):
        os.nice(NICENESS)
    status = 1
    with suppress(SystemExit):
        with suppress(EOFError, TimeoutError, BrokenPipeError, ConnectionResetError):
            work(socket.socket(fileno=0))
        status = 0
    sys.stderr.flush()
    os._exit(
        status
    )  # at once: there is nothing to tidy up, and DuckDB's own way out fills the log with its leaks


if __name__ == "__main__":
    main()
