"""The bench of trials says what came of them: a planted difference held and found, and of equal settings none."""

import pytest
from vad_calls import SMALL

from bench.vad_trial import CASES, planted_in, row, town_of, trials, written
from replay.vad.compose.compose import composed_calls


@pytest.fixture(scope="module")
def town():
    return town_of(list(composed_calls(SMALL, 77, calls=12)))


def test_a_planted_difference_is_within_the_intervals_and_of_equal_settings_none_is_found(town):
    found = {}
    for name, pair in CASES.items():
        planted, made = planted_in(town, pair), list(trials(town, pair, 3, 0))
        assert all(
            one.apart.low <= planted[one.metric] <= one.apart.high
            for each in made
            for one in each.differences
        ), name
        found[name] = [{one.metric for one in each.found} for each in made]
    assert all("delay_mean_ms" in one for one in found["silence 500 and 350 ms"])
    assert found["equal"] == [set(), set(), set()]


def test_its_page_has_a_row_for_each_pair_of_settings(town):
    lines = list(written(town, 1))
    assert [line.split(" | ")[0].lstrip("| ") for line in lines[-3:]] == list(CASES)
    assert row("equal", planted_in(town, CASES["equal"]), []).startswith("| equal | 0 of 0 | 0 of 0 |")
