"""The calls that a study's page can show: what was heard, true and decided in each, drawn and played by its script."""

from base64 import b64encode
from collections.abc import Iterable
from html import escape
from typing import Any, Final

import numpy as np

from bridge.heart.audio import bytes_of
from bridge.sound.g711 import LINEAR
from replay.sound.silero_network import WINDOW_MS
from replay.vad.engine.machine import Ints, Setting, runs_of, segments_of, silence_windows
from replay.vad.report.asking import asking
from replay.vad.report.moments import Told, clock, kind_of, turn_at, what_of
from replay.vad.report.view import View
from replay.vad.study.changes import Change
from replay.vad.study.metrics import outcome_of
from replay.vad.truth.recording import Recording
from replay.vad.truth.truth import Span

MOST_AUDIO_MS: Final = 10 * 60_000
"""Sound in the page: 10.7 kB of base64 a second, so 6.4 MB of the page are sound."""

BEFORE_MS: Final = 3000
AFTER_MS: Final = 4000
"""Sound kept around a moment, where a call is too long to keep all of it."""

MOST_PLACES: Final = 500


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
            [one.ms, int(one.is_better), f"{kind_of(told, one)}: {what_of(told, one)}"]
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
        if heard.turns and heard.setting is not None
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
    room = told.sound_ms
    for call in told.calls:
        asked = [_wider(told, one.call, one.span) for one in told.asked if one.call == call]
        for span in _joined(
            [*asked, *(_around(told, moment) for moment in told.moments if moment.call == call)]
        ):
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
    turn = None if moment.kind == "false start" else turn_at(told, moment)
    return _wider(
        told, moment.call, Span(moment.ms, max(moment.ms + 1, turn.span.end_ms if turn else moment.ms))
    )


def _wider(told: Told, call: int, span: Span) -> Span:
    """Return a span with what is heard around it."""
    length_ms = told.view.study.recordings[call].length_ms
    start_ms = max(0, min(span.start_ms - BEFORE_MS, length_ms - 1))
    return Span(start_ms, max(start_ms + 1, min(span.end_ms + AFTER_MS, length_ms)))


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
        f"{asking(study, told.asked)}"
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
        ("silent", "no sound of this in the page"),
    )  # fmt: skip
    return (
        '<div class="legend key">' + "".join(f'<span><i class="{kind}"></i>{name}</span>' for kind, name in entries)
        + "</div>"
    )  # fmt: skip
