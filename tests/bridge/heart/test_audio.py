"""Where a voice pauses, as the heart hears it."""

import pytest
from heart import voice

from bridge.heart.audio import bytes_of, next_pause, silence


@pytest.mark.parametrize("breath_ms", [120, 200, 900])
def test_a_pause_between_words_is_found_with_a_beginning_of_it(breath_ms: int) -> None:
    assert next_pause(voice(700) + silence(breath_ms) + voice(500)) == bytes_of(820)


@pytest.mark.parametrize(
    "audio", [b"", voice(2000), (voice(300) + silence(60)) * 5], ids=["none", "long", "within"]
)
def test_a_breath_within_a_word_is_no_pause(audio: bytes) -> None:
    assert next_pause(audio) is None


def test_silence_is_a_pause_from_its_beginning() -> None:
    assert next_pause(silence(1000)) == bytes_of(120)
