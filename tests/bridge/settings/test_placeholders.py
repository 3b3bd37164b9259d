"""Placeholders in instructions and greetings: what is one, what is filled, and what is found to be none."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents import agent_from
from bridge.config import parse
from bridge.errors import ConfigError
from bridge.settings.placeholders import KNOWN, fill, names_in, unknown_in

VALUES = {"date": "27 November 2026", "caller": "+15550123456", "var.guest": "Anna"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Today is {date}.", "Today is 27 November 2026."),
        ("{caller}{caller}", "+15550123456+15550123456"),
        ("Hello {var.guest}!", "Hello Anna!"),
        ("Write {{date}} for the day.", "Write {date} for the day."),
        ("{{{date}}}", "{{date}}"),
        ('Answer as {"day": {"name": 1}} or {}.', 'Answer as {"day": {"name": 1}} or {}.'),
        ("{ date } and {date", "{ date } and {date"),
        ("{unknown}", "{unknown}"),
    ],
)
def test_what_is_a_placeholder_is_filled_and_other_braces_are_left_alone(text: str, filled: str) -> None:
    assert fill(text, VALUES) == filled


def test_no_value_is_filled_again() -> None:
    assert fill("{var.guest}", {"var.guest": "{caller} {{date}}", "caller": "no"}) == "{caller} {{date}}"


@given(st.text())
def test_a_text_without_names_in_braces_stays_as_it_is(text: str) -> None:
    plain = text.replace("{", "(")
    assert fill(plain, VALUES) == plain
    assert list(names_in(plain)) == []


# ---------------------------------------------------------------- what is none


def faults_of(**agent: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse({"agents": {"a": agent}}, Path("c.toml"))
    return caught.value.faults


def test_every_known_placeholder_is_taken() -> None:
    text = " ".join(f"{{{name}}}" for name in KNOWN) + " {var.guest} {{anything}}"
    parse(
        {"agents": {"a": {"instructions": text, "greeting": text, "variables": {"guest": ""}}}},
        Path("c.toml"),
    )


def test_one_that_nothing_fills_is_a_fault_with_the_nearest_that_there_is() -> None:
    (fault,) = faults_of(instructions="The number is {caler}. {caler}!")
    assert fault == (
        "c.toml: [agents.a] instructions: {caler}: no such placeholder; did you mean caller? "
        "(where it is meant as it stands: {{caler}})"
    )


def test_a_variable_that_is_not_declared_is_a_fault_with_what_to_write() -> None:
    (fault,) = faults_of(greeting="Hello {var.gest}!", variables={"guest": "friend"})
    assert fault == (
        "c.toml: [agents.a] greeting: {var.gest}: no such variable; did you mean guest? "
        'Or add gest = "" to its table of variables'
    )
    (fault,) = faults_of(greeting="Hello {var.guest}!")
    assert fault.endswith('{var.guest}: no such variable; add guest = "" to its table of variables')


@pytest.mark.parametrize(
    ("variables", "use"),
    [
        (
            {"Guest": "a"},
            'names of a-z, 0-9 and "_" that begin with a letter, 32 characters at most: "Guest" is none',
        ),
        ({"guest": "", "a-b": "a"}, '"a-b" is none'),
        ({"guest": "", "a": 1}, 'texts: a = "..." in quotes'),
        ({"guest": "", "a": "x" * 2001}, "texts of 2000 characters at most: a has 2001"),
        ({"guest": "", "a": "\x00"}, "texts without control characters: a has some"),
        (["a"], 'a table such as { table = "12" }'),
        ({f"v{n}": "" for n in range(51)}, "50 variables at most; these are 51"),
    ],
    ids=["capital", "dash", "number", "long", "control", "list", "many"],
)
def test_what_is_wrong_with_a_table_of_variables_names_the_entry(variables: Any, use: str) -> None:
    (fault,) = faults_of(variables=variables)
    assert "[agents.a] variables" in fault
    assert fault.endswith(use)


def test_settings_of_a_tape_are_taken_as_they_were_filled() -> None:
    """An earlier call's instructions may have braces that nothing fills today."""
    assert agent_from("a", {"instructions": "Say {something}."}).instructions == "Say {something}."


def test_all_of_them_are_found_each_once() -> None:
    assert len(list(unknown_in("{x} {y} {x} {date}", ()))) == 2
