"""The values of a comparison: what is to be compared, and which call was made for it. They decide nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

DEFAULT_AT_ONCE: Final = 4


@attrs.frozen
class Variant:
    """One way to run the agent: what it changes in the base configuration, or the stand-in it talks to.

    `realtime` overrides keys of `[realtime]`, `agent` keys of the agent that is compared, `limits` keys of `[limits]`;
    all three are as written in TOML. `api_key_env` names the environment variable that holds the key. With
    `standin`, a model scenario file is served in-process, as its version `version` if one is named.
    """

    name: str
    realtime: Mapping[str, Any] = attrs.field(factory=dict)
    agent: Mapping[str, Any] = attrs.field(factory=dict)
    limits: Mapping[str, Any] = attrs.field(factory=dict)
    api_key_env: str | None = None
    standin: Path | None = None
    version: str | None = None


@attrs.frozen
class Plan:
    """A comparison as it was asked for, checked: every path is resolved against the plan's own folder."""

    base: Path
    agent: str
    callers: tuple[Path, ...]
    repeats: int
    at_once: int
    baseline: str
    variants: tuple[Variant, ...]
    thresholds: Mapping[str, Any]


@attrs.frozen
class Run:
    """One call that was made: `tape` is where it was recorded; `error` says why it can't be judged."""

    variant: str
    caller: str
    repeat: int
    tape: Path
    error: str | None
