"""The moments that a page asks about, to be answered by key: questions, keys, and what each answer writes."""

from collections.abc import Sequence
from html import escape
from typing import Any, Final

from bridge.text.wording import counted
from replay.vad.study.ask import ANSWERS, Answer, Question
from replay.vad.study.study import Study
from replay.vad.truth.from_words import Agreement, agreement_with
from replay.vad.truth.labels import lines_of

SAID: Final[dict[Answer, str]] = {
    "one": "One turn", "two": "Two turns", "yes": "Yes, the caller", "no": "No", "unsure": "Can\u2019t tell",
}  # fmt: skip
KEYS: Final[dict[Answer, str]] = {"one": "o", "two": "t", "yes": "y", "no": "n", "unsure": "u"}
MOST_WORDS: Final = 60


def asked_in_words(one: Question) -> str:
    """Return the question."""
    if one.kind == "speech":
        return "is this the caller speaking?"
    gap_ms = one.after[0].start_ms - one.before[-1].end_ms
    words = one.words if len(one.words) <= MOST_WORDS else "\u2026" + one.words[1 - MOST_WORDS :]
    said = f" The words before it, \u201c{words}\u201d, look {_looks(one)}." if words else ""
    return f"one turn with a pause of {gap_ms / 1000:.1f} s, or two turns?{said}"


def _looks(one: Question) -> str:
    return {True: "finished", False: "unfinished", None: "like either"}[one.looks_finished]


def asked_data(study: Study, calls: Sequence[int], asked: Sequence[Question]) -> list[dict[str, Any]]:
    """Return the questions for the script: where they are, and what each answer writes into the file of labels."""
    return [
        {
            "call": calls.index(one.call),
            "at": [one.span.start_ms, one.span.end_ms],
            "gap": [one.before[-1].end_ms, one.after[0].start_ms] if one.after else None,
            "text": asked_in_words(one),
            "answers": [
                [KEYS[answer], SAID[answer], lines_of(one.truth(answer, study.recordings[one.call].length_ms),
                                                      study.recordings[one.call])]
                for answer in ANSWERS[one.kind]
            ],
        }
        for one in asked
        if one.call in calls
    ]  # fmt: skip


def asking(study: Study, asked: Sequence[Question]) -> str:
    """Return where the page asks; empty when there is nothing to ask."""
    if not asked:
        return ""
    note = (
        f"{counted(len(asked), 'moment')}, those first whose labels would narrow the answer most. Listen, and press a "
        "key; the next one comes by itself. Save, and put the labels beside the tapes:"
    )
    command = "<code>replay vad labels TAPES --take answers.labels.txt</code>"
    return (
        '<div id="ask" class="card" hidden><h3 id="label">Be surer: label these moments</h3>'
        f'<p class="note">{escape(note)} {command}. {escape(_of_words(study))}</p>'
        '<p><b id="asked" role="status" aria-live="polite"></b></p>'
        '<div class="controls" id="answers"></div><div class="controls">'
        '<button type="button" id="before" title="k">\u2190 before</button>'
        '<button type="button" id="again" title="r">\u25b6 again</button>'
        '<button type="button" id="next" title="j">next \u2192</button>'
        '<button type="button" id="save" title="s" disabled>Save labels</button><span id="done" class="dim"></span>'
        "</div></div>"
    )


def _of_words(study: Study) -> str:
    """Return how far the words alone can be trusted, where somebody labelled calls that have a transcript."""
    told = agreement_with(study.recordings, study.truths)
    return said_of_words(told) if told.answered else "What the words look like is no more than a hint."


def said_of_words(told: Agreement) -> str:
    """Return how the labeller that goes by words did on labelled calls."""
    always = max(told.unfinished, told.asked - told.unfinished)
    return (
        f"What the words look like is a hint: on calls with labels it had an opinion of {told.answered} of "
        f"{told.asked} stops, and was right in {told.right} ({told.right / told.answered:.0%}); always saying the "
        f"commoner would be right in {always / told.asked:.0%}."
    )
