"""How values are said on a page."""

from datetime import datetime, timedelta, timezone

import pytest

from bridge.console.words import around, length, marked, moment, money, seconds, seen, whole


def test_what_is_not_known_is_a_dash() -> None:
    assert {seconds(None), length(None), money(None), whole(None), str(moment(None))} == {"\u2013"}


def test_lengths_have_hours_where_there_are_some() -> None:
    assert [length(ms) for ms in (0, 59_600, 3_600_000)] == ["0:00", "1:00", "1:00:00"]


def test_a_moment_is_utc_and_says_so_unless_the_head_of_its_column_does() -> None:
    said = str(moment(datetime(2026, 11, 28, 1, 2, 3)))
    assert said == '<time datetime="2026-11-28T01:02:03+00:00">28 Nov 01:02 UTC</time>'
    assert ">28 Nov 01:02<" in moment(datetime(2026, 11, 28, 1, 2, 3), "")
    elsewhere = timezone(timedelta(hours=-5))
    assert ">27 Nov 20:02 UTC<" in moment(datetime(2026, 11, 27, 15, 2, 3, tzinfo=elsewhere))


@pytest.mark.parametrize("text", ["<b>", "a\u202eb", "\x1b[31m", 'x" onclick="y'])
def test_text_of_strangers_is_text(text: str) -> None:
    assert "<b>" not in marked(text, "b")
    assert "\u202e" not in seen(text)
    assert "\x1b" not in marked(text, "31")


def test_words_are_marked_wherever_they_stand() -> None:
    assert (
        marked("A table. Tables & chairs.", "table")
        == "A <mark>table</mark>. <mark>Table</mark>s &amp; chairs."
    )
    assert marked("\u0130stanbul", "stan") == "\u0130stanbul"  # its small form is longer


def test_a_long_text_is_cut_round_the_word_that_was_looked_for() -> None:
    cut = around("x " * 200 + "zeppelin" + " y" * 200, "zeppelin")
    assert "zeppelin" in cut
    assert len(cut) <= 142
    assert (cut[0], cut[-1]) == ("\u2026", "\u2026")
