"""The VAD lab: turn detection tried on recorded callers, offline. docs/vad.md shows it from a notebook.

Everywhere: audio is µ-law at 8 kHz, one byte a sample; probabilities are float32 from 0 to 1, one for each window of
32 ms; times are whole ms of the audio that the model was given; shares are from 0 to 1.
"""

from bridge.settings.turn_detection import TurnBudget
from replay.sound.ears import EARS, Ear, listened
from replay.sound.silero import Listener, probabilities
from replay.vad.compose.compose import ComposedCall, Recipe, compose
from replay.vad.engine.machine import Hearing, Segment, Setting, naive_segments
from replay.vad.report.page import page
from replay.vad.study.agreement import Case, cases_of
from replay.vad.study.ask import Question, questions
from replay.vad.study.calibrate import Calibration, calibrate
from replay.vad.study.changes import changes
from replay.vad.study.observed import Observed, observed
from replay.vad.study.recommend import Recommendation, recommend
from replay.vad.study.study import Plan, Study, read_recordings, study
from replay.vad.study.sweep import Grid, Sweep, sweep
from replay.vad.study.tables import as_json, write_parquet
from replay.vad.truth.corpus import Corpus
from replay.vad.truth.derive import derive
from replay.vad.truth.labels import read_labels, write_labels
from replay.vad.truth.recording import Recording, read_recording
from replay.vad.truth.truth import Span, Truth, Turn

__all__ = [
    "EARS",
    "Calibration",
    "Case",
    "ComposedCall",
    "Corpus",
    "Ear",
    "Grid",
    "Hearing",
    "Listener",
    "Observed",
    "Plan",
    "Question",
    "Recipe",
    "Recommendation",
    "Recording",
    "Segment",
    "Setting",
    "Span",
    "Study",
    "Sweep",
    "Truth",
    "Turn",
    "TurnBudget",
    "as_json",
    "calibrate",
    "cases_of",
    "changes",
    "compose",
    "derive",
    "listened",
    "naive_segments",
    "observed",
    "page",
    "probabilities",
    "questions",
    "read_labels",
    "read_recording",
    "read_recordings",
    "recommend",
    "study",
    "sweep",
    "write_labels",
    "write_parquet",
]
