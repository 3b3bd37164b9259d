"""The page of a comparison: the answer first, self-contained, and safe with whatever a model says."""

import re
from pathlib import Path

from attrs import evolve
from measured import compared, one_more_item, other_greeting_in_one_of_five, other_time_format, tool

from replay.compare.outcome import as_json
from replay.compare.report import STYLE, page
from replay.judge.metrics import Measures


def test_the_first_words_say_whether_one_may_switch() -> None:
    assert "Yes: nothing got worse from old to new" in page(compared(), Path())
    assert "No: new is worse than old in 1 of 24 measures." in page(compared(one_more_item), Path())


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
    assert told["answers"] == {"new": "No: new is worse than old in 1 of 24 measures."}
    [worst] = [one for one in told["verdicts"]["new"] if one["status"] == "worse"]
    assert (worst["name"], worst["was"], worst["now"], worst["low"]) == (
        "items_per_response",
        1.25,
        2.25,
        1.0,
    )
    assert len(told["calls"]) == 30


# ---------------------------------------------------------------- what is not known, and what is wide


def without_usage(measures: Measures, repeat: int) -> Measures:
    return evolve(measures, tokens=dict.fromkeys(measures.tokens, 0), cost_usd=0.0)


def test_calls_whose_model_told_no_usage_are_no_data_and_not_free() -> None:
    comparison = compared(without_usage)
    found = {verdict.title: verdict.status for verdict in comparison.verdicts["new"]}
    assert (found["output tokens"], found["cost of a call"]) == ("no data", "no data")
    text = page(comparison, Path())
    assert text.count('<span class="dim">no data</span>') == 15
    assert " 0 tokens" not in text


CONTENT_PX = 1280 - 2 * 20
PADDING_PX = 12
CHARACTER_PX = 9  # of 15 px system type, digits and small letters, rather too much than too little


def test_the_table_of_calls_fits_a_screen_of_1280_pixels() -> None:
    def wordy(measures: Measures, repeat: int) -> Measures:
        wide = tool({"note": "x" * 300}, called_ms=700, took_ms=200)
        return evolve(
            measures, tools=(evolve(wide, arguments_raw='{"note":"' + "x" * 300 + '"}'),), why="y" * 80
        )

    table = page(compared(wordy), Path()).rpartition("<h2>Every call</h2>")[2]
    style = STYLE.read_text(encoding="utf-8")
    assert "td.words, td.ended, td.name { overflow-wrap: anywhere; }" in style
    widths = {kind: int(px) for kind, px in re.findall(r"td\.(\w+) \{ min-width: (\d+)px", style)}
    cell = re.compile(r'<(t[hd])(?: class="(\w+)")?>(.*?)(?=<t[hd]|</tr>)')
    columns = zip(*(cell.findall(row) for row in table.split("<tr>")[1:]), strict=True)
    needed = [max(narrowest_px(*cell, widths) for cell in column) + PADDING_PX for column in columns]
    assert sum(needed) <= CONTENT_PX


def narrowest_px(tag: str, kind: str, content: str, widths: dict[str, int]) -> int:
    """Return how narrow a cell can get: a class that may break anywhere says, else its longest word does."""
    text = re.sub(r"<[^>]*>", "", content)
    words = [text] if (tag, kind) == ("td", "n") else text.split()
    return widths[kind] if kind in widths else CHARACTER_PX * max(map(len, words), default=0)
