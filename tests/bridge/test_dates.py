"""A moment where the agent is, in words of its language."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.config import parse
from bridge.dates import WORDS, in_words, in_zone
from bridge.errors import ConfigError

EVENING = datetime(2026, 11, 27, 23, 30, tzinfo=UTC)


def told(language: str, zone: str = "", at: datetime = EVENING) -> tuple[str, str, str]:
    words = in_words(in_zone(at, zone), language)
    return words["weekday"], words["date"], words["time"]


@pytest.mark.parametrize(
    ("language", "weekday", "date"),
    [
        ("en", "Friday", "27 November 2026"),
        ("en-US", "Friday", "27 November 2026"),
        ("", "Friday", "27 November 2026"),
        ("de", "Freitag", "27. November 2026"),
        ("fr", "vendredi", "27 novembre 2026"),
        ("es", "viernes", "27 de noviembre de 2026"),
        ("it", "venerdì", "27 novembre 2026"),
        ("pt-BR", "sexta-feira", "27 de novembro de 2026"),
        ("nl", "vrijdag", "27 november 2026"),
        ("fi", "Friday", "2026-11-27"),
    ],
)
def test_date_and_weekday_are_in_the_language_where_its_words_are_known(
    language: str, weekday: str, date: str
) -> None:
    assert told(language) == (weekday, date, "23:30")


def test_every_language_has_its_days_and_months() -> None:
    for weekdays, months, _ in WORDS.values():
        assert (len(set(weekdays.split())), len(set(months.split()))) == (7, 12)


def test_the_day_is_that_of_the_agents_place() -> None:
    assert told("de", "Europe/Berlin") == ("Samstag", "28. November 2026", "00:30")
    assert told("en", "America/New_York") == ("Friday", "27 November 2026", "18:30")


def test_summer_time_is_kept() -> None:
    assert told("en", "Europe/Berlin", datetime(2026, 3, 29, 0, 59, tzinfo=UTC))[2] == "01:59"
    assert told("en", "Europe/Berlin", datetime(2026, 3, 29, 1, 0, tzinfo=UTC))[2] == "03:00"


@pytest.mark.parametrize(
    "zone", ["Europe/Berlim", "../etc/passwd", "/etc/localtime", "Berlin", 1, "Europe/\x00"]
)
def test_what_is_no_time_zone_is_a_fault_that_says_how_one_looks(zone: object) -> None:
    with pytest.raises(ConfigError) as caught:
        parse({"agents": {"a": {"time_zone": zone}}}, Path("c.toml"))
    (fault,) = caught.value.faults
    assert "[agents.a] time_zone" in fault
    assert '"Europe/Berlin"' in fault or "control characters" in fault
