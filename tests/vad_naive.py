"""Metrics counted turn by turn and stretch by stretch, for tests: slow, and nothing but the definitions."""

from collections import Counter

from replay.vad.engine.machine import naive_segments
from replay.vad.truth.truth import LONG_PAUSE_MS

WINDOW_MS, EARLY_MS, LATE_MS, CLIPPED_MS, ENDED_WITHIN_MS = 32, 50, 100, 50, 2000


def naive_counts(probabilities, truth, setting, hearing):
    """Return what one setting does to one recording, by the names of `metrics.COUNTS`, and `clipped`."""
    segments = naive_segments(probabilities, setting, hearing)
    found = Counter()
    for turn in truth.turns:
        count_turn(turn, segments, setting, hearing, truth.length_ms, found)
    for one in segments:
        begin, end = one.first * WINDOW_MS, one.end * WINDOW_MS
        near = any(t.span.start_ms - EARLY_MS < end and begin < t.span.end_ms + LATE_MS for t in truth.turns)
        unsure = any(span.start_ms < end and begin < span.end_ms for span in truth.unsure)
        if not near and not unsure:
            said = (one.heard + 1) * WINDOW_MS + hearing.lag_ms
            with_agent = any(span.start_ms <= said < span.end_ms for span in truth.agent)
            found["false_agent" if with_agent else "false_quiet"] += 1
    return found


def count_turn(turn, segments, setting, hearing, length_ms, found):
    span = turn.span
    own = [
        one for one in segments
        if one.end * WINDOW_MS > span.start_ms and one.first * WINDOW_MS < span.end_ms + LATE_MS
    ]  # fmt: skip
    if not own:
        found["missed"] += 1
        found["short_missed"] += turn.is_short
        return
    found["found"] += 1
    stops = [(one.stop + 1) * WINDOW_MS + hearing.lag_ms for one in own if one.stop is not None]
    found["cut"] += any(stop < span.end_ms for stop in stops)
    pauses = [pause for pause in turn.pauses if pause.length_ms >= LONG_PAUSE_MS]
    for number, pause in enumerate(pauses):
        bound = pauses[number + 1].start_ms if number + 1 < len(pauses) else span.end_ms
        found["pauses_cut"] += any(pause.start_ms < stop < bound for stop in stops)
    last, deadline = own[-1], span.end_ms + ENDED_WITHIN_MS
    stop = None if last.stop is None else (last.stop + 1) * WINDOW_MS + hearing.lag_ms
    if stop is not None and span.end_ms <= stop <= deadline:
        found["judged"] += 1
        found["waited_ms"] += stop - span.end_ms
    elif (stop is None or stop > deadline) and deadline <= length_ms:
        found["judged"] += 1
        found["not_ended"] += 1
        found["waited_ms"] += ENDED_WITHIN_MS
    kept_from = (own[0].first + 1) * WINDOW_MS + hearing.lag_ms - setting.prefix_padding_ms
    found["clipped"] += kept_from - span.start_ms > CLIPPED_MS
