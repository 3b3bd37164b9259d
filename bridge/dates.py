"""A moment where the agent is: its time zone; date, time and weekday in words of its language. It reads no clock."""

from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bridge.checks import Wrong

_ENGLISH: Final = (
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "January February March April May June July August September October November December",
    "{day} {month} {year}",
)
WORDS: Final = {
    "en": _ENGLISH,
    "de": (
        "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "{day}. {month} {year}",
    ),
    "fr": (
        "lundi mardi mercredi jeudi vendredi samedi dimanche",
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "{day} {month} {year}",
    ),
    "es": (
        "lunes martes miércoles jueves viernes sábado domingo",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "{day} de {month} de {year}",
    ),
    "it": (
        "lunedì martedì mercoledì giovedì venerdì sabato domenica",
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "{day} {month} {year}",
    ),
    "pt": (
        "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo",
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "{day} de {month} de {year}",
    ),
    "nl": (
        "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
        "januari februari maart april mei juni juli augustus september oktober november december",
        "{day} {month} {year}",
    ),
}
"""Weekdays, months and the form of a date, by language: in others the weekday is English and the date ISO 8601's."""


def time_zone(value: Any) -> str:
    """Accept the name of a time zone that this machine knows, or nothing: then it is UTC."""
    if not isinstance(value, str):
        raise Wrong('the name of a time zone, for example "Europe/Berlin"')
    try:
        zone_of(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Wrong(
            'the name of a time zone, for example "Europe/Berlin" (if this is one, the machine knows no time zones: '
            "install its package tzdata)"
        ) from None
    return value


def zone_of(name: str) -> tzinfo:
    """Return a time zone by its name; no name is UTC: the same on every machine, whatever its own is."""
    return ZoneInfo(name) if name else UTC


def in_zone(now: datetime, name: str) -> datetime:
    """Return a moment by the clocks of a time zone; one whose data is gone since the file was checked is UTC."""
    try:
        return now.astimezone(zone_of(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return now.astimezone(UTC)


def in_words(local: datetime, language: str) -> dict[str, str]:
    """Return the date, the time and the weekday of a moment as a model should say them in this language."""
    code = language[:2].lower()
    weekdays, months, form = WORDS.get(code, _ENGLISH)
    month = months.split()[local.month - 1]
    is_known = code in WORDS or not code
    date = form.format(day=local.day, month=month, year=local.year) if is_known else local.date().isoformat()
    return {"date": date, "time": f"{local:%H:%M}", "weekday": weekdays.split()[local.weekday()]}
