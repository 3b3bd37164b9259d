"""What every test starts from: how many processes share the run, time that waits for work, and logging as it comes."""

import inspect
import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import nullcontext
from functools import partial
from math import inf
from typing import Any

import pytest
import structlog
import trio
from hypothesis import HealthCheck, settings
from ready_indexers import ready_indexers
from trio.testing import MockClock

from bench import patient_clock

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `replay` has it; before numpy is there

Test = Callable[[], Awaitable[None]]
Run = Callable[..., Any]

settings.register_profile(
    "here",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],  # by the clock on the wall, and so is a deadline
)
settings.load_profile("here")


@pytest.hookimpl(optionalhook=True)  # -p no:xdist
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many processes share the run: one more than there are cores, for many tests wait for a process.

    A file or a test that is named runs in this process: it begins at once, and a debugger can look into it.
    """
    if any("::" in name or name.endswith(".py") for name in config.args):
        return 0
    return (os.cpu_count() or 1) + 1


HANG_SECONDS = {trio.run: 600, patient_clock.run: 3600}
"""After that a test hangs, real seconds and patient ones. No test is to say so of its own: what takes ten seconds takes
sixty on a machine that has something else to do.
"""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Run an async test on a patient clock, unless it is marked `real_time` with the reason why it can't.

    One with a clock among its fixtures runs on that.
    """
    if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
        run = patient_clock.run if item.get_closest_marker("real_time") is None else trio.run
        item.add_marker(pytest.mark.trio(run=partial(bounded, run)), append=False)


def bounded(run: Run, test: Test, *, clock: trio.abc.Clock | None, **options: Any) -> None:
    """Run a test, which fails when it hangs."""

    async def in_time() -> None:
        with trio.fail_after(inf if isinstance(clock, MockClock) else HANG_SECONDS[run]):
            await test()

    with nullcontext() if run is trio.run else ready_indexers():
        run(in_time, clock=clock, **options)


@pytest.fixture(autouse=True)
def logging_as_it_comes() -> Iterator[None]:
    """Log as structlog does unless told otherwise, but for tracebacks: drawn with all values they take seconds."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
