"""Why nothing is recommended is the reason why: found by trying, over grids of every kind, not by a list of cases."""

from itertools import combinations

import numpy as np
import pytest
from attrs import evolve

from bridge.settings.turn_detection import TurnBudget
from replay.vad.engine.machine import Hearing
from replay.vad.study.budget import exceeded, excess, in_parts, obstacle
from replay.vad.study.recommend import recommend
from replay.vad.study.sweep import CLIPPED, DRAWN, METRICS, Grid, Sweep

GRID = Grid((0.3, 0.5, 0.7), (300, 500), (0, 300))
BUDGET = TurnBudget(
    turns_cut_percent=10, missed_above_best_points=1, false_per_hour=60, onset_clipped_percent=3
)
COSTS = {"turns_cut": 0.5, "short_missed": 0.5, "false_per_hour": 200.0, CLIPPED: 0.1, "not_ended": 0.2}
EVERYWHERE, NOWHERE = np.ones((3, 2), bool), np.zeros((3, 2), bool)


def swept(costly):
    """Return a sweep in which some settings cost too much, by metric, and the rest nothing."""
    values = {name: np.zeros((3, 2), np.float32) for name in METRICS if name != CLIPPED} | {
        "delay_mean_ms": np.array([[400, 600]] * 3, np.float32), CLIPPED: np.zeros((3, 2, 2), np.float32),
    }  # fmt: skip
    for name, where in costly.items():
        values[name] = values[name] + np.where(where if name != CLIPPED else where[..., None], COSTS[name], 0)
    draws = {name: np.stack([values[name]] * 4) for name in DRAWN}
    return Sweep(GRID, Hearing(), values, values, values, draws, {}, 30)


def some(*places):
    where = NOWHERE.copy()
    for place in places:
        where[place] = True
    return where


@pytest.mark.parametrize("seed", range(60))
def test_the_parts_named_are_the_fewest_that_no_setting_meets_together(seed):
    random = np.random.default_rng(seed)
    costly = {name: random.random((3, 2)) < random.choice([0.3, 0.6, 0.9]) for name in COSTS}
    if costly["short_missed"].all():
        costly["short_missed"][0, 0] = False  # what is missed counts from the best
    found = swept(costly)
    told = recommend(found, BUDGET)
    is_met = ~np.any(list(costly.values()), axis=0)
    assert (told.chosen is None) == (not is_met.any())
    if told.chosen:
        assert is_met[told.chosen.place[:2]]
        return
    named = [name for name, words in in_parts(BUDGET).items() if words in told.why]
    assert np.any([costly[name] for name in named], axis=0).all()
    fewer = combinations(COSTS, len(named) - 1)
    assert not any(names and np.any([costly[name] for name in names], axis=0).all() for names in fewer)
    over = excess(found.values, BUDGET)
    assert over[told.nearest.place[:2]] == pytest.approx(over.min(), rel=1e-5)
    assert over.min() > 0


def test_clipping_is_a_reason_among_others():
    told = recommend(swept({CLIPPED: some(0, 1), "false_per_hour": some(2)}), BUDGET)
    assert told.why == (
        "no setting has both at once: at most 60 false starts an hour and at most 3 % of beginnings clipped"
    )


def test_what_is_within_the_budget_where_the_server_was_not_heard_is_no_lack_of_settings():
    costly = {"turns_cut": some(1, 2)}
    told = recommend(swept(costly), BUDGET, known=(0.45, 0.75))
    assert told.chosen is None
    assert told.beyond.setting.threshold == 0.3
    assert told.nearest.setting.threshold > 0.4  # nothing beyond is offered in another way either
    assert told.why == (
        "what is within this budget lies at threshold 0.3, and these calls show how the server hears from 0.45 to "
        "0.75 alone; a day with a shadow at threshold 0.3, silence 300 ms would show it there too"
    )
    assert recommend(swept({"turns_cut": EVERYWHERE}), BUDGET, known=(0.45, 0.75)).beyond is None


def test_where_the_engine_itself_has_no_marks_no_shadow_would_help():
    found = evolve(swept({"turns_cut": some(1, 2)}), hearing=Hearing(shift=-0.2))
    told = recommend(found, BUDGET, known=(0.45, 0.75))
    assert (told.chosen, told.beyond) == (None, None)


def test_the_cautious_are_told_of_what_is_within_the_budget_just_now():
    found = swept({})
    draws = found.draws | {"turns_cut": np.full((4, 3, 2), 0.5, np.float32)}
    told = recommend(evolve(found, draws=draws), BUDGET, is_cautious=True)
    assert told.chosen is None
    assert told.why.startswith("no setting is within the budget in nine of ten resamples")
    assert (told.risky.setting.silence_duration_ms, told.beyond) == (300, None)


def test_what_could_not_be_counted_is_no_reason():
    found = swept({"turns_cut": EVERYWHERE})
    values = found.values | {"short_missed": np.full((3, 2), np.nan, np.float32)}
    assert not exceeded(values, BUDGET)["short_missed"].any()
    assert obstacle(evolve(found, values=values), BUDGET) == (
        "no setting has at most 10 % of turns cut off: the least is 50.0 %"
    )


def test_no_end_of_any_turn_is_said():
    found = swept({})
    deaf = evolve(found, values=found.values | {"delay_mean_ms": np.full((3, 2), np.nan, np.float32)})
    assert recommend(deaf, BUDGET).why == "no setting ever heard a turn and its end"
