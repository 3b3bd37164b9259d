"""How the commands end when something is wrong: a sentence, what to try, and an exit code. It prints nothing else, so
that whoever never prints a table loads nothing for it.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn, ParamSpec, TypeVar

import click

from bridge.errors import BridgeError, ConfigError, TapeError, first_of
from bridge.machine import leave_hung_threads
from bridge.tapes.odd_tapes import UNREADABLE
from bridge.text.validity import is_harmless
from bridge.text.visible import visible

P = ParamSpec("P")
R = TypeVar("R")

WRONG = 2
"""Exit code when a command could not do its work; 1 is kept for work done with a bad result."""


def say(line: str, *, err: bool = False) -> None:
    """Print a line in which others may have written something."""
    click.echo(visible(line), err=err)


def complain(message: str, *, hint: str = "") -> NoReturn:
    """Print an error, what to try, and leave with exit code 2."""
    say(f"Error: {message}", err=True)
    if hint:
        say(f"Try:   {hint}", err=True)
    raise SystemExit(WRONG)


def leave_faults(faults: Sequence[TapeError]) -> None:
    """Name the tapes that can't be read, and leave with exit code 2 if there are any."""
    for fault in faults:
        say(f"Error: {fault}", err=True)
    if faults:
        raise SystemExit(UNREADABLE)


def explains_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn the project's own errors into a message and exit code 2."""

    @wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        _show_any_name()
        try:
            _refuse_unreadable(kwargs.values())
            return command(*args, **kwargs)
        except ConfigError as error:
            for fault in error.faults:
                say(f"Error: {fault}", err=True)
            raise SystemExit(WRONG) from None
        except BridgeError as error:
            complain(str(error))
        except BrokenPipeError:
            raise  # the reader has seen enough
        except OSError as error:
            complain(f"{error.filename or 'the system'}: {error.strerror or error}")

    return wrapper


def _show_any_name() -> None:
    """Let any text be printed: a file's name may be bytes that are none, and a terminal may know few letters."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _refuse_unreadable(given: Iterable[Any]) -> None:
    for value in given:
        if isinstance(value, tuple):
            _refuse_unreadable(value)
        elif isinstance(value, str | Path) and not is_harmless(str(value)):
            raise BridgeError(f"{value}: use a name in UTF-8 without control characters")


@contextmanager
def quiet_interrupt() -> Iterator[None]:
    """Leave without a traceback on Ctrl-C, and turn groups out of nurseries into their first plain error."""
    problem: BaseException | None = None
    try:
        yield
    except KeyboardInterrupt as error:
        problem = error.with_traceback(None)
    except BaseExceptionGroup as group:
        problem = first_of(group)
        if not isinstance(problem, KeyboardInterrupt | BridgeError | OSError):
            raise
        problem = problem.with_traceback(None)
    if isinstance(problem, KeyboardInterrupt):
        leave_hung_threads(130)
        raise SystemExit(130)
    if problem is not None:
        raise problem
