"""Which calls somebody wants to see, in what order: read from the address of a page, and written into one. Pure."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final
from urllib.parse import urlencode

from attrs import asdict, evolve, field, fields, frozen

from bridge.console.words import words_of

ENDERS: Final = ("caller", "model", "tool", "limit", "operator", "bridge")
MARKS: Final = ("good", "bad", "any", "none")
SORTS: Final = {
    "newest": "newest first",
    "slowest": "longest wait first",
    "interrupted": "most interrupted first",
    "longest": "longest first",
    "dearest": "dearest first",
}
MOST_CHARACTERS: Final = 200


def _text(value: str) -> str:
    return value.strip()[:MOST_CHARACTERS]


def _words(value: str) -> str:
    if value.strip() and not words_of(value):
        raise ValueError("a word")
    return _text(value)


def _one_of(*words: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value and value not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return value

    return read


def _day(value: str) -> str:
    if value:
        try:
            date.fromisoformat(value)
        except ValueError:
            raise ValueError("a day, such as 2026-11-28") from None
    return value


def _number(value: str) -> float | None:
    if not value.strip():
        return None
    try:
        found = float(value)
    except ValueError:
        raise ValueError("a number") from None
    if not 0 <= found <= 1e9:
        raise ValueError("a number from 0 on")
    return found


def _flag(value: str) -> bool:
    return value in ("1", "on", "true", "yes")


def _filter(default: Any, read: Callable[[str], Any], label: str) -> Any:
    return field(default=default, metadata={"read": read, "label": label})


@frozen
class Filters:
    """What a list of calls shows; every field is a parameter of the page's address."""

    words: str = _filter("", _words, "said")
    agent: str = _filter("", _text, "agent")
    number: str = _filter("", _text, "number")
    ended_by: str = _filter("", _one_of(*ENDERS), "ended by")
    tool: str = _filter("", _text, "tool")
    since: str = _filter("", _day, "since")
    until: str = _filter("", _day, "until")
    waited: float | None = _filter(None, _number, "waited more than (s)")
    longer: float | None = _filter(None, _number, "longer than (s)")
    dearer: float | None = _filter(None, _number, "cost more than ($)")
    interrupted: bool = _filter(False, _flag, "interrupted")
    failed: bool = _filter(False, _flag, "something failed")
    marked: str = _filter("", _one_of(*MARKS), "marked")
    label: str = _filter("", _text, "label")
    sort: str = _filter("newest", _one_of(*SORTS), "order")
    after: str = _filter("", _text, "from")
    """Where the page before ended: the value it is sorted by, and a call's id."""

    @property
    def is_narrow(self) -> bool:
        """Say whether anything is left out."""
        return evolve(self, sort="newest", after="") != Filters()

    def address(self, path: str = "", **changed: Any) -> str:
        """Return the address of a page that shows these, with some of them changed."""
        said = asdict(evolve(self, **changed) if changed else self)
        plain = asdict(Filters())
        used = {name: _written(value) for name, value in said.items() if value != plain[name]}
        return f"{path}?{urlencode(used)}" if used else path or "?"

    @property
    def shown(self) -> list[tuple[str, str, str]]:
        """Return what is narrowed by: a name, its value, and the address of a page without it."""
        plain = Filters()
        found = []
        for one in fields(Filters):
            value, name = getattr(self, one.name), one.name
            if value != getattr(plain, name) and name not in ("sort", "after"):
                said = "" if value is True else _written(value)
                without = self.address("/console/calls", **{name: getattr(plain, name), "after": ""})
                found.append((one.metadata["label"], said, without))
        return found


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def read_filters(given: Mapping[str, str]) -> tuple[Filters, list[str]]:
    """Return what the parameters of an address ask for, and a sentence for each that can't be understood."""
    values, faults = {}, []
    for one in fields(Filters):
        try:
            values[one.name] = one.metadata["read"](given.get(one.name, ""))
        except ValueError as wrong:
            faults.append(f"{one.metadata['label']}: use {wrong}")
    values["sort"] = values.get("sort") or "newest"
    return Filters(**values), faults
