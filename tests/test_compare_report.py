"""The page of a comparison: the answer first, self-contained, and safe with whatever a model says."""

from pathlib import Path

from attrs import evolve
from measured import compared, one_more_item, other_greeting_in_one_of_five, other_time_format

from replay.compare_metrics import Measures
from replay.compare_outcome import as_json
from replay.compare_report import page


def test_the_first_words_say_whether_one_may_switch() -> None:
    assert "Yes: nothing got worse from old to new" in page(compared(), Path())
    assert "No: new is worse than old in 1 of 20 measures." in page(compared(one_more_item), Path())


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    text = page(compared(one_more_item), Path())
    assert not [
        word for word in ("<script", "http://", "https://", "<link", "@import", "url(") if word in text
    ]


def test_what_changed_is_shown_with_what_it_was() -> None:
    text = page(compared(other_time_format), Path())
    assert "check_table.time = &quot;7 pm&quot; (15 of 15 calls; baseline: &quot;19:00&quot;)" in text


def test_words_of_a_model_stay_words() -> None:
    def hostile(measures: Measures, repeat: int) -> Measures:
        return evolve(measures, greeting="<script>alert(1)</script>", greeting_agreement=0.0, why="<b>")

    text = page(compared(hostile), Path())
    assert "<script>" not in text
    assert "<b>:" not in text


def test_every_call_is_there_and_linked_relative_to_the_page(tmp_path: Path) -> None:
    comparison = compared(other_greeting_in_one_of_five)
    moved = evolve(
        comparison, calls=tuple(evolve(call, tape=str(tmp_path / call.tape)) for call in comparison.calls)
    )
    text = page(moved, tmp_path)
    assert text.count('<a href="') == 30
    assert 'href="new/interrupts-4.jsonl.gz"' in text


def test_a_failed_call_is_shown_with_its_reason() -> None:
    comparison = compared()
    first = evolve(comparison.calls[0], measures=None, error="the model <refused>")
    text = page(evolve(comparison, calls=(first, *comparison.calls[1:])), Path())
    assert "the model &lt;refused&gt;" in text


def test_machines_get_the_answer_and_all_it_stands_on() -> None:
    told = as_json(compared(one_more_item))
    assert told["worse"] is True
    assert told["answers"] == {"new": "No: new is worse than old in 1 of 20 measures."}
    [worst] = [one for one in told["verdicts"]["new"] if one["status"] == "worse"]
    assert (worst["name"], worst["was"], worst["now"], worst["low"]) == (
        "items_per_response",
        1.25,
        2.25,
        1.0,
    )
    assert len(told["calls"]) == 30
