"""Intervals of counts: they hold the truth as often as they say, also of what never happened, and have a width."""

import numpy as np
import pytest

from replay.vad.study.intervals import rate_ends, share_ends


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("of", [20, 200])
def test_a_shares_interval_holds_it_in_nineteen_of_twenty_draws(share, of):
    counts = np.random.default_rng(3).binomial(of, share, 4000)
    low, high = share_ends(counts, np.full(4000, of))
    assert np.mean((low <= share) & (share <= high)) > 0.92


@pytest.mark.parametrize("rate", [0.5, 5, 80])
def test_a_rates_interval_holds_it_in_nineteen_of_twenty_draws(rate):
    counts = np.random.default_rng(4).poisson(rate * 2, 4000)
    low, high = rate_ends(counts, np.full(4000, 2.0))
    assert np.mean((low <= rate) & (rate <= high)) > 0.92


def test_of_what_never_happened_it_is_known_that_it_is_not_frequent():
    assert share_ends(np.array([0]), np.array([100]))[1][0] == pytest.approx(0.037, abs=0.001)
    assert rate_ends(np.array([0]), np.array([2.0]))[1][0] == pytest.approx(1.85, abs=0.02)


def test_of_nothing_there_is_no_interval():
    assert np.isnan(share_ends(np.array([0]), np.array([0]))).all()
