"""Who answers at which hour."""

from datetime import UTC, datetime

from attrs import evolve

from bridge.agents import Agent
from bridge.calls.opening import answering, hours_in_words
from bridge.settings.hours import Hours
from bridge.settings.places import FailurePlan

DAY = Agent(name="day", time_zone="Europe/Berlin", hours=Hours(open=("mon-fri 09:00-18:00",), agent="night"))
NIGHT = Agent(name="night", hours=Hours(closed_days=("2026-12-24",), agent="day"))
AGENTS = {"day": DAY, "night": NIGHT}


def who(moment: str, agent: Agent = DAY) -> tuple[str, str]:
    found, why = answering(AGENTS, agent, datetime.fromisoformat(moment).replace(tzinfo=UTC))
    return found.name if found else "", why


def test_an_agent_that_is_open_answers_its_own_calls() -> None:
    assert who("2026-11-27T08:00") == ("day", "")


def test_outside_its_hours_another_one_answers_and_it_is_told_why() -> None:
    assert who("2026-11-27T07:59") == ("night", "day is closed on Fri 08:59 Europe/Berlin")


def test_two_that_stand_in_for_each_other_may_both_be_closed() -> None:
    assert who("2026-12-24T20:00") == (
        "",
        "day is closed on Thu 21:00 Europe/Berlin, night is closed on Thu 20:00 UTC",
    )


def test_nobody_answers_for_an_agent_without_another() -> None:
    lonely = evolve(DAY, hours=evolve(DAY.hours, agent=""))
    assert who("2026-11-28T12:00", lonely)[0] == ""


def test_what_the_operator_reads_says_until_when_and_who_answers() -> None:
    now = datetime(2026, 11, 27, 20, 0, tzinfo=UTC)
    assert hours_in_words(AGENTS, "day", now) == (
        "closed now (Fri 21:00 Europe/Berlin) and opens Mon 30 Nov 09:00; night answers"
    )
    assert hours_in_words(AGENTS, "day", datetime(2026, 11, 27, 9, tzinfo=UTC)) == (
        "open now (Fri 10:00 Europe/Berlin) until Fri 27 Nov 18:00"
    )
    lonely = {"day": evolve(DAY, hours=evolve(DAY.hours, agent=""))}
    assert hours_in_words(lonely, "day", now).endswith("; meanwhile callers hear the failure_sentence")
    with_plan = {"day": evolve(lonely["day"], failure=FailurePlan(closed=("voicemail",)))}
    assert hours_in_words(with_plan, "day", now).endswith(
        "; meanwhile callers get the steps of [failure] closed"
    )
    assert hours_in_words({"a": Agent(name="a")}, "a", now) == ""
