"""The engine in numpy: the same numbers however the audio comes, and the state policies do what they say."""

import numpy as np
import pytest

from bridge.heart.audio import silence
from replay.sound.clips import clip
from replay.sound.ears import Ear
from replay.sound.silero import WINDOW_BYTES, Listener, probabilities
from replay.sound.silero_network import POLICIES
from replay.vad.engine.cache import Cache

SPEECH = silence(700) + clip("caller_table").audio + silence(900) + clip("caller_yes").audio + silence(500)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("piece", [1, 160, 1000, 70_000])
def test_audio_in_pieces_gives_the_numbers_of_the_whole(policy, piece):
    listener = Listener(policy)
    audio = SPEECH * (4 if piece > 1 else 1)
    found = [listener.hear(audio[start : start + piece]) for start in range(0, len(audio), piece)]
    together = np.concatenate([*found, listener.finish()])
    np.testing.assert_allclose(together, probabilities(audio, policy), atol=1e-5)


def test_there_is_a_probability_for_each_whole_window():
    for extra in (0, 1, WINDOW_BYTES - 1):
        assert len(probabilities(silence(3200) + b"\xff" * extra)) == 100
    assert len(probabilities(b"")) == 0


def test_speech_is_heard_and_silence_is_not():
    found = probabilities(SPEECH)
    assert found[:20].max() < 0.1
    assert found[25:60].max() > 0.9


def test_a_reset_empties_the_memory_in_quiet_and_only_then():
    quiet, speech = silence(10_000), clip("caller_table").audio
    after_quiet = {policy: probabilities(quiet + speech, policy) for policy in POLICIES}
    assert not np.array_equal(after_quiet["carry"], after_quiet["reset"])
    assert np.array_equal(
        probabilities(speech, "carry"), probabilities(speech, "reset")
    )  # no quiet of 2 s in it


def test_what_was_heard_is_kept_by_audio_engine_and_ear(tmp_path):
    cache, found = Cache(tmp_path), probabilities(SPEECH)
    cache.put(SPEECH, Ear(), found)
    np.testing.assert_array_equal(cache.get(SPEECH, Ear()), found)
    assert cache.get(SPEECH, Ear(policy="reset")) is None
    assert cache.get(SPEECH + b"\xff", Ear()) is None


def test_a_torn_file_of_the_cache_is_not_believed(tmp_path):
    cache = Cache(tmp_path)
    cache.put(SPEECH, Ear(), probabilities(SPEECH))
    (path,) = tmp_path.rglob("*.f32")
    path.write_bytes(path.read_bytes()[:-4])
    assert cache.get(SPEECH, Ear()) is None
