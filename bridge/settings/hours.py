"""Opening hours: when an agent answers, by the clocks of its place. Pure: the moment is told.

A span belongs to the day on which it begins: "fri 22:00-02:00" is Friday's, and a closed Saturday does not end it.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from attrs import frozen

from bridge.checks import Wrong, nearest, setting, text

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SPAN: Final = re.compile(r"([a-z,-]+) ([0-9]{2}):([0-5][0-9])-([0-9]{2}):([0-5][0-9])")
DAY_MINUTES: Final = 24 * 60
WEEK_MINUTES: Final = 7 * DAY_MINUTES
MOST_SPANS: Final = 50
MOST_CLOSED_DAYS: Final = 400
SPANS: Final = '["mon-fri 09:00-18:00", "sat 10:00-14:00"]'
EXAMPLE: Final = f"days and times such as {SPANS}"


@frozen
class Span:
    """One time of one weekday at which it is open, in minutes of that day; past 24 hours it is the next morning."""

    weekday: int
    begin: int
    end: int


def _spans(value: Any) -> tuple[str, ...]:
    """Accept a list of days with times, none of which overlap."""
    if (
        not isinstance(value, list | tuple)
        or len(value) > MOST_SPANS
        or not all(isinstance(x, str) for x in value)
    ):
        raise Wrong(f"{EXAMPLE}, {MOST_SPANS} at most")
    found = [(span, entry) for entry in value for span in spans_of(entry)]
    for place, (span, entry) in enumerate(found):
        other = next((before for one, before in found[:place] if _overlap(span, one)), None)
        if other is not None:
            raise Wrong(f'{EXAMPLE}: "{entry}" overlaps "{other}" on {DAYS[span.weekday]}')
    return tuple(value)


def spans_of(entry: str) -> list[Span]:
    """Return the times that an entry means, one for each of its days. Raises `Wrong`."""
    found = SPAN.fullmatch(entry)
    if found is None:
        raise Wrong(f'{EXAMPLE}: "{entry[:40]}" is none')
    begin, end = (int(found[at]) * 60 + int(found[at + 1]) for at in (2, 4))
    if begin >= DAY_MINUTES or end > DAY_MINUTES:
        raise Wrong(f'{EXAMPLE}: "{entry}" has a time that no day has; 24:00 is the end of one')
    if begin == end:
        raise Wrong(f'{EXAMPLE}: "{entry}" is no time at all; around the clock is 00:00-24:00')
    end += DAY_MINUTES if end < begin else 0
    return [Span(weekday, begin, end) for part in found[1].split(",") for weekday in _weekdays(part, entry)]


def _weekdays(part: str, entry: str) -> list[int]:
    """Return the days of "mon" or of "fri-mon"."""
    names = part.split("-")
    for name in names:
        if name not in DAYS or len(names) > 2:
            raise Wrong(f'{EXAMPLE}: "{entry}" names no day by "{part}"; {nearest(name, DAYS)}')
    first, last = DAYS.index(names[0]), DAYS.index(names[-1])
    return [(first + days) % 7 for days in range((last - first) % 7 + 1)]


def _overlap(one: Span, other: Span) -> bool:
    """Say whether two spans have a moment in common, in a week that begins anew on Monday."""
    first, second = (span.weekday * DAY_MINUTES + span.begin for span in (one, other))
    between = (second - first) % WEEK_MINUTES
    return between < one.end - one.begin or WEEK_MINUTES - between < other.end - other.begin


def _closed_days(value: Any) -> tuple[str, ...]:
    """Accept a list of dates, written as texts or as TOML's own."""
    usable = isinstance(value, list | tuple) and len(value) <= MOST_CLOSED_DAYS
    days = [day.isoformat() if type(day) is date else day for day in value] if usable else []
    wrong = [day for day in days if not (isinstance(day, str) and _is_date(day))]
    if not usable or wrong:
        what = f": {str(wrong[0])[:40]!r} is none" if wrong else f", {MOST_CLOSED_DAYS} at most"
        raise Wrong(f'a list of dates such as ["2026-12-25"]{what}')
    return tuple(days)


def _is_date(day: str) -> bool:
    try:
        return date.fromisoformat(day).isoformat() == day
    except ValueError:
        return False


@frozen
class Hours:
    """When an agent answers, and who does outside of that. Without spans it is open around the clock."""

    open: tuple[str, ...] = setting((), _spans)
    closed_days: tuple[str, ...] = setting((), _closed_days)
    agent: str = setting("", text("the name of the agent who answers outside", empty=True))

    def is_open(self, local: datetime) -> bool:
        """Say whether it is open at a moment by the clocks of the agent's place."""
        minute = local.hour * 60 + local.minute
        return any(
            begin <= minute + days * DAY_MINUTES < end
            for days in (0, 1)
            for begin, end in self._on(local.date() - timedelta(days=days))
        )

    def _on(self, day: date) -> Iterator[tuple[int, int]]:
        """Yield the beginning and end of each span of this day, in minutes of it."""
        if day.isoformat() in self.closed_days:
            return
        if not self.open:
            yield 0, DAY_MINUTES
        for span in self._parsed:
            if span.weekday == day.weekday():
                yield span.begin, span.end

    @property
    def _parsed(self) -> Sequence[Span]:
        return [span for entry in self.open for span in spans_of(entry)]

    def next_change(self, local: datetime) -> datetime | None:
        """Return when it opens next, or closes if it is open; None if neither happens in a year."""
        now, is_open = local.replace(tzinfo=None), self.is_open(local)
        for days in range(-1, 367):
            day = local.date() + timedelta(days=days)
            midnight = datetime.combine(day, time())
            minutes = sorted(minute for span in self._on(day) for minute in span)
            for at in (midnight + timedelta(minutes=minute) for minute in minutes):
                if at > now and self.is_open(at) != is_open:
                    return at
        return None
