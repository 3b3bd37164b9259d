"""Studies that come to each thing a study can come to, by their numbers."""

from typing import Any

from attrs import evolve
from vad_studies import HARD, a_study

from bridge.settings.turn_detection import SemanticVad, TurnBudget
from replay.vad.engine.machine import Setting
from replay.vad.study.observed import observed
from replay.vad.study.recommend import recommend
from replay.vad.study.status import status_of
from replay.vad.study.study import Study
from replay.vad.study.sweep import METRICS
from replay.vad.truth.recording import Heard, ServerTurn


def concluded(study: Study, **asked: Any) -> Study:
    """Return the study as `study` would conclude it from its numbers, at these thresholds known."""
    budget = study.recommendation.budget
    found = recommend(study.sweep, budget, study.current, **asked)
    status, why = status_of("", study.sweep, found, study.observed)
    return evolve(study, recommendation=found, status=status, why=why)


def with_server(study: Study, setting: Setting | SemanticVad, late_ms: int, leg: str = "openai_ws") -> Study:
    """Return the study of calls in which a server heard every turn, and told its end so late."""
    recordings = [
        evolve(
            one,
            heard=(
                Heard(
                    setting,
                    tuple(
                        ServerTurn(turn.span.start_ms, turn.span.end_ms, str(number), None, turn.span.start_ms + 300,
                                   turn.span.end_ms + late_ms)
                        for number, turn in enumerate(truth.turns)
                    ),
                    leg,
                ),
            ),
        )
        for one, truth in zip(study.recordings, study.truths, strict=True)
    ]  # fmt: skip
    told = observed(recordings, study.probabilities, study.truths, study.hearing, resamples=50)
    return evolve(study, recordings=tuple(recordings), observed=told)


def drowned(study: Study) -> Study:
    """Return the study as one of calls through which somebody else is heard."""
    truths = tuple(evolve(truth, source="derived") for truth in study.truths)
    return evolve(study, truths=truths, sweep=evolve(study.sweep, unknown=frozenset(METRICS)))


BESIDES = {
    "change": lambda: concluded(a_study(calls=24)),
    "keep": lambda: concluded(a_study(calls=24, status="keep")),
    "impossible": lambda: concluded(a_study(calls=24, budget=HARD)),
    "beyond": lambda: concluded(a_study(calls=24, budget=TurnBudget(15, 10, 40)), known=(0.3, 0.5)),
    "blind": lambda: concluded(a_study(calls=24, pauses=False)),
    "drowned": lambda: concluded(drowned(a_study(calls=24))),
    "semantic": lambda: concluded(with_server(a_study(calls=24, current=None), SemanticVad(), 400)),
}
