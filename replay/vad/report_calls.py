"""What would change, moment by moment, and the calls that it happens in: drawn and played by the page's script."""

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final

import numpy as np
from attrs import frozen

from bridge.audio import LINEAR, bytes_of
from replay.vad.machine import Ints, Setting, runs_of, segments_of, silence_windows
from replay.vad.metrics import outcome_of
from replay.vad.recommend import Change, mistakes
from replay.vad.recording import Recording
from replay.vad.report_charts import View
from replay.vad.silero import WINDOW_MS
from replay.vad.truth import Span, Turn

MOST_ROWS: Final = 200
"""Moments listed: more than anybody goes through, and 60 kB."""

MOST_CALLS: Final = 40
MOST_DRAWN_MS: Final = 60 * 60_000
"""Calls that can be looked at, and their length together: 125 bytes of base64 a second make 450 kB."""

MOST_AUDIO_MS: Final = 10 * 60_000
"""Sound in the page: 10.7 kB of base64 a second, so 6.4 MB of the page are sound."""

BEFORE_MS: Final = 3000
AFTER_MS: Final = 4000
"""Sound kept around a moment, where a call is too long to keep all of it."""

MOST_WORDS: Final = 60
MOST_PLACES: Final = 500

ROWS: Final = (
    ("cut off", True, "no longer cut off"), ("cut off", False, "newly cut off"),
    ("missed", True, "no longer missed"), ("missed", False, "newly missed"),
    ("false start", True, "false starts that go"), ("false start", False, "false starts that come"),
)  # fmt: skip
WRONG: Final = {"cut off": "turns cut off", "missed": "turns missed", "false start": "false starts"}


@frozen
class Told:
    """The moments that the page tells of: changes, or else what one setting gets wrong; `calls` can be looked at."""

    view: View
    moments: tuple[Change, ...]
    is_change: bool
    calls: tuple[int, ...]

    @classmethod
    def of(cls, view: View) -> "Told":
        """Choose the moments and the calls with most of them."""
        study = view.study
        moments, is_change = list(study.changes), bool(study.changes)
        setting = view.shown.setting if view.shown else study.current
        if not moments and setting:
            moments = mistakes(study.corpus, study.hearing, setting)
        return cls(view, tuple(moments), is_change, tuple(_calls(view, moments)))


def _calls(view: View, moments: Sequence[Change]) -> Iterable[int]:
    """Yield the calls with most moments, as far as there is room; the first whatever its length."""
    ranked = [call for call, _ in Counter(moment.call for moment in moments).most_common()]
    ranked += [call for call in range(len(view.study.recordings)) if call not in set(ranked)]
    room, chosen = MOST_DRAWN_MS, 0
    for call in ranked:
        length_ms = view.study.recordings[call].length_ms
        if chosen < MOST_CALLS and (length_ms <= room or not chosen):
            room, chosen = room - length_ms, chosen + 1
            yield call


# ---------------------------------------------------------------- the list


def listed(told: Told) -> str:
    """Return the moments as a list, by what becomes of them."""
    if not told.moments:
        return "<h2>What would change</h2><p>Nothing: no turn, reply or noise would be taken otherwise.</p>"
    groups = _groups(told)
    room = _shared([len(own) for _, own in groups], MOST_ROWS)
    body = "".join(_group(told, name, own, most) for (name, own), most in zip(groups, room, strict=True))
    left = len(told.moments) - sum(room)
    rest = f" {left} more are left out of the lists." if left else ""
    title = "What would change" if told.is_change else "What it gets wrong"
    text = (
        "Each row is a moment in a call; the time is the one in the file that <code>replay wav</code> writes. A button "
        f"jumps to it in the call below and plays it.{rest}"
    )
    counts = " · ".join(f"<b>{len(own)}</b> {escape(name)}" for name, own in groups if own)
    return f'<h2>{title}</h2><p class="counts">{counts}</p><p class="note">{text}</p>{body}'


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
    name, what = escape(recording.call_id), escape(_what(told, moment))
    if moment.call in told.calls:
        place = told.calls.index(moment.call)
        at = (
            f'<button type="button" class="go" data-call="{place}" data-ms="{moment.ms}" '
            f'aria-label="Play {name} at {at}">\u25b6 {at}</button>'
        )
    return f'<tr><td class="at">{at}<td class="id">{name}<td>{what}</tr>'


def _kind(told: Told, moment: Change) -> str:
    """Return what becomes of a moment, for one of its kind."""
    if moment.kind == "false start":
        before = ("false start that goes", "false start that comes") if told.is_change else (moment.kind,) * 2
        return before[not moment.is_better]
    return f"{'no longer' if moment.is_better else 'newly'} {moment.kind}" if told.is_change else moment.kind


def clock(ms: int) -> str:
    """Return a moment as minutes, seconds and tenths."""
    minutes, rest = divmod(max(ms, 0) // 100, 600)
    return f"{minutes}:{rest // 10:02d}.{rest % 10}"


def _what(told: Told, moment: Change) -> str:
    if moment.kind == "false start":
        spans = told.view.study.truths[moment.call].agent
        speaks = any(span.start_ms <= moment.ms < span.end_ms for span in spans)
        return "noise taken for the caller" + (", while the agent speaks" if speaks else "")
    turn = _turn_at(told, moment)
    if turn is None:
        return moment.kind
    kind = "short reply" if turn.is_short else "turn"
    words = turn.words if len(turn.words) <= MOST_WORDS else turn.words[: MOST_WORDS - 1] + "\u2026"
    said = f": \u201c{words}\u201d" if words else ""
    return f"{kind} of {turn.span.length_ms / 1000:.1f} s{said}"


def _turn_at(told: Told, moment: Change) -> Turn | None:
    turns = told.view.study.truths[moment.call].turns
    return next((turn for turn in turns if turn.span.start_ms == moment.ms), None)


# ---------------------------------------------------------------- the calls


def calls_data(told: Told) -> list[dict[str, Any]]:
    """Return the calls that can be looked at, for the script: what was heard, what is true, what settings decide."""
    study = told.view.study
    settings = {
        "now": told.view.now.setting if told.view.now else None if told.view.shown else study.current,
        "then": told.view.shown.setting if told.view.shown else None,
    }
    decided = {name: _decisions(told.view, setting) for name, setting in settings.items() if setting}
    sounds = _sounds(told)
    return [_call(told, call, decided, sounds[call]) for call in told.calls]


def _call(told: Told, call: int, decided: dict[str, list[list[int]]], sounds: list[Span]) -> dict[str, Any]:
    study = told.view.study
    recording, truth = study.recordings[call], study.truths[call]
    return {
        "name": recording.call_id,
        "length": recording.length_ms,
        "wave": _base64(_envelope(recording.audio)),
        "p": _base64(np.round(study.probabilities[call] * 255).astype(np.uint8).tobytes()),
        "turns": [[*_pair(turn.span), [_pair(pause) for pause in turn.pauses]] for turn in truth.turns],
        "agent": [_pair(span) for span in truth.agent],
        "unsure": [_pair(span) for span in truth.unsure],
        "server": _server(recording),
        "wav": _places(recording),
        "moments": [
            [one.ms, one.kind, int(one.is_better), _what(told, one)]
            for one in told.moments
            if one.call == call
        ],
        "sound": [
            [span.start_ms, _base64(recording.audio[bytes_of(span.start_ms) : bytes_of(span.end_ms)])]
            for span in sounds
        ],
        **{name: [row[1:] for row in rows if row[0] == call] for name, rows in decided.items()},
    }


def _pair(span: Span) -> list[int]:
    return [span.start_ms, span.end_ms]


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")


_LINEAR: Final = (np.array(LINEAR) // 256).astype(np.int8)


def _envelope(audio: bytes) -> bytes:
    """Return the least and the greatest sample of each window of 32 ms, as pairs of signed bytes."""
    window = bytes_of(WINDOW_MS)
    samples = _LINEAR[np.frombuffer(audio[: len(audio) // window * window], np.uint8)].reshape(-1, window)
    return np.stack((samples.min(axis=1), samples.max(axis=1)), axis=1).tobytes() if len(samples) else b""


def _server(recording: Recording) -> list[list[list[int]]]:
    """Return each session's turns as the server told them: start, and stop or -1."""
    return [
        [
            [heard.starts_at_ms + turn.start_ms, -1 if turn.stop_ms is None else heard.starts_at_ms + turn.stop_ms]
            for turn in heard.turns
        ]
        for heard in recording.heard
        if heard.turns
    ]  # fmt: skip


def _places(recording: Recording) -> list[list[int]]:
    """Return where the file of `replay wav` gets ahead of the audio, or falls behind it: (audio ms, wav ms)."""
    audio, wav = recording.places
    if not len(audio):
        return [[0, 0]]
    jumps = np.flatnonzero(np.diff(wav - audio, prepend=wav[0] - audio[0] - 1))
    return [[int(audio[place]), int(wav[place])] for place in jumps[:MOST_PLACES]]


def _decisions(view: View, setting: Setting) -> list[list[int]]:
    """Return (call, first sound, start announced, last sound, stop or -1, whether it is a false start) of each."""
    study = view.study
    corpus, hearing = study.corpus, study.hearing
    marks = hearing.threshold(setting.threshold), hearing.release(setting.threshold)
    runs = runs_of(corpus.track, *marks, hearing.start_windows)
    found = segments_of(runs, silence_windows(setting.silence_duration_ms))
    outcome = outcome_of(corpus, found, hearing.lag_ms)
    call: Ints = np.searchsorted(corpus.track.begins, found.first, side="right") - 1
    base = corpus.track.begins[call] * WINDOW_MS
    stop = np.where(found.stop < 0, -1, outcome.stop_ms - base)
    columns = (call, found.first * WINDOW_MS - base, outcome.start_ms - base, found.end * WINDOW_MS - base, stop,
               outcome.is_false.astype(np.int64))  # fmt: skip
    table: list[list[int]] = np.stack(columns, axis=1).tolist()
    return table


def _sounds(told: Told) -> dict[int, list[Span]]:
    """Choose what can be played: first what is around the moments, then whole calls, up to ten minutes in all."""
    chosen: dict[int, list[Span]] = {call: [] for call in told.calls}
    room = MOST_AUDIO_MS
    for call in told.calls:
        for span in _joined(_around(told, moment) for moment in told.moments if moment.call == call):
            if span.length_ms <= room:
                chosen[call].append(span)
                room -= span.length_ms
    for call in told.calls:
        length_ms = told.view.study.recordings[call].length_ms
        more = length_ms - sum(span.length_ms for span in chosen[call])
        if 0 < more <= room:
            chosen[call], room = [Span(0, length_ms)], room - more
    return chosen


def _around(told: Told, moment: Change) -> Span:
    turn = None if moment.kind == "false start" else _turn_at(told, moment)
    over_ms = turn.span.end_ms if turn else moment.ms
    length_ms = told.view.study.recordings[moment.call].length_ms
    start_ms = max(0, min(moment.ms - BEFORE_MS, length_ms - 1))
    return Span(start_ms, max(start_ms + 1, min(over_ms + AFTER_MS, length_ms)))


def _joined(spans: Iterable[Span]) -> list[Span]:
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.start_ms <= found[-1].end_ms:
            found[-1] = Span(found[-1].start_ms, max(found[-1].end_ms, span.end_ms))
        else:
            found.append(span)
    return found


def timeline(told: Told) -> str:
    """Return the place where the script draws one call, with its buttons."""
    study = told.view.study
    sounds = _sounds(told)
    seconds = sum(span.length_ms for own in sounds.values() for span in own) // 1000
    options = "".join(
        f'<option value="{place}">{escape(study.recordings[call].call_id)} \u00b7 '
        f"{clock(study.recordings[call].length_ms)} \u00b7 {_moments(told, call)}</option>"
        for place, call in enumerate(told.calls)
    )
    note = (
        f"{len(told.calls)} of {len(study.recordings)} calls can be looked at here, those with most moments first; "
        f"{seconds // 60} min {seconds % 60} s of sound are in this page (10 min at most). You hear the caller alone, "
        "as the model did. Click to play from there; drag to move; Ctrl and the wheel to zoom."
    )
    buttons = "".join(
        f'<button type="button" id="{name}"{title}>{text}</button>'
        for name, title, text in (
            ("play", "", "\u25b6 Play"),
            ("back", "", "\u2190 moment"),
            ("on", "", "moment \u2192"),
            ("nearer", ' aria-label="Zoom in"', "+"),
            ("further", ' aria-label="Zoom out"', "\u2212"),
            ("whole", "", "Whole call"),
        )
    )
    return (
        f'<h2 id="one">A call, moment by moment</h2><p class="note">{escape(note)}</p>'
        f'<div class="controls"><label>Call <select id="call">{options}</select></label>{buttons}</div>'
        '<p id="where" role="status" aria-live="polite"></p>'
        '<canvas id="overview" height="34" aria-hidden="true"></canvas>'
        '<canvas id="timeline" height="396" tabindex="0" role="img" aria-label="The call over time. Arrow keys move, '
        f'plus and minus zoom, the space bar plays."></canvas>{_key(told)}'
    )


def _moments(told: Told, call: int) -> str:
    count = sum(moment.call == call for moment in told.moments)
    return f"{count} moment" if count == 1 else f"{count} moments"


def _key(told: Told) -> str:
    entries = (
        ("turn", "caller speaks (truth)"), ("pause", "pause in a turn"), ("unsure", "nobody knows"),
        ("decided", "taken for a turn"), ("cut", "stops within a turn"), ("false", "false start"),
    )  # fmt: skip
    return (
        '<div class="legend key">' + "".join(f'<span><i class="{kind}"></i>{name}</span>' for kind, name in entries)
        + "</div>"
    )  # fmt: skip
