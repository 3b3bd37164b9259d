"""Amounts and intervals as the answer and the page write them."""

from math import nan

import pytest

from replay.vad.report.words import with_interval
from replay.vad.study.sweep import Measured


@pytest.mark.parametrize(
    ("measured", "text"),
    [(Measured(0.25, 0.125, 0.5), "25.0 % (12.5\u201350.0)"), (Measured(nan, nan, nan), "none")],
)
def test_an_amount_has_its_interval_with_it_and_no_empty_parentheses(measured: Measured, text: str) -> None:
    assert with_interval(measured, "share") == text
