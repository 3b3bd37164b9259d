"""The vectorised machine finds what the one that goes window by window finds, whatever it is given."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.vad.engine.machine import (
    Hearing,
    Segment,
    Setting,
    Track,
    naive_segments,
    runs_of,
    segments_of,
    silence_windows,
)

LEVELS = (0.0, 0.1, 0.3, 0.36, 0.45, 0.5, 0.52, 0.6, 0.9, 1.0)
"""Values on, between and just beside the marks that are drawn below."""

recordings = st.lists(
    st.lists(st.tuples(st.sampled_from(LEVELS), st.integers(1, 30)), max_size=25), min_size=1, max_size=4
)
machines = st.builds(
    Hearing,
    shift=st.sampled_from([-0.2, 0.0, 0.15]),
    slope=st.sampled_from([0.8, 1.0]),
    hysteresis=st.sampled_from([0.0, 0.05, 0.15, 0.4]),
    start_windows=st.integers(1, 4),
)
wanted = st.builds(Setting, st.sampled_from([0.3, 0.45, 0.5, 0.6, 0.9]), st.integers(0, 1200))


def fast_segments(recordings, setting, hearing):
    track = Track.of(recordings)
    runs = runs_of(
        track, hearing.threshold(setting.threshold), hearing.release(setting.threshold), hearing.start_windows
    )
    found = segments_of(runs, silence_windows(setting.silence_duration_ms))
    of = np.searchsorted(track.begins, found.first, side="right") - 1
    lists = [[] for _ in recordings]
    for n, first, heard, end, stop in zip(of, found.first, found.heard, found.end, found.stop, strict=True):
        base = track.begins[n]
        lists[n].append(Segment(first - base, heard - base, end - base, None if stop < 0 else stop - base))
    return lists


@settings(max_examples=1000)
@given(recordings, wanted, machines)
def test_a_thousand_settings_and_recordings_are_heard_alike_by_both_machines(drawn, setting, hearing):
    audio = [
        np.array([level for level, length in one for _ in range(length)], dtype=np.float32) for one in drawn
    ]
    assert fast_segments(audio, setting, hearing) == [naive_segments(one, setting, hearing) for one in audio]
