"""What a study found as tables: for JSON, for Parquet, and for notebooks that read either."""

from collections.abc import Iterator, Mapping, Sequence
from math import isinf, isnan
from pathlib import Path
from typing import Any, Final, TypeAlias

import duckdb
import numpy as np
from attrs import asdict

from bridge.settings.turn_detection import SemanticVad
from replay.sound.silero_network import WINDOW_MS
from replay.tapes.beside import written_beside
from replay.vad.study.observed import Observed
from replay.vad.study.study import Study
from replay.vad.study.sweep import CLIPPED, METRICS, Measured, Sweep

Columns: TypeAlias = Mapping[str, np.ndarray[Any, Any]]
TABLES: Final = ("settings", "calls", "turns", "changes", "probabilities")


def write_parquet(study: Study, folder: Path) -> Iterator[tuple[Path, int]]:
    """Write settings, calls, turns, changes and probabilities into a folder, a Parquet file each, one row a thing.

    Yields each file, once it is there, with its number of rows: nothing is written that is not iterated over. Raises
    `OSError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    makers = (settings_table(study.sweep), calls_table(study), turns_table(study), changes_table(study),
              probabilities_table(study))  # fmt: skip
    with duckdb.connect() as connection:
        for name, columns in zip(TABLES, makers, strict=True):
            path = folder / f"{name}.parquet"
            with written_beside(path) as part:
                _copy(connection, columns, part)
            yield path, len(next(iter(columns.values())))


def _copy(connection: duckdb.DuckDBPyConnection, columns: Columns, path: Path) -> None:
    names = ", ".join(f'unnest(?) as "{name}"' for name in columns)
    values = [column.tolist() for column in columns.values()]
    target = str(path).replace("'", "''")
    try:
        connection.execute(f"copy (select {names}) to '{target}' (format parquet)", values)
    except duckdb.IOException as error:
        raise OSError(str(error)) from None


def settings_table(sweep: Sweep) -> Columns:
    """Return a row for each setting of the grid: its three values, and each metric with `_low` and `_high`.

    Shares are from 0 to 1, times in ms; NaN where nothing could be counted.
    """
    grid = sweep.grid
    shape = (len(grid.thresholds), len(grid.silences_ms), len(grid.prefixes_ms))
    axes = np.meshgrid(grid.thresholds, grid.silences_ms, grid.prefixes_ms, indexing="ij")
    names = ("threshold", "silence_duration_ms", "prefix_padding_ms")
    table = {name: axis.ravel() for name, axis in zip(names, axes, strict=True)}
    for metric in METRICS:
        for side, ending in ((sweep.values, ""), (sweep.low, "_low"), (sweep.high, "_high")):
            array = side[metric] if metric == CLIPPED else side[metric][..., None]
            table[metric + ending] = np.broadcast_to(array, shape).ravel().astype(np.float64)
    return table


def calls_table(study: Study) -> Columns:
    """Return a row for each recording: its call id, tape, length, turns, and where its truth comes from."""
    return {
        "call_id": np.array([one.call_id for one in study.recordings]),
        "tape": np.array([one.path for one in study.recordings]),
        "length_ms": np.array([one.length_ms for one in study.recordings]),
        "turns": np.array([len(truth.turns) for truth in study.truths]),
        "truth": np.array([truth.source for truth in study.truths]),
        "noise_reduction": np.array([one.noise_reduction for one in study.recordings]),
    }


def turns_table(study: Study) -> Columns:
    """Return a row for each turn of a caller's: call id, start and end in ms of audio, whether it is short."""
    turns = [(one.call_id, turn) for one, truth in zip(study.recordings, study.truths, strict=True)
             for turn in truth.turns]  # fmt: skip
    return {
        "call_id": np.array([call for call, _ in turns]),
        "start_ms": np.array([turn.span.start_ms for _, turn in turns]),
        "end_ms": np.array([turn.span.end_ms for _, turn in turns]),
        "pauses": np.array([len(turn.pauses) for _, turn in turns]),
        "is_short": np.array([turn.is_short for _, turn in turns]),
        "words": np.array([turn.words for _, turn in turns]),
    }


def changes_table(study: Study) -> Columns:
    """Return a row for each moment that the recommended setting would change; wav_ms is its place in `replay wav`."""
    rows = [(study.recordings[change.call], change) for change in study.changes]
    return {
        "call_id": np.array([one.call_id for one, _ in rows]),
        "tape": np.array([one.path for one, _ in rows]),
        "ms": np.array([change.ms for _, change in rows]),
        "wav_ms": np.array([one.wav_ms(change.ms) for one, change in rows]),
        "kind": np.array([change.kind for _, change in rows]),
        "is_better": np.array([change.is_better for _, change in rows]),
    }


def probabilities_table(study: Study) -> Columns:
    """Return a row for each window of 32 ms of each recording: its start in ms of audio, and the speech probability."""
    lengths = [len(one) for one in study.probabilities]
    return {
        "call_id": np.repeat([one.call_id for one in study.recordings], lengths),
        "start_ms": np.concatenate([np.arange(length) * WINDOW_MS for length in lengths]),
        "probability": np.concatenate(study.probabilities).astype(np.float64),
    }


# ---------------------------------------------------------------- JSON


def as_json(study: Study) -> dict[str, Any]:
    """Return what a study comes to, for machines; numbers that could not be counted are null."""
    found, advice = study.recommendation, study.advised
    return {
        "agent": study.agent,
        "status": study.status,
        "why": study.why,
        "recommended": asdict(advice) if advice else None,
        "safer": asdict(found.safer.setting) if advice and found.safer else None,
        "current": asdict(study.current) if study.current else None,
        "metrics": {
            "recommended": _measured(found.chosen.measured) if advice and found.chosen else None,
            "current": _measured(found.current.measured) if found.current else None,
        },
        "certainty": {"within_budget": found.meets, "same_choice": found.near} if advice else None,
        "budget": asdict(found.budget),
        "calibration": _calibration(study),
        "observed": [_observed(one) for one in study.observed],
        "hearing": asdict(study.hearing),
        "operating_points": asdict(study.operating),
        "noise_reduction": study.noise_reduction,
        "truth": study.sources,
        "stands_on": {"calls": study.sweep.calls, **study.sweep.totals},
        "changes": _changes(study),
    }


def _measured(measured: Mapping[str, Measured]) -> dict[str, Any]:
    return {
        name: None
        if isnan(one.value)
        else {end: _number(getattr(one, end)) for end in ("value", "low", "high")}
        for name, one in measured.items()
    }


def _observed(told: Observed) -> dict[str, Any]:
    setting = told.setting
    return {
        "leg": told.leg,
        "type": "semantic_vad" if isinstance(setting, SemanticVad) else "server_vad",
        "setting": {"eagerness": setting.eagerness} if isinstance(setting, SemanticVad) else asdict(setting),
        "calls": told.calls,
        "stands_on": dict(told.totals),
        "metrics": _measured(told.measured),
        "modelled": _measured(told.modelled) or None,
        "differs_in": list(told.differs_in),
        "way_ms": told.way_ms,
    }


def _number(value: float) -> float | str | None:
    """Return a number as JSON has it; a delay of turns that were not ended is a word."""
    return "not ended" if isinf(value) else None if isnan(value) else value


def _calibration(study: Study) -> dict[str, Any] | None:
    if study.calibration is None:
        return None
    held_out = study.calibration.held_out
    p50, p90 = (held_out.stop_error_ms(share) for share in (0.5, 0.9))
    return {
        "agreement": study.calibration.agreement.share,
        "held_out_agreement": held_out.share,
        "held_out_events": held_out.server,
        "stop_error_p50_ms": None if isnan(p50) else p50,
        "stop_error_p90_ms": None if isnan(p90) else p90,
        "calls": study.calibration.calls,
        "settings": [asdict(setting) for setting in study.calibration.settings],
    }


def _changes(study: Study) -> Sequence[dict[str, Any]]:
    columns = {name: column.tolist() for name, column in changes_table(study).items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
