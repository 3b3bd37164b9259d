"""A plan for `replay compare`: the callers for whom most would change ring both settings, live."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Final

from replay.vad.engine.machine import Setting
from replay.vad.study.study import Study


def plan_of(made: Study, plan: Path, config: Path) -> str:
    """Return a plan for `replay compare`: the callers with the most at stake ring both settings."""
    counts = Counter(change.call for change in made.changes)
    calls = [call for call, _ in counts.most_common(MOST_CALLERS)] or range(
        min(MOST_CALLERS, len(made.recordings))
    )
    callers = [_quoted(os.path.relpath(made.recordings[call].path, plan.parent)) for call in calls]
    advised, current = made.advised, made.current
    assert advised is not None
    assert current is not None
    return (
        f"# The callers for whom most would change ring the setting of today and the recommended one: `replay compare "
        f"{plan.name}`\n"
        f"base = {_quoted(os.path.relpath(config, plan.parent))}\nagent = {_quoted(made.agent)}\n"
        f'callers = [{", ".join(callers)}]\nrepeats = 3\nbaseline = "today"\n\n'
        f"[variants.today]\n{_overrides(current)}\n[variants.recommended]\n{_overrides(advised)}"
    )


MOST_CALLERS: Final = 10


def _overrides(setting: Setting) -> str:
    values = {
        "threshold": f"{setting.threshold:g}",
        "silence_duration_ms": setting.silence_duration_ms,
        "prefix_padding_ms": setting.prefix_padding_ms,
    }
    return "".join(f"agent.turn_detection.{name} = {value}\n" for name, value in values.items())


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # what JSON escapes, TOML's basic strings escape alike
