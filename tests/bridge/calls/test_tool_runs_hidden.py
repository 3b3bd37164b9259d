"""A tool that is given keys which nobody else may have."""

import pytest

from bridge.calls.tool_runs import without_digits
from bridge.given import SecretDigits
from bridge.heart.events import ToolAnswered, ToolFailed


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("4711 is right", "xxxx is right"),
        ("4 7 1 1", "x x x x"),
        ("4-7-1-1 and 4711", "x-x-x-x and xxxx"),
        ('{"pin": "4711#"}', '{"pin": "xxxx#"}'),
        ("no. 14711", "no. 1xxxx"),
        ("nothing", "nothing"),
    ],
)
def test_what_a_tool_says_of_the_digits_it_was_given_is_hidden(said: str, kept: str) -> None:
    assert without_digits(ToolAnswered("c1", said), SecretDigits("4711#")) == ToolAnswered("c1", kept)
    failed = ToolFailed("c1", "crashed", said)
    assert without_digits(failed, SecretDigits("4711#")) == ToolFailed("c1", "crashed", kept)


def test_a_digit_of_a_menu_is_hidden_where_it_stands_alone() -> None:
    assert without_digits(ToolAnswered("c1", "1 of 10 is 1"), SecretDigits("1")) == ToolAnswered(
        "c1", "x of 10 is x"
    )
