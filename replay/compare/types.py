"""The values of a comparison: what is to be compared, and which call was made for it. They decide nothing."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import attrs

from replay.callers.recorded_caller import Mode
from replay.compare.model_judge import JudgePlan
from replay.judge.facts import MustSay
from replay.phone.script import Caller, Say

DEFAULT_AT_ONCE: Final = 4
"""Calls; one core of a laptop carries as many with both stand-ins, and no service limits so few."""


@attrs.frozen
class NamedCaller:
    """A caller under the name that runs, tables and reports know them by; a call takes max_ms at most."""

    name: str
    caller: Caller
    max_ms: int = 120_000

    @property
    def sha256(self) -> str:
        """Return a digest of all they do: their audio byte for byte, and when they speak."""
        digest = sha256(repr(self.caller).encode())
        for step in self.caller.steps:
            digest.update(step.audio if isinstance(step, Say) else b"")
        return digest.hexdigest()


@attrs.frozen
class Variant:
    """One way to run the agent: what it changes in the base configuration, or the stand-in it talks to.

    `realtime` overrides keys of `[realtime]`, `agent` those of the agent under comparison, as written in TOML. With
    `standin`, a model scenario file is served in this process, as its version `version` if one is named.
    """

    name: str
    realtime: Mapping[str, Any] = attrs.field(factory=dict)
    agent: Mapping[str, Any] = attrs.field(factory=dict)
    standin: Path | None = None
    version: str | None = None


@attrs.frozen
class Plan:
    """A comparison as it was asked for, checked; relative paths are resolved against the plan's folder.

    Each of the variants is called `repeats` times by each caller, `at_once` calls together. `callers` are tapes,
    folders of them, and phone scenarios; `thresholds` is what stands over those of `replay/judge/defaults.toml`,
    in the units that their names end in. `mode` says when a recorded caller speaks: in turn, or on the recorded clock.
    With `marked` only calls that people marked so ring again.
    `must_say` has the facts that callers must be told, by caller; `judge` is a model that reads each call, if any.
    """

    base: Path
    agent: str
    callers: tuple[Path, ...]
    repeats: int
    at_once: int
    baseline: str
    variants: tuple[Variant, ...]
    thresholds: Mapping[str, Any]
    mode: Mode = "turns"
    marked: str = ""
    critical: tuple[str, ...] = ()
    must_say: MustSay = attrs.field(factory=dict)
    judge: JudgePlan | None = None


@attrs.frozen
class Run:
    """One call that was made, the repeat-th (from 0) of this caller; `error` says why it can't be judged."""

    variant: str
    caller: str
    repeat: int
    tape: Path
    error: str | None
