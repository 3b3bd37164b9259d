"""Going through tapes: whatever is odd about one is a `TapeError` with its name, and costs that tape alone."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from bridge.errors import BridgeError, TapeError
from bridge.objects.names import name_of

T = TypeVar("T")

UNREADABLE: Final = 2
"""Exit code of every command that went through tapes of which some can't be read, whatever the others came to."""

ODD: Final = (AttributeError, LookupError, MemoryError, OverflowError, RecursionError, TypeError, ValueError)
"""What content leads to that nobody thought of; its lines were checked when the tape was read."""


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Let whatever is odd about a tape leave this block as a `TapeError` that names its file."""
    try:
        yield
    except TapeError as error:
        raise TapeError(named(error, path)) from None
    except ODD as error:
        raise TapeError(
            f"{name_of(path)}: something on it is more than this version can take ({error!r:.200})"
        ) from error


def named(error: BridgeError, path: Path) -> str:
    """Return an error's message with the tape it is about."""
    message, name = str(error), name_of(path)
    return message if message.startswith(f"{name}:") else f"{name}: {message}"


def tried(work: Callable[[Path], T], path: Path) -> T | TapeError:
    """Return what comes of some work on a tape, or what is odd about that tape."""
    try:
        with about(path):
            return work(path)
    except TapeError as error:
        return error


def gone_through(paths: Iterable[Path], work: Callable[[Path], T], faults: list[TapeError]) -> Iterator[T]:
    """Yield what comes of each tape, in order; `faults` is given what is odd about the others."""
    for path in paths:
        done = tried(work, path)
        if isinstance(done, TapeError):
            faults.append(done)
        else:
            yield done
