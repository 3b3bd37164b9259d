"""A trial's two arms, and what is said of the difference: a planted one is found, and of equal ones nothing."""

from functools import cache

import pytest
from attrs import evolve
from vad_calls import HEARING, composed, listened, recordings

from bridge.settings.trial import CONTROL, VARIANT, Trial
from replay.vad.compose.composed_tape import heard_turns
from replay.vad.engine.machine import Setting
from replay.vad.study.sweep import Measured
from replay.vad.study.trial import COMPARED, TrialError, apart_of, compared, verdict_of
from replay.vad.truth.recording import Heard, ServerTurn

SLOW, QUICK = Setting(0.6, 700, 300), Setting(0.6, 300, 300)


@cache
def under(setting, count=12):
    """Return composed calls as a server heard them under this setting."""
    return tuple(
        evolve(
            one,
            heard=(Heard(setting, tuple(ServerTurn(*turn) for turn in heard_turns(call, setting, HEARING))),),
        )
        for one, call in zip(recordings(count), composed(count), strict=True)
    )


def of_a_trial(control, variant, calls=120, seed=0):
    """Return what a trial says that these composed callers rang again and again, with call ids of their own."""
    trial = Trial(f"t{seed}", 0.5)
    arms = [trial.arm(f"CA{seed}-{number}") for number in range(calls)]
    taken = [number % 12 for number in range(calls)]
    told = [under(variant if arm == VARIANT else control)[n] for arm, n in zip(arms, taken, strict=True)]
    heard, truths = listened(), [one.truth for one in composed(12)]
    return compared(told, [heard[n] for n in taken], [truths[n] for n in taken], arms, resamples=1000)


def difference(made, metric):
    return next(one for one in made.differences if one.metric == metric)


def test_a_planted_difference_is_found_and_lies_in_its_interval():
    truths, heard = [one.truth for one in composed(12)], listened()
    both = [*under(SLOW), *under(QUICK)]
    arms = [CONTROL] * 12 + [VARIANT] * 12
    planted = compared(both, [*heard, *heard], [*truths, *truths], arms, resamples=20)
    made = of_a_trial(SLOW, QUICK)
    for metric in COMPARED:
        apart, true = difference(made, metric).apart, difference(planted, metric).apart.value
        assert apart.low <= true <= apart.high, metric
    assert difference(made, "delay_mean_ms").verdict == "less"
    assert difference(made, "delay_mean_ms").apart.value == pytest.approx(-400, abs=60)
    assert (made.control.setting, made.variant.setting) == (SLOW, QUICK)
    assert made.control.calls + made.variant.calls == 120


def test_of_two_equal_settings_no_difference_is_found():
    found = [of_a_trial(SLOW, SLOW, seed=seed).found for seed in range(6)]
    assert sum(map(bool, found)) <= 1


def test_a_setting_that_was_changed_within_a_trial_is_refused():
    mixed = [*under(SLOW)[:6], *under(QUICK)[6:]]
    arms = [CONTROL, VARIANT] * 6
    with pytest.raises(TrialError, match="the control had several settings"):
        compared(mixed, listened(), [one.truth for one in composed(12)], arms)


def test_one_arm_alone_is_no_trial():
    with pytest.raises(TrialError, match="no call of the variant"):
        compared(under(SLOW), listened(), [one.truth for one in composed(12)], [CONTROL] * 12)


def test_the_interval_of_a_difference_is_made_of_both_arms():
    apart = apart_of(Measured(0.10, 0.07, 0.14), Measured(0.20, 0.17, 0.25))
    assert (apart.value, apart.low, apart.high) == pytest.approx((0.10, 0.05, 0.10 + 34**0.5 / 100))


@pytest.mark.parametrize(
    ("apart", "verdict"),
    [
        (Measured(0.05, 0.01, 0.09), "more"),
        (Measured(-0.05, -0.09, -0.01), "less"),
        (Measured(0.0, -0.01, 0.015), "no difference"),
        (Measured(0.0, -0.05, 0.05), "too few calls"),
        (Measured(float("nan"), 0.0, 0.0), "unknown"),
    ],
)
def test_what_can_be_said_follows_from_the_interval(apart, verdict):
    assert verdict_of("turns_cut", apart) == verdict
