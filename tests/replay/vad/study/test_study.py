"""From recordings to advice, and the reasons to give none."""

import pytest
from attrs import evolve
from vad_calls import HEARING, SETTING, deaf, recordings, write_calls

from bridge.settings.turn_detection import SemanticVad, TurnBudget
from replay.cluster.pool import Pool, PoolError, open_pool
from replay.sound.ears import Ear
from replay.vad.engine.cache import Cache
from replay.vad.engine.machine import Hearing, Setting
from replay.vad.report.words import warnings
from replay.vad.study.study import Plan, StudyError, read_recordings, setting_in_force, study
from replay.vad.study.sweep import Grid
from replay.vad.truth.recording import Heard

GRID = Grid((0.4, 0.5, 0.6), (300, 500, 700), (100, 300))
EASY = TurnBudget(
    turns_cut_percent=60,
    missed_above_best_points=50,
    false_per_hour=1000,
    onset_clipped_percent=50,
    not_ended_percent=50,
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return Cache(tmp_path_factory.mktemp("cache"))


def studied(found, cache, **plan):
    return study(found, Plan(**{"grid": GRID, "budget": EASY, "resamples": 50} | plan), cache=cache)


def test_calls_that_a_server_heard_lead_to_advice(cache):
    found = studied(recordings(), cache)
    assert found.status == "change"
    assert found.advised in [
        Setting(t, s, p) for t in GRID.thresholds for s in GRID.silences_ms for p in GRID.prefixes_ms
    ]
    assert found.calibration.held_out.share > 0.95
    assert found.hearing.threshold(0.6) == pytest.approx(HEARING.threshold(0.6), abs=0.05)
    assert found.current == SETTING
    assert found.sources == {"derived": 12}


def test_a_server_that_hears_otherwise_leads_to_none(cache):
    found = studied([deaf(one) for one in recordings()], cache)
    assert (found.status, found.advised) == ("uncalibrated", None)
    assert "does not hear as the server does" in found.why


def test_calls_that_no_server_heard_lead_to_none_unless_the_engine_is_trusted(cache):
    unheard = [evolve(one, heard=()) for one in recordings(4)]
    assert studied(unheard, cache).status == "uncalibrated"
    assert studied(unheard, cache, trusts_engine=True, current=SETTING).status == "change"


def test_a_hearing_that_is_known_is_not_fitted_again(cache):
    found = studied(recordings(4), cache, hearing=Hearing(lag_ms=123))
    assert (found.hearing.lag_ms, found.calibration) == (123, None)
    assert found.advised


def test_a_budget_that_no_setting_meets_is_told(cache):
    found = studied(recordings(), cache, budget=TurnBudget(turns_cut_percent=0))
    assert (found.status, found.advised) == ("impossible", None)
    assert "at most 0 % of turns cut off" in found.why


def test_the_best_setting_may_be_the_current_one(cache):
    best = studied(recordings(), cache).advised
    assert studied(recordings(), cache, current=best).status == "keep"


def test_a_current_setting_beside_the_grid_is_tried_as_well(cache):
    found = studied(recordings(4), cache, current=Setting(0.55, 430, 250))
    assert found.recommendation.current.setting == Setting(0.55, 430, 250)


def test_advice_at_the_edge_of_the_grid_says_that_there_may_be_better_beyond(cache):
    found = studied(recordings(4), cache, hearing=Hearing(), grid=Grid((0.5, 0.6), (900, 1000), (300,)))
    assert any("was tried: try" in warning for warning in warnings(found))


def test_a_semantic_vad_is_no_setting_to_calibrate_on(cache):
    heard = [evolve(one, heard=(Heard(SemanticVad(), one.heard[0].turns),)) for one in recordings(4)]
    assert studied(heard, cache).status == "uncalibrated"
    assert setting_in_force(heard) is None


def test_each_call_is_listened_to_once(cache, tmp_path):
    fresh, heard = Cache(tmp_path), []

    class Counting(Pool):
        def do(self, work, pieces, done=lambda place, result: None):
            heard.extend(audio for group in pieces for audio in group)
            return super().do(work, pieces, done)

    for _ in range(2):
        study(recordings(2), Plan(grid=GRID, hearing=Hearing(), resamples=5), pool=Counting(), cache=fresh)
    assert len(heard) == 2


def test_processes_give_the_same_as_one(cache, tmp_path):
    with open_pool(2) as pool:
        two = study(
            recordings(2), Plan(grid=GRID, hearing=Hearing(), resamples=5), pool=pool, cache=Cache(tmp_path)
        )
    one = studied(recordings(2), cache, hearing=Hearing(), resamples=5)
    for name, values in one.sweep.values.items():
        assert values.tobytes() == two.sweep.values[name].tobytes()


def test_a_scheduler_that_is_not_there_is_told():
    pytest.importorskip("distributed")
    with (
        pytest.raises(PoolError, match="no Dask scheduler answers"),
        open_pool(scheduler="tcp://127.0.0.1:9"),
    ):
        pass


# ---------------------------------------------------------------- reading tapes


def test_labels_beside_the_tapes_are_the_truth(tmp_path, cache):
    found, skipped = read_recordings(write_calls(tmp_path, heard=True))
    assert skipped == []
    assert studied(found, cache, trusts_engine=True).sources == {"composed": 3}


def test_noise_reductions_are_never_mixed(tmp_path):
    paths = [*write_calls(tmp_path / "a", 1, noise_reduction="near_field"), *write_calls(tmp_path / "b", 3)]
    with pytest.raises(
        StudyError, match="of different noise reductions: none \\(2\\), near_field \\(1\\)"
    ) as raised:
        read_recordings(paths)
    assert raised.value.hint == "--noise-reduction none"
    assert len(read_recordings(paths, noise_reduction="near_field")[0]) == 1


def test_a_call_counts_once_however_many_tapes_it_has(tmp_path):
    paths = [*write_calls(tmp_path / "a", 2), *write_calls(tmp_path / "b", 2)]
    found, skipped = read_recordings(paths)
    assert len(found) == 2
    assert ["the same call as" in why for _, why in skipped] == [True, True]


def test_thresholds_far_from_those_in_force_are_not_recommended(cache):
    found = studied(recordings(), cache, grid=Grid((0.3, 0.55, 0.9), (300, 500), (300,)))
    assert found.calibration.known == pytest.approx((0.5, 0.7))
    assert found.advised.threshold in (0.55, 0.6)
    assert any("Only thresholds from 0.5 to 0.7" in warning for warning in warnings(found))


def test_what_was_heard_before_an_interruption_is_kept(tmp_path):
    fresh = Cache(tmp_path)

    class Interrupted(Pool):
        def do(self, work, pieces, done=lambda place, result: None):
            done(0, work(pieces[0]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study(recordings(2), Plan(grid=GRID, hearing=Hearing()), pool=Interrupted(), cache=fresh)
    assert all(fresh.get(one.audio, Ear()) is not None for one in recordings(2))


def test_a_tape_that_is_none_is_left_out_with_its_reason(tmp_path):
    broken = tmp_path / "CAbroken.jsonl"
    broken.write_text("no tape\n")
    found, skipped = read_recordings([*write_calls(tmp_path, 1), broken])
    assert len(found) == 1
    assert skipped[0][0] == broken


def test_nothing_but_broken_tapes_is_an_error(tmp_path):
    broken = tmp_path / "CAbroken.jsonl"
    broken.write_text("no tape\n")
    with pytest.raises(StudyError, match="no recording to study"):
        read_recordings([broken])


def test_recordings_in_which_nobody_speaks_are_an_error(cache):
    silent = [evolve(one, audio=b"\xff" * 80_000, heard=()) for one in recordings(2)]
    with pytest.raises(StudyError, match="nobody speaks"):
        studied(silent, cache)
