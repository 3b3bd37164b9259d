"""Where questions are answered in the indexer's process: in a thread of their own, so that no tape waits for them.

Both threads share one instance of the database, which no two processes could: https://duckdb.org/docs/stable/connect/concurrency
"""

import os
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Final

from attrs import asdict, define, field

from bridge.errors import SlowError, StoreError, TapeError
from bridge.links.packets import hear, say
from bridge.store.database import Query, Store, quoted
from bridge.store.messages import (
    Answered,
    Asked,
    Asking,
    Failed,
    Fault,
    Job,
    LinesWanted,
    PageWanted,
    Question,
    Rows,
    SoundWanted,
)

if TYPE_CHECKING:
    from bridge.page.hearing import Player, Recording

MOST_ROWS: Final = 5000
"""Of one query, and what is beyond them is left out: a page has fifty calls, a chart some hundred days."""

LISTENING_SECONDS: Final = 60.0
"""After the last question the tapes of those who listened are closed: some may be erased meanwhile."""

LOOKING_SECONDS: Final = 4 * 3600.0
"""So long somebody who has asked may ask again, after lunch or a meeting: they shall not wait for a process that has
to be started first. Where nobody looks, none is there."""

WAY: Final = {".csv": "format csv, header", ".parquet": "format parquet"}


@define(eq=False)
class Desk:
    """Answers questions about the calls in a database, one after the other."""

    path: Path
    rewriting: Lock = field(factory=Lock)
    """Held while a question is answered, and by whoever puts another file in the database's place."""
    _player: "Player | None" = None

    def answer(self, question: Asking) -> Rows | Failed:
        """Return what the database says. An error that DuckDB itself does not expect ends the process."""
        try:
            match question:
                case PageWanted():
                    return self._page(question)
                case SoundWanted():
                    return self._sound(question)
                case LinesWanted():
                    return self._lines(question)
            with self.rewriting, self._reading(question) as query:
                if question.path:
                    return _copied(query, question)
                return Rows({name: query(*asked)[:MOST_ROWS] for name, asked in question.queries.items()})
        except SlowError as error:
            return Failed(Fault.QUESTION, str(error))
        except (StoreError, OSError) as error:
            return Failed(Fault.UNUSABLE, str(error))
        except TapeError as error:
            return Failed(Fault.TAPE, str(error))

    def _page(self, wanted: PageWanted) -> Rows:
        from bridge.page.served import growing, served  # templates: nobody needs them to index

        data, call_id = self.path.parent, wanted.call_id
        if wanted.live_url:
            page = growing(data, call_id, live_url=wanted.live_url)
        elif not self.path.exists():
            page = None
        else:
            with self.rewriting:
                page = served(data, call_id, sound_url=wanted.sound_url, lines_url=wanted.lines_url)
        return Rows({"page": [] if page is None else [asdict(page)]})

    def _sound(self, wanted: SoundWanted) -> Rows:
        found = self._playing().sound(wanted.call_id, wanted.first, wanted.most, self._recording)
        return Rows({"sound": [] if found is None else [{"data": found[0], "size": found[1]}]})

    def _lines(self, wanted: LinesWanted) -> Rows:
        found = self._playing().lines(wanted.call_id, wanted.t_ms, self._recording)
        return Rows({"lines": [] if found is None else [found]})

    def _playing(self) -> "Player":
        from bridge.page.hearing import Player  # as above

        self._player = self._player or Player()
        return self._player

    def _recording(self, call_id: str) -> "Recording | None":
        from bridge.page.served import recording

        if not self.path.exists():
            return None
        with self.rewriting:
            return recording(self.path.parent, call_id)

    def rest(self) -> None:
        """Let go of what is kept for whoever listens: nobody has asked for a while."""
        self._player = None

    @contextmanager
    def _reading(self, question: Question) -> Iterator[Query]:
        if self.path.exists():
            with Store(self.path).reading(question.seconds) as query:
                yield query
        else:
            yield lambda sql, values: []  # no call has ended yet


def _copied(query: Query, question: Question) -> Rows:
    ((sql, values),) = question.queries.values()
    way, target = WAY[Path(question.path).suffix], quoted(Path(question.path))
    query(f"copy ({sql}) to {target} ({way})", values)
    return Rows({})


# ---------------------------------------------------------------- the way to the daemon


@define(eq=False)
class Inbox:
    """What the daemon asks for: read in one thread, its questions answered in another, its jobs left for the first."""

    raw: socket.socket
    desk: Desk
    _jobs: "SimpleQueue[Job | None]" = field(factory=SimpleQueue)
    _questions: "SimpleQueue[Asked | None]" = field(factory=SimpleQueue)
    _saying: Lock = field(factory=Lock)
    _clock: Callable[[], float] = time.monotonic
    _looked: float = float("-inf")

    def open(self) -> None:
        """Begin to read; both threads end with the process."""
        Thread(target=self._hear, name="inbox", daemon=True).start()
        Thread(target=self._answer, name="desk", daemon=True).start()

    def next_job(self, seconds: float) -> Job:
        """Return the next job. Raises `EOFError` at the end, `TimeoutError` when nothing was asked for so long, and no
        question for much longer."""
        while True:
            try:
                job = self._jobs.get(timeout=seconds)
            except Empty:
                if self._clock() >= self._looked + LOOKING_SECONDS:
                    raise TimeoutError from None
                continue
            if job is None:
                raise EOFError
            return job

    def say(self, message: Any) -> None:
        """Tell the daemon something."""
        with self._saying:
            say(self.raw, message)

    def _hear(self) -> None:
        try:
            while True:
                message = hear(self.raw, None)
                if isinstance(message, Asked):
                    self._looked = self._clock()
                    self._questions.put(message)
                else:
                    self._jobs.put(message)
        except (EOFError, OSError):
            self._jobs.put(None)
            self._questions.put(None)

    def _answer(self) -> None:
        try:
            while (asked := self._next_question()) is not None:
                self.say(Answered(asked.number, self.desk.answer(asked.question)))
        except OSError:
            return  # the daemon is gone, as the other thread hears
        except BaseException:  # who knows what it left behind
            traceback.print_exc()
            os._exit(1)

    def _next_question(self) -> Asked | None:
        try:
            return self._questions.get(timeout=LISTENING_SECONDS)
        except Empty:
            self.desk.rest()
            return self._questions.get()
