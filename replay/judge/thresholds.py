"""What is borne before something is worse, and what must be settled: the defaults, and a plan's changes. Pure."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from bridge.checks import nearest, shown
from bridge.errors import ConfigError

Thresholds: TypeAlias = Mapping[str, Any]
DEFAULTS: Final = Path(__file__).with_name("defaults.toml")
SETTINGS: Final = ("false_alarms", "resamples", "seed")
"""Keys among the thresholds that are no measures."""


def thresholds_of(changes: Thresholds) -> dict[str, Any]:
    """Return the default thresholds with these changes. Raises `ConfigError` for unknown keys and odd values."""
    known: dict[str, Any] = tomllib.loads(DEFAULTS.read_text(encoding="utf-8"))
    faults = [
        f"[thresholds] {key}: unknown key; known are {', '.join(known)}"
        for key in changes
        if key not in known
    ]
    for key, value in changes.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        if key in known and not is_number and value is not False:
            faults.append(
                f"[thresholds] {key} = {shown(key, value)}: use a number from 0, or false to leave it out"
            )
    if changes.get("false_alarms", 0.05) is False or not 0 < changes.get("false_alarms", 0.05) < 0.5:
        faults.append("[thresholds] false_alarms: use a share between 0 and 0.5, such as 0.05")
    if not 1000 <= changes.get("resamples", 5000) <= 100_000:
        faults.append("[thresholds] resamples: use 1000 to 100000")
    if faults:
        raise ConfigError(faults)
    return {**known, **changes}


def critical_of(names: Sequence[str], thresholds: Thresholds) -> tuple[str, ...]:
    """Return the measures that a plan calls critical. Raises `ConfigError` for one that is not judged."""
    judged = [name for name, value in thresholds.items() if name not in SETTINGS and value is not False]
    if unknown := [name for name in names if name not in judged]:
        raise ConfigError(
            [
                f"[gate] critical: {name}: no measure that is judged; {nearest(name, judged)}"
                for name in unknown
            ]
        )
    return tuple(names)
