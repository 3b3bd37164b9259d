"""How the model ends a call."""

import pytest

from bridge.heart.parts.ending import reason_of


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ('{"reason": "done"}', "done"),
        ('{"reason": "' + "x" * 300 + '"}', "x" * 200),
        ("[" * 5000, "the agent hung up"),
    ],
)
def test_the_reason_of_a_hang_up_is_read_with_care(arguments: str, reason: str) -> None:
    assert reason_of(arguments) == reason
