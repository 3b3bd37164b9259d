"""Who does the work: this process, its cores, or the workers of a Dask scheduler on other machines.

All three look alike, as an executor's `submit`; what is given to them are plain functions, bytes and arrays.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from importlib import import_module
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
                done(futures[future], future.result())
            return [future.result() for future in futures]
        except BrokenProcessPool:
            raise PoolError("a process died at its work; with --jobs 1 its last words can be seen") from None
        finally:
            for future in futures:
                future.cancel()

    def map(self, work: Callable[[Any], Any], pieces: Iterable[Any]) -> Iterator[Any]:
        """Return the results in order, as `map` does."""
        return iter(self.do(work, list(pieces)))


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
    executor: Executor = client.get_executor()
    return executor
