"""What a setting costs callers: a small set counted by hand, and drawn ones counted turn by turn."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vad_naive import naive_counts

from replay.vad.engine.machine import Hearing, Setting
from replay.vad.study.sweep import Grid, sweep
from replay.vad.truth.corpus import Corpus
from replay.vad.truth.truth import Span, Truth, Turn

HEARING = Hearing()


def probabilities(length, *loud):
    """Return windows of silence with speech from one window up to another."""
    found = np.full(length, 0.05, dtype=np.float32)
    for first, end in loud:
        found[first:end] = 0.95
    return found


def spoken(*pieces):
    return Turn.of_speech([Span(start * 32, end * 32) for start, end in pieces])


# Two calls of 320 windows (10.24 s). Windows of speech, as the engine hears them, and what is true:
#
# call 1: a turn in two pieces, 20-40 and 56-80, with a pause of 16 windows (512 ms): a silence of 500 ms takes 16
#         windows and cuts it, one of 600 ms takes 19 and does not. A short reply, 120-135. A cough, 200-204, while the
#         agent is heard.
# call 2: a short reply, 50-60, that the engine does not hear; and a turn, 100-150, of which it hears nothing of the
#         first 10 windows. A noise, 250-255, with nobody speaking.
CALLS = (
    probabilities(320, (20, 40), (56, 80), (120, 135), (200, 204)),
    probabilities(320, (110, 150), (250, 255)),
)
TRUTHS = (
    Truth((spoken((20, 40), (56, 80)), spoken((120, 135))), "composed", 10_240, agent=(Span(6000, 7000),)),
    Truth((spoken((50, 60)), spoken((100, 150))), "composed", 10_240),
)
BY_HAND = Grid(thresholds=(0.5,), silences_ms=(500, 600), prefixes_ms=(0, 300))


@pytest.fixture(scope="module")
def by_hand():
    return sweep(Corpus.of(("one", "two"), CALLS, TRUTHS), BY_HAND, HEARING, resamples=50)


@pytest.mark.parametrize(
    ("metric", "at_500", "at_600"),
    [
        ("turns_cut", 1 / 4, 0),
        ("pauses_cut", 1, 0),
        ("missed", 1 / 4, 1 / 4),
        ("short_missed", 1 / 2, 1 / 2),
        ("false_agent_per_hour", 1 / (20.48 / 3600), 1 / (20.48 / 3600)),
        ("false_quiet_per_hour", 1 / (20.48 / 3600), 1 / (20.48 / 3600)),
        ("false_per_hour", 2 / (20.48 / 3600), 2 / (20.48 / 3600)),
        ("delay_mean_ms", 16 * 32, 19 * 32),
    ],
)
def test_a_small_set_comes_out_as_counted_by_hand(by_hand, metric, at_500, at_600):
    assert by_hand.values[metric][0] == pytest.approx([at_500, at_600], rel=1e-5)


def test_onsets_are_clipped_by_what_the_prefix_does_not_reach(by_hand):
    # Without prefix each of the three turns found loses the window in which it is noticed, 32 ms, and the late one
    # 11 windows, 352 ms: that one is clipped, and with 300 ms of prefix it loses 52 ms, two more than are borne.
    assert by_hand.values["onset_clipped"][0, 0] == pytest.approx([1 / 3, 1 / 3])
    assert sweep(
        Corpus.of(("one", "two"), CALLS, TRUTHS), Grid((0.5,), (500,), (302, 310)), HEARING, resamples=5
    ).values["onset_clipped"][0, 0] == pytest.approx([0, 0])


def test_delay_quantiles_are_within_a_bin_of_the_delays(by_hand):
    for name in ("delay_p50_ms", "delay_p90_ms", "delay_p95_ms"):
        assert by_hand.values[name][0] == pytest.approx([512, 608], abs=16)


def test_a_turn_without_a_stop_within_two_seconds_is_not_ended_and_its_delay_beyond_all():
    """Four turns; behind the second, somebody else goes on for 3 s, and the recording is over 1 s after the last."""
    turns = tuple(spoken((start, start + 20)) for start in (20, 120, 400, 600))
    heard = probabilities(650, (20, 40), (120, 235), (400, 420), (600, 650))
    found = sweep(
        Corpus.of(("one",), [heard], [Truth(turns, "composed", 650 * 32)]), BY_HAND, HEARING, resamples=5
    )
    assert found.values["not_ended"][0] == pytest.approx([1 / 3, 1 / 3])
    assert found.values["delay_mean_ms"][0] == pytest.approx([(2 * 512 + 2000) / 3, (2 * 608 + 2000) / 3])
    assert found.values["delay_p50_ms"][0] == pytest.approx([512, 608], abs=16)
    assert np.isposinf(found.values["delay_p90_ms"]).all()


def test_how_long_a_turn_may_take_to_end_can_be_chosen():
    (turn,) = (spoken((20, 40)),)
    known = Truth((turn,), "composed", 400 * 32)
    heard = probabilities(400, (20, 120))  # 2560 ms longer than the turn, and 512 of silence
    for limit_ms, expected in ((2000, 1), (3071, 1), (3072, 0)):
        corpus = Corpus.of(("one",), [heard], [known], limit_ms)
        assert sweep(corpus, BY_HAND, HEARING, resamples=5).values["not_ended"][0, 0] == expected


def test_what_nobody_can_know_counts_neither_way():
    unsure = Truth(TRUTHS[1].turns, "labels", 10_240, unsure=(Span(7900, 8300),))
    found = sweep(Corpus.of(("two",), CALLS[1:], (unsure,)), BY_HAND, HEARING, resamples=5)
    assert found.values["false_per_hour"][0].tolist() == [0, 0]


def test_what_could_not_be_counted_is_no_number():
    silent = Truth((), "composed", 3200)
    found = sweep(Corpus.of(("none",), [probabilities(100)], [silent]), BY_HAND, HEARING, resamples=5)
    assert np.isnan(found.values["turns_cut"]).all()
    assert found.values["false_per_hour"][0].tolist() == [0, 0]


# ---------------------------------------------------------------- drawn recordings


@st.composite
def truths(draw):
    """Turns in order, of one to three pieces, for a recording of 300 windows; some stretches unsure."""
    at, turns = draw(st.integers(0, 20)), []
    while at < 230:
        pieces = []
        for _ in range(draw(st.integers(1, 3))):
            length, gap = draw(st.integers(2, 20)), draw(st.integers(1, 15))
            pieces.append((at, at + length))
            at += length + gap
        turns.append(spoken(*pieces))
        at += draw(st.integers(5, 60))
    begin = draw(st.integers(0, 290))
    unsure = (Span(begin * 32, (begin + 8) * 32),) if draw(st.booleans()) else ()
    return Truth(
        tuple(turns), "composed", 400 * 32, agent=(Span(2000, 5000), Span(7000, 7500)), unsure=unsure
    )


levels = st.lists(
    st.tuples(st.sampled_from([0.0, 0.2, 0.38, 0.5, 0.8]), st.integers(1, 20)), min_size=10, max_size=60
)
hearings = st.builds(
    Hearing,
    hysteresis=st.sampled_from([0.0, 0.15]),
    start_windows=st.integers(1, 3),
    lag_ms=st.sampled_from([0, 40]),
)


@settings(max_examples=200)
@given(st.lists(st.tuples(levels, truths()), min_size=1, max_size=3), st.sampled_from([0.3, 0.5]),
       st.integers(100, 900), st.sampled_from([0, 120]), hearings)  # fmt: skip
def test_drawn_recordings_are_counted_as_turn_by_turn(calls, threshold, silence, prefix, hearing):
    heard = [np.array([p for p, n in one for _ in range(n)], dtype=np.float32)[:400] for one, _ in calls]
    heard = [np.pad(one, (0, 400 - len(one))) for one in heard]
    known = [truth for _, truth in calls]
    found = sweep(
        Corpus.of(map(str, range(len(calls))), heard, known), Grid((threshold,), (silence,), (prefix,)), hearing,
        resamples=2,
    )  # fmt: skip
    setting = Setting(threshold, silence, prefix)
    sums = sum(
        (naive_counts(*one, setting, hearing) for one in zip(heard, known, strict=True)), start=Counter()
    )
    turns = [turn for truth in known for turn in truth.turns]
    pauses = sum(pause.length_ms >= 200 for turn in turns for pause in turn.pauses)
    short = sum(turn.is_short for turn in turns)
    hours = 400 * 32 * len(calls) / 3_600_000
    for metric, count, of in (
        ("turns_cut", sums["cut"], len(turns)),
        ("pauses_cut", sums["pauses_cut"], pauses),
        ("short_missed", sums["short_missed"], short),
        ("missed", sums["missed"], len(turns)),
        ("false_agent_per_hour", sums["false_agent"], hours),
        ("false_quiet_per_hour", sums["false_quiet"], hours),
        ("delay_mean_ms", sums["waited_ms"], sums["judged"]),
        ("not_ended", sums["not_ended"], sums["judged"]),
        ("onset_clipped", sums["clipped"], sums["found"]),
    ):
        value = float(found.values[metric].ravel()[0])
        assert value == pytest.approx(count / of, rel=1e-5) if of else np.isnan(value), metric
