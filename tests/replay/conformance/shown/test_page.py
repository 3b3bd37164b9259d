"""The page of a report card: what a caller would notice first, self-contained, and safe with whatever a bridge says."""

import re

from attrs import evolve
from report_cards import CLEAR, HEARD, SIGNED, a_card

from replay.conformance.card import Finding
from replay.conformance.shown.page import page


def test_what_a_caller_notices_stands_before_anything_else() -> None:
    text = page(a_card())
    first = text.index("The agent believes it has said what nobody heard")
    assert (
        text.index("1 thing goes wrong in its calls")
        < first
        < text.index("Every check, and how others do it")
    )
    assert "It talks on over the caller" not in text  # that passed


def test_both_lines_that_prove_a_failure_lead_to_their_places_in_the_log() -> None:
    text = page(a_card())
    proofs = re.findall(r'<a href="#(call-1-\d+)"><code>([^<]*)</code></a>', text)
    assert [told for _, told in proofs] == [
        "clear 3100 ms unheard",
        "client says item item_4 was heard for 7620 ms",
    ]
    for anchor, told in proofs:
        assert re.search(rf'<li id="{anchor}" class="\w+ proof">.*{told}</span></li>', text)


def test_evidence_that_the_log_does_not_have_stands_in_it_all_the_same() -> None:
    assert page(a_card()).count("client says item item_4 was heard for 7620 ms</span></li>") == 2


def test_a_check_that_failed_in_no_call_is_shown_too() -> None:
    text = page(a_card(Finding("signature-checked", "", "failed", "a stranger was let in", CLEAR)))
    assert "Nothing, until strangers ring at the owner&#39;s cost" in text
    assert "clear 3100 ms unheard" in text


def test_what_could_not_be_told_is_said_plainly() -> None:
    text = page(a_card())
    assert "it was rung at its media socket, without a webhook" in text
    assert "Nothing could be told: this is no good card, only an empty one" in page(
        evolve(a_card(), findings=())
    )
    assert "Callers are treated well" in page(a_card(Finding(HEARD.name, "no-audio", "passed", "so")))


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    text = page(evolve(a_card(), url="ws://127.0.0.1:1/"))
    assert not [
        word for word in ("<script", "http://", "https://", "@import", "url(", " style=") if word in text
    ]
    assert "default-src &#39;none&#39;; style-src &#39;sha256-" in text


def test_words_of_strangers_stay_words() -> None:
    card = evolve(a_card(), notes=("<script>alert(1)</script>\x1b[2J",), bridge="</title><b>")
    text = page(card)
    assert "<script" not in text
    assert "</title><b>" not in text
    assert "\x1b" not in text
    assert "Stop, stop. &lt;b&gt;Wait&lt;/b&gt;" in text


def test_every_check_says_how_others_do_it() -> None:
    assert SIGNED.others_do[1:] in page(a_card())
