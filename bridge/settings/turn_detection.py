"""How an agent hears that a caller speaks, and what that may cost callers."""

from collections.abc import Collection
from typing import Any, TypeAlias

from attrs import asdict, evolve, fields_dict, frozen

from bridge.checks import choice, flag, number, read_table, setting, shown, whole
from bridge.settings.session_table import idle_timeout


@frozen
class ServerVad:
    """Turn detection by loudness and silence; the defaults are where phone audio should start."""

    type: str = setting("server_vad", choice("server_vad"))
    threshold: float = setting(0.6, number(0.0, 1.0))
    prefix_padding_ms: int = setting(300, whole(0, 5000))
    silence_duration_ms: int = setting(500, whole(50, 10000))
    idle_timeout_ms: int = setting(0, idle_timeout)
    create_response: bool = setting(True, flag)
    interrupt_response: bool = setting(True, flag)


@frozen
class SemanticVad:
    """Turn detection by a model of when a sentence is over."""

    type: str = setting("semantic_vad", choice("semantic_vad"))
    eagerness: str = setting("auto", choice("low", "medium", "high", "auto"))
    create_response: bool = setting(True, flag)
    interrupt_response: bool = setting(True, flag)


TurnDetection: TypeAlias = ServerVad | SemanticVad

ANSWERING = ("create_response", "interrupt_response", "idle_timeout_ms")
"""What turn detection may do beside detecting turns."""


def silent(vad: TurnDetection) -> TurnDetection:
    """Return this turn detection as a shadow has it: it answers nobody and interrupts nobody."""
    quiet = evolve(vad, create_response=False, interrupt_response=False)
    return evolve(quiet, idle_timeout_ms=0) if isinstance(quiet, ServerVad) else quiet


def told_beside(vad: TurnDetection, own: TurnDetection) -> str:
    """Return a turn detection in a few words, with what it has in place of the agent's own."""
    if vad.type != own.type:
        detecting = [f"{key} = {shown(key, value)}" for key, value in asdict(vad).items()
                     if key not in ("type", *ANSWERING)]  # fmt: skip
        return f"{vad.type} with {', '.join(detecting)} in place of {own.type}"
    before = asdict(own)
    return ", ".join(
        f"{key} = {shown(key, value)} in place of {shown(key, before[key])}"
        for key, value in asdict(vad).items()
        if value != before[key]
    )


@frozen
class TurnBudget:
    """What turn detection may cost callers: `replay vad sweep` looks for the quickest setting within it.

    In percent of turns, percentage points above the best setting, and times an hour; docs/vad.md says what is counted.
    """

    turns_cut_percent: float = setting(10.0, number(0, 100))
    missed_above_best_points: float = setting(1.0, number(0, 100))
    false_per_hour: float = setting(60.0, number(0, 100_000))
    onset_clipped_percent: float = setting(3.0, number(0, 100))
    not_ended_percent: float = setting(5.0, number(0, 100))
    ended_within_ms: int = setting(2000, whole(500, 20_000))


def read_shadow(raw: Any, at: str, faults: list[str]) -> TurnDetection | None:
    if raw is None:
        return None
    if isinstance(raw, dict):
        answering = [key for key in raw if key in ANSWERING]
        faults += [
            f"[{at}] {key} = {shown(key, raw[key])}: a shadow never answers: leave it out"
            for key in answering
        ]
        raw = {key: value for key, value in raw.items() if key not in answering}
    return silent(read_turn_detection(raw, at, faults, without=ANSWERING))


def read_turn_detection(
    raw: Any, at: str, faults: list[str], *, without: Collection[str] = ()
) -> TurnDetection:
    kind = raw.get("type", "server_vad") if isinstance(raw, dict) else "server_vad"
    if kind not in ("server_vad", "semantic_vad"):
        faults.append(f'[{at}] type = {shown("type", kind)}: use "server_vad" or "semantic_vad"')
        return ServerVad()
    raw = _without_foreign(raw, kind, at, faults)
    if kind == "semantic_vad":
        return read_table(SemanticVad, raw, at=at, faults=faults, without=without)
    return read_table(ServerVad, raw, at=at, faults=faults, without=without)


def _without_foreign(raw: Any, kind: str, at: str, faults: list[str]) -> Any:
    """Return a table without the keys that only the other turn detection has, each of them told."""
    own, other = (ServerVad, SemanticVad) if kind == "server_vad" else (SemanticVad, ServerVad)
    foreign = fields_dict(other).keys() - fields_dict(own).keys()
    if not isinstance(raw, dict):
        return raw
    faults += [
        f'[{at}] {key}: type = "{other().type}" has it, "{kind}" has not' for key in raw if key in foreign
    ]
    return {key: value for key, value in raw.items() if key not in foreign}
