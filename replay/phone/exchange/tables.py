"""Far ends, menus and Twilio's behaviour as a scenario's TOML has them: read, and said what is wrong with them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from bridge.checks import Wrong, nearest, read_table, shown, whole
from replay.phone.exchange.town import Behaviour, FarEnd, Town
from replay.phone.script import DONE, HANGS_UP, Caller, Level
from replay.phone.step_words import KEYS, WAIT_MS, say_of, steps_of

MAX_PLACES = 100
FAR_END_PATIENCE_MS = 60_000
SETTINGS = tuple(field.name for field in attrs.fields(FarEnd) if field.name != "script")
FAR_END_KEYS = ("steps", "patience_ms", *SETTINGS)
LEVEL_KEYS = ("prompt", "keys", "wait_ms", "tries")


def town_of(raw: dict[str, Any], folder: Path, menus: Mapping[str, Level], faults: list[str]) -> Town:
    """Return who can be reached, and how Twilio behaves."""
    behaviour = read_table(Behaviour, raw.get("twilio", {}), at="twilio", faults=faults)
    far_ends = {
        place: _far_end(place, table, folder, menus, faults)
        for place, table in _tables(raw.get("far_ends", {}), "far_ends", faults).items()
    }
    return Town(far_ends, behaviour)


def _far_end(place: str, raw: Any, folder: Path, menus: Mapping[str, Level], faults: list[str]) -> FarEnd:
    at = f'far_ends."{place}"'
    if not isinstance(raw, dict):
        faults.append(f"[{at}] = {shown('', raw)}: use a table, written [{at}] on a line of its own")
        return FarEnd()
    faults += [
        f"[{at}] {key}: unknown key; {nearest(key, FAR_END_KEYS)}" for key in raw if key not in FAR_END_KEYS
    ]
    rest = {key: value for key, value in raw.items() if key in SETTINGS}
    far_end = read_table(FarEnd, rest, at=at, faults=faults, without=("script",))
    steps = steps_of(raw.get("steps", []), folder, faults, at=f"[{at}] steps", menus=menus)
    patience_ms = _whole(raw.get("patience_ms", FAR_END_PATIENCE_MS), f"[{at}] patience_ms", faults)
    return attrs.evolve(far_end, script=Caller(steps=steps, patience_ms=patience_ms))


def _whole(value: Any, at: str, faults: list[str]) -> int:
    try:
        return int(WAIT_MS(value))
    except Wrong as wrong:
        faults.append(f"{at} = {shown('', value)}: use {wrong}")
        return 0


def _tables(value: Any, at: str, faults: list[str]) -> dict[str, Any]:
    if isinstance(value, dict) and len(value) <= MAX_PLACES:
        return value
    faults.append(f"[{at}] = {shown('', value)}: use at most {MAX_PLACES} tables, each [{at}.NAME]")
    return {}


# ---------------------------------------------------------------- menus


def menus_of(value: Any, folder: Path, faults: list[str]) -> dict[str, Level]:
    """Return every level of every menu, by name."""
    tables = _tables(value, "menus", faults)
    levels: dict[str, Level] = {}
    for name, raw in tables.items():
        try:
            levels[name] = _level(raw, folder, {*tables, DONE, HANGS_UP})
        except Wrong as wrong:
            faults.append(f"[menus.{name}] {wrong}")
    return levels


def _level(raw: Any, folder: Path, names: set[str]) -> Level:
    if not isinstance(raw, dict):
        raise Wrong(f"= {shown('', raw)}: use a table with prompt and keys")
    for key in raw:
        if key not in LEVEL_KEYS:
            raise Wrong(f"{key}: unknown key; {nearest(key, LEVEL_KEYS)}")
    try:
        prompt = say_of(raw.get("prompt"), folder)
    except Wrong as wrong:
        raise Wrong(f"prompt = {shown('prompt', raw.get('prompt'))}: use {wrong}") from None
    keys = _keys(raw.get("keys", {}), names)
    try:
        wait_ms, tries = WAIT_MS(raw.get("wait_ms", 5_000)), whole(1, 100)(raw.get("tries", 3))
    except Wrong as wrong:
        raise Wrong(f"wait_ms or tries: use {wrong}") from None
    return Level(prompt, keys, wait_ms, tries)


def _keys(value: Any, names: set[str]) -> dict[str, str]:
    is_table = isinstance(value, dict)
    for typed, name in value.items() if is_table else ():
        if not typed or not set(typed) <= set(KEYS) or name not in names:
            raise Wrong(
                f'keys: "{typed}" = {shown("", name)}: use keys out of {KEYS}, and {nearest(str(name), names)}'
            )
    if not is_table:
        raise Wrong(f'keys = {shown("", value)}: use a table, for example {{ "1" = "tables", "0" = "done" }}')
    return dict(value)
