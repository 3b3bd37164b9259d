"""The engine in numpy says what the published model says, to 1e-5, on every recording here."""

import numpy as np
import pytest
from vad_recordings import HAS_ALL, RECORDINGS, REFERENCE, samples_of

from replay.sound.silero import probabilities_of_samples


@pytest.fixture(scope="module")
def published():
    with np.load(REFERENCE) as found:
        return dict(found)


@pytest.mark.skipif(not HAS_ALL, reason="the recordings are in the repository")
def test_the_reference_covers_every_recording(published):
    assert sorted(published) == sorted(path.name for path in RECORDINGS)
    assert sum(map(len, published.values())) > 10_000


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_probabilities_are_those_of_the_published_model(path, published):
    np.testing.assert_allclose(probabilities_of_samples(samples_of(path)), published[path.name], atol=1e-5)
