"""The process that sends calls to the lake: it alone loads DuckDB's extensions, and whatever the lake does, nobody else
waits for it. Like the indexer it comes after calls, and ends when it has had nothing to do for a while.
"""

import socket
from contextlib import ExitStack
from functools import partial
from typing import Final

import duckdb
from attrs import define, field

from bridge.errors import HeldError, StoreError
from bridge.indexing.worker import crash_told, main
from bridge.lake.opening import LakePlace, explained, opened
from bridge.lake.sending import Batch, send
from bridge.links.packets import hear, say
from bridge.retention.everywhere import answer_requests
from bridge.store.database import Store
from bridge.store.messages import Failed, Fault, Job, Prepare, Ready, Reply, Send, Sent
from bridge.store.unsent import Unsent
from bridge.tapes.lock import one_after_the_other

IDLE_SECONDS: Final = 90.0
"""Longer than the lake waits as a rule: while there are calls one process goes on, and none when there are none."""


@define
class Sending:
    """Sends what waits in a data folder; the lake stays open until something went wrong with it."""

    place: LakePlace
    store: Store
    _open: ExitStack = field(factory=ExitStack)
    _connection: duckdb.DuckDBPyConnection | None = None

    def reply_to(self, job: Job) -> Reply:
        """Do a job."""
        assert isinstance(job, Send)
        try:
            sent = self._send(job.most)
        except HeldError as error:
            return self._failed(Fault.HELD, error)
        except (StoreError, OSError) as error:
            return self._failed(Fault.UNUSABLE, error)
        return Sent(sent.calls, Unsent.in_folder(self.store.path.parent).count(), sent.conflicts)

    def _send(self, most: int) -> Batch:
        with explained(self.place):
            if self._connection is None:
                self._connection = self._open.enter_context(opened(self.place))
            sent = send(self._connection, self.place, self.store, most)
            answer_requests(self._connection, self.place, self.store.path.parent)
        if not self.place.is_on_postgres:
            self.close()  # a file is for one process at a time
        return sent

    def _failed(self, fault: Fault, error: Exception) -> Failed:
        self.close()
        return Failed(fault, str(error))

    def close(self) -> None:
        """Let go of the lake."""
        self._connection = None
        self._open.close()


def work(raw: socket.socket) -> None:
    """Do what the daemon asks for, until it is gone or asks for nothing."""
    prepare: Prepare = hear(raw, IDLE_SECONDS)
    data = prepare.settings.data_folder
    with crash_told(prepare), one_after_the_other(data, ".sender"):
        sending = Sending(LakePlace.of(prepare.settings, prepare.secrets), Store(data / "calls.duckdb"))
        tell = partial(say, raw)
        tell(Ready())
        while True:
            tell(sending.reply_to(hear(raw, IDLE_SECONDS)))


if __name__ == "__main__":
    main(work)
