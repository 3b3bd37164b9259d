"""What every test starts from: how many processes share the run, and logging as it comes."""

import logging
import os
from collections.abc import Iterator

import pytest
import structlog

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `replay` has it; before numpy is there


@pytest.hookimpl(optionalhook=True)  # -p no:xdist
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many processes share the run: one more than there are cores, for many tests wait for a process.

    A file or a test that is named runs in this process: it begins at once, and a debugger can look into it.
    """
    if any("::" in name or name.endswith(".py") for name in config.args):
        return 0
    return (os.cpu_count() or 1) + 1


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
