"""A phone call written down as TOML: what the caller does, how bad the network is, and what is expected.

It reads and checks the file, and says of each fault where it is and what to write. It makes no call."""

import tomllib
from pathlib import Path
from typing import Any

import attrs

from bridge.checks import Check, nearest, read_table, setting, shown, text, whole
from bridge.errors import ConfigError
from replay.phone.exchange.expect import Expect, ExpectOfBoth
from replay.phone.exchange.tables import menus_of, town_of
from replay.phone.exchange.town import Town
from replay.phone.network import Network
from replay.phone.script import Caller
from replay.phone.step_words import WAIT_MS, steps_of

MAX_FILE_BYTES = 1_048_576
MAX_PARAMETER_CHARS = 499  # name and value together, Twilio's limit for a <Parameter>
TABLES = ("title", "steps", "call", "expect", "network", "parameters", "twilio", "far_ends", "menus")


def _number(what: str) -> Check:
    return text(f'a phone number, for example "{what}"')


@attrs.frozen
class CallSettings:
    """Who rings whom, and for how long at most."""

    from_number: str = setting("+15550123456", _number("+15550123456"))
    to_number: str = setting("+15550100100", _number("+15550100100"))
    patience_ms: int = setting(10_000, WAIT_MS)
    max_ms: int = setting(120_000, whole(100, 3_600_000))


@attrs.frozen
class Scenario:
    """One call to be made, and what is expected of it."""

    title: str
    caller: Caller
    call: CallSettings
    expect: Expect
    parameters: dict[str, str]
    town: Town = Town()
    of_both: ExpectOfBoth = ExpectOfBoth()
    """What is expected of both sides together: `replay judge --call` looks at it."""


def load(path: Path) -> Scenario:
    """Return the scenario in that file; `ConfigError` with one sentence for each fault."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError([f"{path} can't be read: {error.strerror or error}"]) from error
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError([f"{path} is larger than 1 MiB: that is no scenario"])
    try:
        raw = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError([f"{path} is not TOML: {error}"]) from error
    return parse(raw, path)


def parse(raw: dict[str, Any], path: Path) -> Scenario:
    """Return the scenario that parsed TOML describes; files in it are looked for beside `path`."""
    faults = [f"{key}: unknown key; {nearest(key, TABLES)}" for key in raw if key not in TABLES]
    title = _title(raw.get("title", path.stem), faults)
    menus = menus_of(raw.get("menus", {}), path.parent, faults)
    steps = steps_of(raw.get("steps", []), path.parent, faults, menus=menus)
    call = read_table(CallSettings, raw.get("call", {}), at="call", faults=faults)
    expecting = raw.get("expect", {})
    both = expecting.get("both", {}) if isinstance(expecting, dict) else {}
    of_both = read_table(ExpectOfBoth, both, at="expect.both", faults=faults)
    expect = read_table(Expect, _without_both(expecting), at="expect", faults=faults)
    network = read_table(Network, raw.get("network", {}), at="network", faults=faults)
    parameters = _parameters(raw.get("parameters", {}), faults)
    town = town_of(raw, path.parent, menus, faults)
    if faults:
        raise ConfigError([f"{path}: {fault}" for fault in faults])
    caller = Caller(steps=steps, patience_ms=call.patience_ms, network=network)
    return Scenario(title, caller, call, expect, parameters, town, of_both)


def _without_both(expecting: Any) -> Any:
    if not isinstance(expecting, dict):
        return expecting
    return {key: value for key, value in expecting.items() if key != "both"}


def _title(value: Any, faults: list[str]) -> str:
    if isinstance(value, str):
        return value
    faults.append(f"title = {shown('title', value)}: use a line that says what this call is about")
    return ""


def _parameters(value: Any, faults: list[str]) -> dict[str, str]:
    if not isinstance(value, dict):
        faults.append(
            f"[parameters] = {shown('', value)}: use a table, written [parameters] on a line of its own"
        )
        return {}
    for name, word in value.items():
        if not isinstance(word, str) or len(name) + len(word) > MAX_PARAMETER_CHARS:
            faults.append(
                f"[parameters] {name} = {shown(name, word)}: use a string; "
                f"name and value have at most {MAX_PARAMETER_CHARS} characters together"
            )
    return value
