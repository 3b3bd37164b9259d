"""Who does the work: this process, its cores, or the workers of a Dask scheduler on other machines.

All three look alike, as an executor's `submit`; what is given to them are plain functions, paths, bytes and arrays. The
work of a worker that dies is done by another one: nobody here has to know.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from itertools import islice
from multiprocessing import get_context
from typing import Any, Final, TypeVar

from attrs import frozen

from bridge.errors import BridgeError
from bridge.extras import install_hint

T = TypeVar("T")
R = TypeVar("R")

ONE_THREAD: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Each process has a core to itself: matrix products that spread over the cores would only get in each other's way."""

CONNECT_SECONDS: Final = 10
BUNDLE: Final = 8
MOST_UNDER_WAY: Final = 256
"""Pieces that wait for a worker, are done, or wait for one before them."""

ATTEMPTS: Final = 4
"""Workers that may die at a piece of work, before it is taken for the reason; Dask's own default, counted from one."""


class PoolError(BridgeError):
    """The work can't be handed out; the message says what to do."""


@frozen
class Pool:
    """Does pieces of work and hands back results; without an executor it does them here, one by one."""

    executor: Executor | None = None

    def do(
        self,
        work: Callable[[T], R],
        pieces: Sequence[T],
        done: Callable[[int, R], None] = lambda place, result: None,
    ) -> list[R]:
        """Return the results in the order of the pieces. Raises `PoolError`.

        `done` is told the number and the result of each piece as it comes.
        """
        if self.executor is None or len(pieces) < 2:
            return [_told(place, work(piece), done) for place, piece in enumerate(pieces)]
        futures = {self.executor.submit(work, piece): place for place, piece in enumerate(pieces)}
        try:
            for future in as_completed(futures):
                done(futures[future], _result(future))
            return [_result(future) for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def ordered(self, work: Callable[[T], R], pieces: Iterable[T]) -> Iterator[R]:
        """Yield the results in the order of the pieces, as soon as they are there. Raises `PoolError`.

        No more pieces than `MOST_UNDER_WAY` are handed out and not yielded: there may be any number of them.
        """
        if self.executor is None:
            yield from map(work, pieces)
            return
        coming, under_way = iter(pieces), deque[Future[R]]()
        try:
            while True:
                under_way += [
                    self.executor.submit(work, piece)
                    for piece in islice(coming, MOST_UNDER_WAY - len(under_way))
                ]
                if not under_way:
                    return
                yield _result(under_way.popleft())
        finally:
            for future in under_way:
                future.cancel()

    def each(self, work: Callable[[T], R], pieces: Sequence[T], bundle: int = BUNDLE) -> Iterator[R]:
        """Yield the results as `ordered` does; so many pieces go out at once, for each time costs a millisecond."""
        if self.executor is None:
            yield from map(work, pieces)
            return
        bundles = (pieces[begin : begin + bundle] for begin in range(0, len(pieces), bundle))
        for results in self.ordered(partial(_each, work), bundles):
            yield from results

    def map(self, work: Callable[[Any], Any], pieces: Iterable[Any]) -> Iterator[Any]:
        """Return the results in order, as `map` does."""
        return iter(self.do(work, list(pieces)))


def _result(future: Future[R]) -> R:
    try:
        return future.result()
    except BrokenProcessPool:
        raise PoolError("a process died at its work; with --jobs 1 its last words can be seen") from None
    except Exception as error:
        if type(error).__name__ not in LOST:
            raise
        raise PoolError(
            f"{ATTEMPTS} workers died at one piece of work, or the scheduler is gone ({error}); with --jobs 1 it is "
            "seen which one, and why"
        ) from None


LOST: Final = frozenset({"KilledWorker", "FutureCancelledError", "CancelledError", "CommClosedError"})
"""What Dask raises when it can't go on, by name: it may not be installed here."""


def _each(work: Callable[[T], R], pieces: Sequence[T]) -> list[R]:
    return [work(piece) for piece in pieces]


def _told(place: int, result: R, done: Callable[[int, R], None]) -> R:
    done(place, result)
    return result


@contextmanager
def open_pool(jobs: int = 1, scheduler: str = "") -> Iterator[Pool]:
    """Have so many processes, or the workers of a Dask scheduler (`tcp://host:8786`), until the block ends."""
    with ExitStack() as stack:
        if scheduler:
            yield Pool(_dask(scheduler, stack))
        elif jobs > 1:
            yield Pool(_processes(jobs, stack))
        else:
            yield Pool()


def _processes(jobs: int, stack: ExitStack) -> Executor:
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")  # read by the fresh processes, when they load numpy
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))
    stack.callback(pool.shutdown, wait=True, cancel_futures=True)
    return pool


def _dask(address: str, stack: ExitStack) -> Executor:
    try:
        dask: Any = import_module("distributed")  # typed here or not, depending on whether it is installed
    except ImportError:
        raise PoolError(f"--scheduler needs Dask: {install_hint('dask')}, here and on its workers") from None
    try:
        client = stack.enter_context(dask.Client(address, timeout=CONNECT_SECONDS))
    except (OSError, ValueError) as error:
        raise PoolError(
            f"{address}: no Dask scheduler answers there ({error}); start one with: dask scheduler"
        ) from None
    if not client.scheduler_info(n_workers=-1)["workers"]:
        raise PoolError(f"{address} has no workers; start some with: dask worker {address}")
    executor: Executor = client.get_executor(
        pure=False
    )  # the same tape twice may have been changed in between
    return executor
