"""The engine in numpy says what the published model says, to 1e-5, on every recording here, in both branches."""

import numpy as np
import pytest
from vad_recordings import HAS_ALL, RECORDINGS, REFERENCE, key_of, samples_of

from replay.sound.silero import probabilities_of_samples
from replay.sound.silero_network import BRANCHES


@pytest.fixture(scope="module")
def published():
    with np.load(REFERENCE) as found:
        return dict(found)


@pytest.mark.skipif(not HAS_ALL, reason="the recordings are in the repository")
def test_the_reference_covers_every_recording(published):
    assert sorted(published) == sorted(key_of(path, branch) for path in RECORDINGS for branch in BRANCHES)
    assert sum(map(len, published.values())) > 20_000


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_probabilities_are_those_of_the_published_model(path, branch, published):
    found = probabilities_of_samples(samples_of(path, branch), branch=branch)
    np.testing.assert_allclose(found, published[key_of(path, branch)], atol=1e-5)
