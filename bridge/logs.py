"""Logs: one line an event on standard error, for people, for journald or as JSON; never a secret, sound or number.

What is logged is decided where it happens. This is how a line looks, and the fence behind which it is looked through
once more: other people's errors and a model's words can hold what our own lines never would.
"""

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from typing import Any, Final, TextIO

import structlog
from attrs import define, field, frozen
from structlog.stdlib import ProcessorFormatter

from bridge.config import Secrets, Settings
from bridge.errors import BridgeError
from bridge.text.visible import visible

Event = MutableMapping[str, Any]
Processor = Callable[[Any, str, Event], Any]

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
SYSLOG: Final = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
"""The priorities of sd-daemon(3), by our levels: journald takes `<3>` at a line's start for its own PRIORITY."""

NUMBER: Final = re.compile(
    r"\+\d[\d ().-]{6,}\d"  # +1 (415) 555-0123
    r"|(?<![\w.])\d{3}[ .-]\d{3}[ .-]\d{4}(?!\w)"  # 415-555-0123
    r"|(?<![\w.])\d{9,15}(?![\w.])"  # 14155550123; ids are longer, or have letters
)
SOUND: Final = re.compile(r"[A-Za-z0-9+/]{160,}={0,2}")
"""Base64 of 120 bytes or more: a frame of 20 ms is 216 characters, and no id or path of ours comes near."""

SHORTEST_SECRET: Final = 6
"""A shorter one would be found in innocent words."""


@frozen
class Fence:
    """Takes secrets, base64 and phone numbers out of a line's values, wherever they came from, and makes them visible:
    no value steers a terminal, or begins a line that looks like another event.
    """

    secrets: tuple[str, ...] = field(default=(), repr=False)

    def __call__(self, logger: Any, method: str, event: Event) -> Event:
        """Return the event as it may be shown; the call's id keeps its digits, so that a call can be found."""
        return {key: self._clean_field(key, value) for key, value in event.items()}

    def _clean_field(self, key: str, value: Any) -> Any:
        if key == "call_id":
            return visible(str(value))
        if key == "exception" and isinstance(
            value, str
        ):  # of many lines, none of which begins where events do
            return "\n    ".join(self._clean_text(line) for line in value.split("\n"))
        return self.clean(value)

    def clean(self, value: Any) -> Any:
        """Return a value without what must not be shown; numbers and flags as they are."""
        if isinstance(value, str):
            return self._clean_text(value)
        if isinstance(value, dict):
            return {visible(str(key)): self.clean(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean(inner) for inner in value]
        return value if value is None or isinstance(value, int | float) else self._clean_text(str(value))

    def _clean_text(self, text: str) -> str:
        for secret in self.secrets:
            if len(secret) >= SHORTEST_SECRET:
                text = text.replace(secret, "(secret)")
        text = SOUND.sub(lambda found: f"(base64, {len(found[0])} characters)", text)
        return visible(NUMBER.sub(lambda found: _masked(found[0]), text))


def _masked(number: str) -> str:
    """Return a number with its last two digits only."""
    return re.sub(r"\d(?=(?:\D*\d){2})", "x", number)


@frozen(eq=False)
class Unfailing:
    """A stream that loses what can't be written: a full disk or a closed pipe is no reason to end a call."""

    stream: TextIO

    def write(self, text: str) -> None:
        """Write it, if that can be."""
        with suppress(OSError, ValueError):
            self.stream.write(text)

    def flush(self) -> None:
        """Let what is written leave, if it can."""
        with suppress(OSError, ValueError):
            self.stream.flush()


@frozen
class Prioritized:
    """A renderer whose lines begin with their syslog priority."""

    render: Processor

    def __call__(self, logger: Any, method: str, event: Event) -> str:
        """Return the line."""
        return f"<{SYSLOG.get(event.get('level', 'info'), 6)}>{self.render(logger, method, event)}"


@define
class _Format:
    """What a line goes through, whether structlog or somebody's standard logger made it."""

    first: list[Processor]
    last: list[Processor]


def set_up_logging(
    *,
    as_json: bool = False,
    level: int = logging.INFO,
    journal: str = "",
    secrets: tuple[str, ...] = (),
    stream: TextIO | None = None,
) -> None:
    """Log to standard error: for people on a terminal, else key=value or JSON lines.

    `journal` is JOURNAL_STREAM: when it names our standard error, journald keeps the time and gets the priority.
    """
    out = sys.stderr if stream is None else stream
    form = _format(as_json=as_json, in_journal=_is_journal(out, journal), fence=Fence(secrets), out=out)
    structlog.configure(
        processors=[*form.first, *form.last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=Unfailing(out)),  # type: ignore[arg-type]  # all of a file it uses
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=form.first, processors=[ProcessorFormatter.remove_processors_meta, *form.last]
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)


def _format(*, as_json: bool, in_journal: bool, fence: Fence, out: TextIO) -> _Format:
    first: list[Processor] = [structlog.contextvars.merge_contextvars, structlog.processors.add_log_level]
    if not in_journal:
        first.append(structlog.processors.TimeStamper(fmt="iso", utc=True))
    render = _renderer(as_json=as_json, is_terminal=out.isatty())
    last: list[Processor] = [
        structlog.processors.format_exc_info,
        fence,
        Prioritized(render) if in_journal else render,
    ]
    return _Format(first, last)


def _renderer(*, as_json: bool, is_terminal: bool) -> Processor:
    if as_json:
        return structlog.processors.JSONRenderer()
    if is_terminal:  # its own way with errors would print every variable of every frame, keys among them
        return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    return structlog.processors.LogfmtRenderer(key_order=["level", "event", "call_id"], drop_missing=True)


def _is_journal(out: TextIO, journal: str) -> bool:
    """Say whether a stream is the one that systemd connected to its journal, by "device:inode"."""
    try:
        status = os.fstat(out.fileno())
    except (OSError, ValueError):  # a stream without a file, as in tests
        return False
    return journal == f"{status.st_dev}:{status.st_ino}"


def log_as(settings: Settings, secrets: Secrets, environment: Mapping[str, str]) -> None:
    """Log from now on as the configuration says; the secrets are kept out of it."""
    set_up_logging(
        as_json=settings.logging.format == "json",
        level=LEVELS[settings.logging.level],
        journal=environment.get("JOURNAL_STREAM", ""),
        secrets=secrets.all,
    )


@contextmanager
def crash_logged() -> Iterator[None]:
    """Log what ends the process against its will, in the form of all other lines, and leave with exit code 1."""
    try:
        yield
    except (BridgeError, OSError):
        raise  # explained to a person, in a sentence
    except Exception:
        structlog.get_logger(__name__).critical("the daemon crashed", exc_info=True)
        raise SystemExit(1) from None
