"""What would change, or what a setting gets wrong, moment by moment, as the lists of a study's page."""

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from attrs import frozen

from replay.vad.report.view import View
from replay.vad.study.ask import Question
from replay.vad.study.changes import Change, mistakes
from replay.vad.truth.truth import Turn

MOST_ROWS: Final = 200
"""Moments listed: more than anybody goes through, and 60 kB."""

MOST_CALLS: Final = 40
MOST_DRAWN_MS: Final = 60 * 60_000
"""Calls that can be looked at, and their length together: 125 bytes of base64 a second make 450 kB."""

MOST_WORDS: Final = 60

ROWS: Final = (
    ("cut off", True, "no longer cut off"), ("cut off", False, "newly cut off"),
    ("missed", True, "no longer missed"), ("missed", False, "newly missed"),
    ("false start", True, "false starts that go"), ("false start", False, "false starts that come"),
)  # fmt: skip
WRONG: Final = {"cut off": "turns cut off", "missed": "turns missed", "false start": "false starts"}


@frozen
class Told:
    """The moments that the page tells of: changes, or else what one setting gets wrong.

    calls: those that can be looked at. sound_ms: how much of them can be heard. asked: what a person is asked to label.
    """

    view: View
    moments: tuple[Change, ...]
    is_change: bool
    calls: tuple[int, ...]
    sound_ms: int
    asked: tuple[Question, ...] = ()

    @classmethod
    def of(cls, view: View, sound_ms: int, asked: Sequence[Question] = ()) -> "Told":
        """Choose the moments and the calls with most of them."""
        study = view.study
        moments, is_change = list(study.changes), bool(study.changes)
        setting = view.shown.setting if view.shown else study.current
        if not moments and setting:
            moments = mistakes(study.corpus, study.hearing, setting)
        calls = tuple(_calls(view, moments, asked))
        return cls(view, tuple(moments), is_change, calls, sound_ms, tuple(asked))


def _calls(view: View, moments: Sequence[Change], asked: Sequence[Question]) -> Iterable[int]:
    """Yield the calls that are asked about and those with most moments, as far as there is room; the first anyway."""
    ranked = list(dict.fromkeys(one.call for one in asked))
    ranked += [
        call for call, _ in Counter(moment.call for moment in moments).most_common() if call not in ranked
    ]
    ranked += [call for call in range(len(view.study.recordings)) if call not in set(ranked)]
    room, chosen = MOST_DRAWN_MS, 0
    for call in ranked:
        length_ms = view.study.recordings[call].length_ms
        if chosen < MOST_CALLS and (length_ms <= room or not chosen):
            room, chosen = room - length_ms, chosen + 1
            yield call


def listed(told: Told) -> str:
    """Return the moments as a list, by what becomes of them."""
    if not told.moments:
        return "<h2>What would change</h2><p>Nothing: no turn, reply or noise would be taken otherwise.</p>"
    groups = _groups(told)
    room = _shared([len(own) for _, own in groups], MOST_ROWS)
    body = "".join(_group(told, name, own, most) for (name, own), most in zip(groups, room, strict=True))
    left = len(told.moments) - sum(room)
    rest = f" {left} more are left out of the lists." if left else ""
    body = body.replace("<details", "<details open", 1)
    title = "What would change" if told.is_change else "What it gets wrong"
    text = (
        "Each row is a moment in a call; the time is the one in the file that <code>replay wav</code> writes. A button "
        f"jumps to it in the call below and plays it, as far as its sound is in this page.{rest}"
    )
    return f'<h2>{title}</h2><p class="note">{text}</p>{body}'


def _groups(told: Told) -> list[tuple[str, list[Change]]]:
    if not told.is_change:
        return [(name, [one for one in told.moments if one.kind == kind]) for kind, name in WRONG.items()]
    return [
        (name, [one for one in told.moments if (one.kind, one.is_better) == (kind, is_better)])
        for kind, is_better, name in ROWS
    ]


def _shared(counts: Sequence[int], most: int) -> list[int]:
    """Share out rows so that small groups are whole, and large ones get equal parts of the rest."""
    shares, room = [0] * len(counts), most
    for left, number in enumerate(sorted(range(len(counts)), key=counts.__getitem__)):
        shares[number] = min(counts[number], room // (len(counts) - left))
        room -= shares[number]
    return shares


def _group(told: Told, name: str, own: Sequence[Change], most: int) -> str:
    if not own:
        return ""
    known = sorted(own, key=lambda one: (one.call not in told.calls, one.call, one.ms))[:most]
    rows = "".join(_row(told, one) for one in known)
    rest = (
        f'<p class="dim">{len(own) - most} more are not listed: the page has {MOST_ROWS} rows at most.</p>'
        if len(own) > most else ""
    )  # fmt: skip
    kind = "better" if own[0].is_better else "worse"
    return (
        f'<details class="moments {kind}"><summary>{len(own)} {escape(name)}</summary><div class="wide"><table>'
        f"<tr><th>at<th>call<th>what</tr>{rows}</table></div>{rest}</details>"
    )


def _row(told: Told, moment: Change) -> str:
    recording = told.view.study.recordings[moment.call]
    at = clock(recording.wav_ms(moment.ms))
    name, what = escape(recording.call_id), escape(what_of(told, moment))
    if moment.call in told.calls:
        place = told.calls.index(moment.call)
        at = (
            f'<button type="button" class="go" data-call="{place}" data-ms="{moment.ms}" '
            f'aria-label="Play {name} at {at}">\u25b6 {at}</button>'
        )
    return f'<tr><td class="at">{at}<td class="id">{name}<td>{what}</tr>'


def kind_of(told: Told, moment: Change) -> str:
    """Return what becomes of a moment, for one of its kind."""
    if moment.kind == "false start":
        before = ("false start that goes", "false start that comes") if told.is_change else (moment.kind,) * 2
        return before[not moment.is_better]
    return f"{'no longer' if moment.is_better else 'newly'} {moment.kind}" if told.is_change else moment.kind


def clock(ms: int) -> str:
    """Return a moment as minutes, seconds and tenths."""
    minutes, rest = divmod(max(ms, 0) // 100, 600)
    return f"{minutes}:{rest // 10:02d}.{rest % 10}"


def what_of(told: Told, moment: Change) -> str:
    if moment.kind == "false start":
        spans = told.view.study.truths[moment.call].agent
        speaks = any(span.start_ms <= moment.ms < span.end_ms for span in spans)
        return "noise taken for the caller" + (", while the agent speaks" if speaks else "")
    turn = turn_at(told, moment)
    if turn is None:
        return moment.kind
    kind = "short reply" if turn.is_short else "turn"
    words = turn.words if len(turn.words) <= MOST_WORDS else turn.words[: MOST_WORDS - 1] + "\u2026"
    said = f": \u201c{words}\u201d" if words else ""
    return f"{kind} of {turn.span.length_ms / 1000:.1f} s{said}"


def turn_at(told: Told, moment: Change) -> Turn | None:
    turns = told.view.study.truths[moment.call].turns
    return next((turn for turn in turns if turn.span.start_ms == moment.ms), None)
