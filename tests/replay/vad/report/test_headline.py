"""The headline says what the study comes to, and nothing beside it says otherwise."""

import pytest
from attrs import evolve
from vad_statuses import BESIDES, concluded, with_server
from vad_studies import EASY, HARD, NOW, a_study

from bridge.settings.turn_detection import SemanticVad
from bridge.tapes.tape import SHADOW
from replay.vad.report.headline import beside, headline
from replay.vad.report.heard import beside_server_vad, differing, observed_section
from replay.vad.report.page import page
from replay.vad.report.top import snippet
from replay.vad.report.view import View
from replay.vad.report.words import METRICS, how_sure, warnings
from replay.vad.study.observed import observed
from replay.vad.truth.recording import Heard, ServerTurn


@pytest.mark.parametrize("status", BESIDES)
def test_a_study_comes_to_what_its_numbers_say(status: str) -> None:
    assert BESIDES[status]().status == ("blind" if status == "drowned" else status)


@pytest.mark.parametrize("status", BESIDES)
def test_no_advice_stands_beside_a_warning_that_contradicts_it(status: str) -> None:
    study = BESIDES[status]()
    text = " ".join(warnings(study))
    if not study.advised:
        assert "are recommended" not in text
    else:
        assert "can't tell how much silence" not in text
    low, high = study.recommendation.known
    if study.advised and "try lower" in text:
        assert low < study.advised.threshold
    if study.advised and "try higher" in text:
        assert study.advised.threshold < high
    assert ("server_vad" in snippet(study)) == bool(study.advised or status == "beyond")


def test_of_calls_in_which_it_is_not_the_caller_who_is_heard_nothing_is_said_but_that() -> None:
    study = BESIDES["drowned"]()
    assert headline(study) == "No recommendation: not the caller alone is heard in these calls"
    assert study.advised is None
    assert "its echo, or voices behind the caller" in study.why
    text = page(study)
    assert text.count("<b>unknown</b>") == len(METRICS)
    assert "as observed, with" not in text
    assert "flatters: it knows" not in text
    assert not snippet(study)


def test_what_is_said_of_a_setting_that_is_not_recommended_is_said_with_an_if() -> None:
    advised, nearest = BESIDES["change"](), BESIDES["impossible"]()
    assert any(one.startswith("Wins: ") for one in beside(advised, advised.recommendation.chosen))
    said = list(beside(nearest, nearest.recommendation.nearest))
    assert any(one.startswith("It would win: ") for one in said)
    assert not any(one.startswith(("Wins", "Costs")) for one in said)


def test_what_is_at_least_beyond_the_budget_is_refused_even_so() -> None:
    study = BESIDES["drowned"]()
    values = study.sweep.values | {"not_ended": study.sweep.values["not_ended"] + 0.5}
    loud = concluded(evolve(study, sweep=evolve(study.sweep, values=values)))
    assert loud.status == "impossible"


def test_what_lies_beyond_the_known_range_is_for_a_shadow_first() -> None:
    study = BESIDES["beyond"]()
    assert headline(study).startswith("No recommendation yet")
    assert study.recommendation.beyond
    assert snippet(study).startswith("[agents.front-desk.shadow]\n")
    assert f"threshold = {study.recommendation.beyond.setting.threshold:g}\n" in snippet(study)
    assert "a day with a shadow at threshold" in study.why
    assert how_sure(study) == "Not known there"


def test_the_cautious_are_not_told_that_no_setting_meets_the_budget() -> None:
    study = a_study(calls=24)
    draws = study.sweep.draws | {"turns_cut": study.sweep.draws["turns_cut"] + 1}
    study = concluded(evolve(study, sweep=evolve(study.sweep, draws=draws)), is_cautious=True)
    assert (study.status, study.advised) == ("risky", None)
    assert headline(study) == "No setting is within this budget surely enough"


def test_semantic_vad_that_does_better_is_kept() -> None:
    study = BESIDES["semantic"]()
    assert headline(study) == "Keep semantic_vad, eagerness auto"
    assert 'type = "semantic_vad"' in snippet(study)
    other = with_server(a_study(calls=24), SemanticVad(eagerness="high"), 400, leg=SHADOW)
    assert headline(concluded(other)) == "Try semantic_vad, eagerness high"


def test_nobody_is_sent_to_semantic_vad_that_did_not_meet_the_budget_either() -> None:
    study = with_server(
        a_study(calls=24, budget=HARD, current=None), SemanticVad(), 2600
    )  # tells ends too late
    study = concluded(study)
    assert (
        headline(study)
        == "Neither server_vad, at any setting that was tried, nor semantic_vad meets this budget"
    )
    assert snippet(study) == ""


def test_slow_semantic_vad_is_beside_the_server_vad_that_is_quicker() -> None:
    study = concluded(with_server(a_study(calls=24, current=None), SemanticVad(), 1900))
    assert study.status == "change"
    told = " ".join(beside_server_vad(study, study.observed[0]))
    assert "told a turn\u2019s end 1900 ms after it" in told
    assert "sooner" in told


def test_where_the_server_is_another_than_the_model_the_page_says_so_before_any_advice() -> None:
    study = a_study(calls=24)
    late = tuple(
        evolve(one, heard=(Heard(NOW, tuple(ServerTurn(turn.start_ms, (turn.stop_ms or 0) + 200) for turn in heard)),))
        for one in study.recordings
        for heard in (one.heard[0].turns,)
    )  # fmt: skip
    told = observed(late, study.probabilities, study.truths, study.hearing, resamples=100)
    study = evolve(study, recordings=late, observed=told)
    (line,) = differing(study)
    assert "answer delay, mean" in line
    text = page(study)
    assert text.index("The server did not do what the local model says") < text.index('<div class="answer')
    assert how_sure(study) == "Not very sure"
    assert "did not do what" not in page(a_study(calls=24))


def test_what_was_observed_stands_in_the_first_table() -> None:
    study = a_study(calls=24)
    told = observed(study.recordings, study.probabilities, study.truths, study.hearing, resamples=50)
    text = page(evolve(study, observed=told))
    assert "now, observed" in text
    assert "now, modelled" in text
    assert observed_section(View(evolve(study, observed=told), None, "")) == ""  # there is no more to tell
    assert "now, observed" not in page(study)


def test_on_the_engines_word_alone_it_says_if() -> None:
    study = evolve(a_study(calls=24), calibration=None)
    assert headline(study).startswith("If the server hears as the local engine does, set threshold")


def test_imported_calls_have_no_now_and_blame_no_server() -> None:
    study = evolve(a_study(calls=24, current=None), status="change")
    recordings = tuple(evolve(one, heard=(Heard(None, (ServerTurn(0, 900),)),)) for one in study.recordings)
    study = evolve(study, recordings=recordings)
    assert "No turn detection heard these calls, so nothing is set now" in " ".join(beside(study, None))
    text = page(study)
    assert (
        "what the server said in the call" in text
    )  # the script's name for a lane that these calls don't have:
    assert '"server":[]' in text
    assert '"server":[[' not in text
    assert study.recommendation.budget == EASY


def test_what_the_calls_cant_tell_is_unknown_and_no_advice_stands_on_it_unsaid() -> None:
    study = a_study(calls=24)
    blind = evolve(study, sweep=evolve(study.sweep, unknown=frozenset({"short_missed", "onset_clipped"})))
    assert headline(blind).startswith("As far as these calls can tell, set threshold")
    told = " ".join(beside(blind, blind.recommendation.chosen))
    assert (
        "They can\u2019t tell of short replies missed and beginnings clipped, and the budget has limits"
        in told
    )
    text = page(blind)
    assert '<div class="answer unknown">' in text
    assert text.count("<b>unknown</b>") == 2 * len(
        [study.recommendation.current, study.recommendation.chosen]
    )
    assert how_sure(blind).endswith("of what these calls tell")
    assert "<b>unknown</b>" not in page(study)
