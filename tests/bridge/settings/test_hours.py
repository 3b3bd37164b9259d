"""Opening hours: how they are written, what is wrong with some, and when it is open by them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents import Agent
from bridge.config import parse
from bridge.dates import in_zone
from bridge.errors import ConfigError
from bridge.settings.hours import DAYS, Hours, spans_of

WEEK = Hours(open=("mon-fri 09:00-18:00", "sat 10:00-14:00"), closed_days=("2026-12-25",))
BAR = Hours(open=("thu-sat 20:00-02:00",), closed_days=("2026-12-25",))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


# ---------------------------------------------------------------- when it is open


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-27T08:59", False),  # a Friday
        ("2026-11-27T09:00", True),
        ("2026-11-27T17:59", True),
        ("2026-11-27T18:00", False),
        ("2026-11-28T13:59", True),
        ("2026-11-29T12:00", False),
        ("2026-12-25T12:00", False),  # a Friday that is closed
        ("2026-12-24T12:00", True),
    ],
)
def test_it_is_open_from_the_first_minute_to_before_the_last(moment: str, is_open: bool) -> None:
    assert WEEK.is_open(at(moment)) == is_open


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-27T01:59", True),  # Thursday's night
        ("2026-11-27T02:00", False),
        ("2026-11-27T20:00", True),
        ("2026-11-29T01:00", True),  # Saturday's night, on a Sunday
        ("2026-11-29T20:00", False),
        ("2026-12-25T01:00", True),  # it began the day before
        ("2026-12-25T21:00", False),
        ("2026-12-26T01:00", False),  # it would have begun on the closed day
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(moment: str, is_open: bool) -> None:
    assert BAR.is_open(at(moment)) == is_open


def test_without_spans_it_is_open_around_the_clock_but_for_closed_days() -> None:
    always = Hours(closed_days=("2026-12-25",))
    assert (always.is_open(at("2026-12-24T23:59")), always.is_open(at("2026-12-25T00:00"))) == (True, False)
    assert Hours().is_open(at("2026-12-25T00:00"))


def test_a_week_goes_round() -> None:
    assert [span.weekday for span in spans_of("sat-mon 10:00-12:00")] == [5, 6, 0]
    assert [span.weekday for span in spans_of("mon,wed,fri-sat 10:00-12:00")] == [0, 2, 4, 5]
    assert Hours(open=("sun 22:00-03:00",)).is_open(at("2026-11-30T02:59"))  # a Monday


@pytest.mark.parametrize(
    ("utc", "is_open"),
    [
        ("2026-03-28T08:30", False),  # 09:30 in Berlin, in winter: open at 10
        ("2026-03-28T09:00", True),
        ("2026-03-29T07:59", False),  # 09:59, in summer
        ("2026-03-29T08:00", True),
        ("2026-10-25T08:30", False),  # 09:30, in winter again
        ("2026-10-25T09:00", True),
    ],
)
def test_the_clocks_of_the_place_are_kept_when_they_change(utc: str, is_open: bool) -> None:
    hours = Hours(open=("sat-sun 10:00-14:00",))
    assert hours.is_open(in_zone(at(utc).replace(tzinfo=UTC), "Europe/Berlin")) == is_open


def test_an_hour_that_comes_twice_is_open_twice_and_one_that_never_comes_is_not_missed() -> None:
    hours = Hours(open=("sun 02:00-03:00",))
    autumn = [
        in_zone(at(f"2026-10-25T0{hour}:30").replace(tzinfo=UTC), "Europe/Berlin") for hour in (0, 1, 2)
    ]
    assert [hours.is_open(one) for one in autumn] == [True, True, False]
    spring = [in_zone(at(f"2026-03-29T0{hour}:30").replace(tzinfo=UTC), "Europe/Berlin") for hour in (0, 1)]
    assert [hours.is_open(one) for one in spring] == [False, False]


# ---------------------------------------------------------------- when that changes


@pytest.mark.parametrize(
    ("moment", "change"),
    [
        ("2026-11-27T12:00", "2026-11-27T18:00"),
        ("2026-11-27T18:00", "2026-11-28T10:00"),
        ("2026-11-28T15:00", "2026-11-30T09:00"),
        ("2026-12-24T18:00", "2026-12-26T10:00"),
    ],
)
def test_the_next_change_is_known(moment: str, change: str) -> None:
    assert WEEK.next_change(at(moment)) == at(change)


def test_spans_that_touch_are_one() -> None:
    assert (
        Hours(open=("mon-sun 00:00-12:00", "mon-sun 12:00-24:00")).next_change(at("2026-11-27T08:00")) is None
    )
    assert Hours().next_change(at("2026-11-27T08:00")) is None


minutes = st.integers(0, 24 * 60)
entries = st.builds(
    lambda first, last, begin, end: f"{first}-{last} {begin // 60:02d}:{begin % 60:02d}-{end // 60:02d}:{end % 60:02d}",
    st.sampled_from(DAYS), st.sampled_from(DAYS), st.integers(0, 24 * 60 - 1), minutes,
).filter(lambda entry: entry[8:13] != entry[14:])  # fmt: skip


@given(entries, st.integers(0, 7 * 24 * 60))
def test_it_stays_as_it_is_until_the_next_change_and_not_longer(entry: str, minute: int) -> None:
    hours, now = Hours(open=(entry,)), at("2026-11-23T00:00") + timedelta(minutes=minute)
    change = hours.next_change(now)
    if change is None:
        assert all(
            hours.is_open(now + timedelta(minutes=30 * n)) == hours.is_open(now) for n in range(7 * 48)
        )
    else:
        assert hours.is_open(change - timedelta(minutes=1)) == hours.is_open(now) != hours.is_open(change)


# ---------------------------------------------------------------- how they are written


def faults_of(**hours: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse({"agents": {"a": {"hours": hours}, "night": {}}}, Path("c.toml"))
    return caught.value.faults


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (["mon-fry 09:00-18:00"], 'names no day by "mon-fry"; did you mean fri?'),
        (["mon-wed-fri 09:00-18:00"], 'names no day by "mon-wed-fri"'),
        (["Mon 09:00-18:00"], '"Mon 09:00-18:00" is none'),
        (["mon 9-18"], '"mon 9-18" is none'),
        (["mon 09:00"], '"mon 09:00" is none'),
        (["mon 09:60-10:00"], '"mon 09:60-10:00" is none'),
        (["mon 24:00-25:00"], "24:00 is the end of one"),
        (["mon 24:00-02:00"], "24:00 is the end of one"),
        (["mon 09:00-09:00"], "around the clock is 00:00-24:00"),
        (
            ["mon-fri 09:00-18:00", "wed 17:00-20:00"],
            '"wed 17:00-20:00" overlaps "mon-fri 09:00-18:00" on wed',
        ),
        (["fri 22:00-11:00", "sat 10:00-14:00"], '"sat 10:00-14:00" overlaps "fri 22:00-11:00" on sat'),
        (["sun 22:00-02:00", "mon 01:00-03:00"], '"mon 01:00-03:00" overlaps "sun 22:00-02:00" on mon'),
        (["mon 01:00-03:00", "sun 22:00-02:00"], '"sun 22:00-02:00" overlaps "mon 01:00-03:00" on sun'),
        (["mon,mon 01:00-03:00"], "overlaps"),
        ("mon 09:00-18:00", "days and times such as"),
        ([9], "days and times such as"),
    ],
)
def test_what_is_no_time_is_a_fault_that_says_what_is_wrong(entries: Any, said: str) -> None:
    (fault,) = faults_of(open=entries)
    assert fault.startswith("c.toml: [agents.a.hours] open = ")
    assert said in fault


@pytest.mark.parametrize(
    "entry", ["mon 00:00-24:00", "mon 22:00-00:00", "mon 22:00-06:00", "mon-sun 00:00-24:00"]
)
def test_a_whole_day_and_a_night_are_times(entry: str) -> None:
    read = parse({"agents": {"a": {"hours": {"open": [entry]}}}}, Path("c.toml"))
    assert read.agents["a"].hours.open == (entry,)


@pytest.mark.parametrize("days", [["2026-02-30"], ["25.12.2026"], ["2026-1-1"], [1], ["20261225"]])
def test_a_closed_day_is_a_date_and_the_one_that_is_none_is_named(days: list[Any]) -> None:
    (fault,) = faults_of(closed_days=["2026-12-24", *days])
    assert fault.endswith(f'use a list of dates such as ["2026-12-25"]: {str(days[0])!r} is none')


def test_closed_days_are_a_list() -> None:
    (fault,) = faults_of(closed_days="2026-12-25")
    assert 'use a list of dates such as ["2026-12-25"], 400 at most' in fault


def test_a_date_of_toml_is_one_too(tmp_path: Path) -> None:
    from bridge.config import load

    file = tmp_path / "config.toml"
    file.write_text("[agents.a.hours]\nclosed_days = [2026-12-25]\n")
    assert load(file).agents["a"].hours == Hours(closed_days=("2026-12-25",))


def test_who_answers_outside_is_another_agent_of_the_file() -> None:
    assert faults_of(open=["mon 09:00-17:00"], agent="nigth")[0].endswith(
        'agent = "nigth": no such agent; did you mean night?'
    )
    assert "use another one" in faults_of(open=["mon 09:00-17:00"], agent="a")[0]
    by_day, by_night = ({"open": ["mon 09:00-17:00"], "agent": other} for other in ("b", "a"))
    assert parse({"agents": {"a": {"hours": by_day}, "b": {"hours": by_night}}}, Path("c.toml"))


@pytest.mark.parametrize("table", [{}, {"agent": "night"}])
def test_a_table_of_hours_that_never_closes_is_a_fault(table: dict[str, str]) -> None:
    (fault,) = faults_of(**table)
    assert fault.startswith("c.toml: [agents.a.hours]: never closed; add open = [")


def test_an_agent_without_hours_is_always_open() -> None:
    assert Agent().hours == Hours()
