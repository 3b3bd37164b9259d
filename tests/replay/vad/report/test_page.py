"""The page of a study: the answer first, self-contained, bounded, and safe with whatever a call is named."""

import json
import re
import tomllib
from typing import Any

import pytest
from attrs import evolve
from vad_studies import HARD, NOW, a_study

from replay.vad.report.calls import MOST_AUDIO_MS
from replay.vad.report.charts import Axis, Chart, Line
from replay.vad.report.moments import MOST_ROWS, clock
from replay.vad.report.page import MOST_BYTES, page
from replay.vad.report.top import snippet
from replay.vad.report.words import how_sure, in_words
from replay.vad.study.study import Study
from replay.vad.study.sweep import METRICS


def data_of(text: str) -> Any:
    """Return what the page gives to its script."""
    [found] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


def headline_of(text: str) -> str:
    [found] = re.findall(r'<div class="answer \w+"><strong>(.*?)</strong>', text)
    return str(found)


def chosen_in_words(study: Study) -> str:
    assert study.advised
    return in_words(study.advised)


def test_the_first_words_say_what_to_set() -> None:
    study = a_study()
    text = page(study)
    assert headline_of(text) == f"Set {chosen_in_words(study)}"
    assert f"Now: {in_words(NOW)}." in text


def test_the_first_words_say_to_keep_what_is_set() -> None:
    study = a_study(status="keep")
    assert headline_of(page(study)) == f"Keep what you have: {chosen_in_words(study)}"


def test_a_budget_that_nothing_meets_is_said_with_what_comes_nearest() -> None:
    study = a_study(status="impossible", budget=HARD)
    text, near = page(study), study.recommendation.nearest
    assert near
    assert headline_of(text) == "No server_vad setting that was tried meets this budget; try semantic_vad"
    assert f"Nearest to it: {in_words(near.setting)}, with turns cut off" in text
    assert tomllib.loads(snippet(study))["agents"]["front-desk"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "auto",
    }


def test_without_calibration_nothing_is_recommended() -> None:
    study = evolve(a_study(status="uncalibrated"), calibration=None)
    text = page(study)
    assert headline_of(text).startswith("No recommendation:")
    assert "No call has events to compare with." in text
    assert "which setting is the better one, and not by how much" in text
    assert snippet(study) == ""


def test_the_lines_to_copy_are_the_setting_of_this_agent() -> None:
    study = a_study(agent='front "desk"')
    found = tomllib.loads(snippet(study))["agents"]['front "desk"']["turn_detection"]
    assert study.advised
    assert found == {
        "type": "server_vad",
        "threshold": study.advised.threshold,
        "prefix_padding_ms": study.advised.prefix_padding_ms,
        "silence_duration_ms": study.advised.silence_duration_ms,
    }


def test_names_stay_names() -> None:
    hostile = '</script><script>alert(1)</script><img src=x onerror="alert(1)">&'
    text = page(a_study(agent=hostile, names=hostile))
    assert "<script>alert" not in text
    assert "<img" not in text
    assert text.count("<script") == 2
    assert hostile in data_of(text)["calls"][0]["name"]


def test_the_page_loads_nothing() -> None:
    text = page(a_study())
    wrong = ("http://", "https://", "//cdn", "<link", "@import", "url(h", "src=", "fetch(", "import(")
    assert not [word for word in wrong if word in text]


def test_how_sure_it_is_stands_beside_the_numbers() -> None:
    text = page(a_study())
    for told in ("95 % of 400 events", "(P50)", "near_field", "reset", "6 calls composed", "under 20"):
        assert told in text


def test_derived_truth_comes_with_its_limits() -> None:
    study = a_study()
    derived = evolve(study, truths=tuple(evolve(truth, source="derived") for truth in study.truths))
    assert "flatters: it knows of few missed replies" in page(derived)
    assert "flatters: it knows of few missed replies" not in page(study)


def test_few_calls_are_never_sure() -> None:
    assert how_sure(a_study(calls=6)) == "Not very sure"
    assert "One call can&#x27;t tell." in page(a_study(calls=1))


@pytest.mark.parametrize(
    "what", [{"shorts": 0.0}, {"pauses": False}, {"shorts": 1.0}, {"calls": 1, "turns": 1}]
)
def test_what_could_not_be_counted_is_not_a_number(what: dict[str, Any]) -> None:
    text = page(a_study(**what))
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)
    data_of(text)


def test_no_short_replies_are_said_not_to_be_there() -> None:
    assert "No short reply in these calls" in page(a_study(shorts=0.0))
    assert "No pause of 200 ms or more" in page(a_study(pauses=False))


def test_calls_without_server_vad_have_nothing_to_compare_with() -> None:
    text = page(a_study(current=None))
    assert "No turn detection heard these calls, so nothing is set now" in text
    assert "What it gets wrong" in text


def test_the_published_points_stand_beside_ones_own() -> None:
    text = page(a_study())
    for told in ("55.6 %", "21.7 %", "1600 ms", "1000 ms", "1143 ms", "824 ms", "livekit/eot-bench"):
        assert told in text


def test_the_script_gets_every_metric_of_every_setting() -> None:
    study = a_study()
    data, grid = data_of(page(study)), study.sweep.grid
    assert {metric["name"] for metric in data["metrics"]} == set(METRICS)
    for metric in data["metrics"]:
        assert [len(row) for row in metric["values"]] == [len(grid.silences_ms)] * len(grid.thresholds)


def test_every_change_is_listed_with_its_second_in_the_wav() -> None:
    study = a_study(calls=12)
    text = page(study)
    assert study.changes
    assert text.count('<tr><td class="at">') == len(study.changes)
    first = study.changes[0]
    wav_ms = study.recordings[first.call].wav_ms(first.ms)
    assert wav_ms == first.ms + 140
    assert f"\u25b6 {clock(wav_ms)}</button>" in text


def test_the_list_has_an_end_and_says_so() -> None:
    study = a_study(calls=2)
    many = evolve(study, changes=study.changes[:1] * 500)
    text = page(many)
    assert text.count('<tr><td class="at">') == MOST_ROWS
    assert "300 more are not listed" in text


def test_the_page_is_bounded_however_much_there_is_to_hear() -> None:
    study = a_study(calls=40, turns=14)
    assert sum(one.length_ms for one in study.recordings) > MOST_AUDIO_MS
    text = page(study)
    assert len(text.encode()) < MOST_BYTES
    heard = sum(len(sound) for call in data_of(text)["calls"] for _, sound in call["sound"])
    assert heard <= MOST_AUDIO_MS * 8 * 4 / 3 + 4 * 500


def test_sound_around_a_change_is_kept_first() -> None:
    study = a_study(calls=6, turns=40)
    assert sum(one.length_ms for one in study.recordings) > MOST_AUDIO_MS
    calls = data_of(page(study))["calls"]
    for call in (one for one in calls if one["moments"]):
        for ms, _, _ in call["moments"]:
            assert any(start <= ms < start + len(sound) * 3 / 4 / 8 for start, sound in call["sound"])


def test_a_line_breaks_where_nothing_is_known() -> None:
    axis = Axis(0, 1, "x")
    points = [(0.0, 0.1), (0.2, 0.2), (0.4, float("nan")), (0.6, 0.1), (0.8, 0.3)]
    svg = Chart(axis, axis, "broken", [Line(points, "strong")]).svg()
    assert 'd="M0.00 90.00L20.00 80.00M60.00 90.00L80.00 70.00"' in svg


def test_ticks_are_round_and_few() -> None:
    assert Axis(0, 1, "", percent=True).ticks() == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert Axis(230, 1130, "").ticks() == [400, 600, 800, 1000]
