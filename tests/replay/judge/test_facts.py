"""What agents tell their callers, however it is worded: numbers, times, dates and names."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from replay.judge.facts import Fact, facts_in, promised, tokens_of

SAME = [
    ("seven p.m.", "19:00"),
    ("7 PM", "7:00 p.m."),
    ("seven thirty pm", "19:30"),
    ("half past seven pm", "7:30 pm"),
    ("quarter to eight pm", "19:45"),
    ("twelve o'clock", "12:00"),
    ("noon", "12 pm"),
    ("midnight", "0:00"),
    ("twenty-one guests", "21 guests"),
    ("two hundred and fifty", "250"),
    ("a thousand two hundred", "1,200"),
    ("$45", "forty-five dollars"),
    ("45 €", "45 euros"),
    ("12.50", "12.5"),
    ("the 27th of November", "the November 27"),
    ("November the twenty-seventh, 2026", "2026-11-27"),
    ("27.11.2026", "27 November"),
    ("Müller", "MULLER"),
    ("It\u2019s the terrace!", "its the Terrace"),
]


def texts(text: str) -> list[str]:
    return [token.text for token in tokens_of(text) if token.text != "the"]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_means_the_same_is_the_same(one: str, other: str) -> None:
    [found] = [
        promised([one], [Fact((other,))])[other] or texts(one) == texts(other),
    ]
    assert found, (texts(one), texts(other))


@pytest.mark.parametrize(
    ("said", "fact"),
    [
        ("a table at 7 am", "19:00"),
        ("a table for fourteen", "four"),
        ("on the 27th of November", "28 November"),
        ("$45", "54 dollars"),
        ("twenty guests", "two hundred"),
        ("I may have two tables", "2 May"),
    ],
)
def test_what_means_something_else_is_not(said: str, fact: str) -> None:
    assert promised([said], [Fact((fact,))]) == {fact: False}


def test_a_time_that_may_be_morning_or_evening_is_either() -> None:
    assert promised(["See you at seven o'clock"], [Fact(("19:00",)), Fact(("7 am",)), Fact(("20:00",))]) == {
        "19:00": True,
        "7 am": True,
        "20:00": False,
    }


def test_a_fact_may_be_told_in_any_of_its_ways_and_in_any_answer() -> None:
    facts = [Fact(("7 pm", "at seven")), Fact(("vier Personen", "4 people"))]
    assert promised(["A table at seven.", "For four people."], facts) == {
        "7 pm": True,
        "vier Personen": True,
    }


def test_words_of_two_answers_make_no_fact() -> None:
    assert promised(["a table for four", "people like it"], [Fact(("four people",))]) == {
        "four people": False
    }


def test_what_can_be_new_is_numbers_times_dates_and_names() -> None:
    said = ["Good evening. Your table for four is booked for Friday, November 27th, at 7 pm, Mrs. Weber."]
    assert facts_in(said) == {"4", "friday", "11-27", "7:00", "mrs", "weber"}


def test_morning_and_evening_are_not_told_apart_where_something_may_be_new() -> None:
    assert facts_in(["at 19:00"]) == facts_in(["at seven o'clock"]) == {"7:00"}


def test_a_word_at_the_beginning_and_the_speaker_are_no_names() -> None:
    assert facts_in(["Certainly. Yes, I do, and I\u2019m glad. One moment."]) == frozenset()


@given(some.text())
def test_whatever_a_model_says_can_be_read(text: str) -> None:
    assert facts_in([text]) == facts_in([text])
    assert len(tokens_of(text)) <= 2 * len(text) * 18  # of one letter a compatibility form has eighteen


@given(some.text(alphabet="0123456789:.,- apmot$\u00b2\u0663\uff17", max_size=60))
def test_numbers_of_every_kind_can_be_read(text: str) -> None:
    assert all(token.text for token in tokens_of(text))
