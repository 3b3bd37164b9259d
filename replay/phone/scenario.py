"""A phone call written down as TOML: what the caller does, how bad the network is, and what is expected.

It reads and checks the file, and says of each fault where it is and what to write. It makes no call."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import attrs

from bridge.checks import Check, Wrong, choice, nearest, read_table, setting, shown, text, whole
from bridge.errors import ConfigError
from replay.phone.network import Network
from replay.phone.script import (
    Caller,
    DropSocket,
    GoSilent,
    HangUp,
    InterruptAfter,
    Press,
    Say,
    Step,
    StopReading,
    Wait,
    WaitForAgent,
    WaitForEnd,
    WaitForQuiet,
)
from replay.phone.sound_files import SoundError, read_voice
from replay.sound import clips

MAX_FILE_BYTES = 1_048_576
MAX_STEPS = 1000
MAX_PARAMETER_CHARS = 499  # name and value together, Twilio's limit for a <Parameter>
KEYS = "0123456789*#ABCD"
VERBS = ("connect", "redirect", "hangup", "reject", "say", "pause", "play", "dial")
WAIT_MS = whole(0, 600_000)
TABLES = ("title", "steps", "call", "expect", "network", "parameters")


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
class Expect:
    """What must be true of the call afterwards; what is None is not looked at."""

    ended_by: str | None = setting(None, choice("caller", "bridge"))
    close_code: int | None = setting(None, whole(1000, 4999))
    next_verb: str | None = setting(None, choice(*VERBS))
    first_audio_ms: int | None = setting(None, whole(0, 600_000))
    max_gap_ms: int | None = setting(None, whole(0, 600_000))
    min_clears: int | None = setting(None, whole(0, 10_000))


@attrs.frozen
class Scenario:
    """One call to be made, and what is expected of it."""

    title: str
    caller: Caller
    call: CallSettings
    expect: Expect
    parameters: dict[str, str]


Maker: TypeAlias = Callable[[Any, Path, int | None], tuple[Step, ...]]


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
    steps = _steps(raw.get("steps", []), path.parent, faults)
    call = read_table(CallSettings, raw.get("call", {}), at="call", faults=faults)
    expect = read_table(Expect, raw.get("expect", {}), at="expect", faults=faults)
    network = read_table(Network, raw.get("network", {}), at="network", faults=faults)
    parameters = _parameters(raw.get("parameters", {}), faults)
    if faults:
        raise ConfigError([f"{path}: {fault}" for fault in faults])
    caller = Caller(steps=steps, patience_ms=call.patience_ms, network=network)
    return Scenario(title, caller, call, expect, parameters)


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


# ---------------------------------------------------------------- steps


def _steps(value: Any, folder: Path, faults: list[str]) -> tuple[Step, ...]:
    if not isinstance(value, list) or len(value) > MAX_STEPS:
        faults.append(
            f'steps: use a list of at most {MAX_STEPS} steps, for example ["wait_for_agent", "hang_up"]'
        )
        return ()
    steps: list[Step] = []
    for place, raw in enumerate(value, 1):
        try:
            steps += _step(raw, folder)
        except Wrong as wrong:
            faults.append(f"steps, number {place}: {wrong}")
    return tuple(steps)


def _step(raw: Any, folder: Path) -> tuple[Step, ...]:
    """The steps one entry stands for: a word, or a table of a word with its value."""
    table = {raw: True} if isinstance(raw, str) else raw
    if not isinstance(table, dict) or not table:
        raise Wrong(f'{shown("", raw)}: use a word like "hang_up", or a table like {{ wait_ms = 500 }}')
    words = [word for word in table if word != "timeout_ms"]
    unknown = [word for word in words if word not in STEPS]
    if unknown:
        raise Wrong(f"{unknown[0]}: unknown step; {nearest(unknown[0], STEPS)}")
    if len(words) != 1:
        raise Wrong(f"{', '.join(words) or 'timeout_ms alone'}: use one step a table")
    word, timeout_ms = words[0], table.get("timeout_ms")
    if timeout_ms is not None:
        _check_timeout(word, timeout_ms)
    try:
        return STEPS[word](table[word], folder, timeout_ms)
    except Wrong as wrong:
        raise Wrong(f"{word} = {shown(word, table[word])}: use {wrong}") from None


def _check_timeout(word: str, value: Any) -> None:
    if word not in WISHES:
        raise Wrong(f"timeout_ms beside {word}: only these wait for something: {', '.join(sorted(WISHES))}")
    try:
        WAIT_MS(value)
    except Wrong as wrong:
        raise Wrong(f"timeout_ms = {shown('timeout_ms', value)}: use {wrong}") from None


def _say(value: Any, folder: Path, _timeout_ms: int | None) -> tuple[Step, ...]:
    if not isinstance(value, str) or not value:
        raise Wrong(f"a clip ({', '.join(_caller_clips())}), or the path of a .ulaw or an 8 kHz .wav file")
    if not value.lower().endswith((".ulaw", ".wav")):
        if value not in clips.names():
            raise Wrong(
                f"a clip ({nearest(value, clips.names())}), or the path of a .ulaw or an 8 kHz .wav file"
            )
        return (Say(clips.clip(value).audio, clips.clip(value).text),)
    try:
        return (Say(read_voice(folder / value), value),)
    except SoundError as error:
        raise Wrong(f"a file that can be said; {error}") from None
    except ValueError:  # a NUL in the name
        raise Wrong("a path") from None


def _caller_clips() -> list[str]:
    return [name for name in clips.names() if clips.clip(name).speaker == "caller"]


def _press(value: Any, _folder: Path, _timeout_ms: int | None) -> tuple[Step, ...]:
    if not isinstance(value, str) or not 0 < len(value) <= 32 or not set(value) <= set(KEYS):
        raise Wrong(f'up to 32 keys out of {KEYS}, as a string, for example "12#"')
    pause = Wait(120)  # a finger needs a moment between two keys
    return tuple(step for digit in value for step in (Press(digit), pause))


def _plain(step: Step) -> Maker:
    def make(value: Any, _folder: Path, _timeout_ms: int | None) -> tuple[Step, ...]:
        if value is not True:
            raise Wrong("the word alone, or = true")
        return (step,)

    return make


def _patient(make_step: Callable[[int], Step], default_ms: int) -> Maker:
    """A step without a value that may have a time-out."""

    def make(value: Any, folder: Path, timeout_ms: int | None) -> tuple[Step, ...]:
        return _plain(make_step(default_ms if timeout_ms is None else timeout_ms))(value, folder, None)

    return make


def _timed(make_step: Callable[[int, int], Step]) -> Maker:
    """A step with a length in ms and a time-out."""

    def make(value: Any, _folder: Path, timeout_ms: int | None) -> tuple[Step, ...]:
        return (make_step(WAIT_MS(value), 20_000 if timeout_ms is None else timeout_ms),)

    return make


STEPS: dict[str, Maker] = {
    "say": _say,
    "press": _press,
    "wait_ms": lambda value, _folder, _timeout_ms: (Wait(WAIT_MS(value)),),
    "wait_for_agent": _patient(WaitForAgent, 15_000),
    "wait_for_quiet_ms": _timed(WaitForQuiet),
    "interrupt_after_ms": _timed(InterruptAfter),
    "wait_for_end": _patient(WaitForEnd, 15_000),
    "hang_up": _plain(HangUp()),
    "drop_socket": _plain(DropSocket()),
    "stop_reading": _plain(StopReading()),
    "go_silent": _plain(GoSilent()),
}
WISHES = frozenset({"wait_for_agent", "wait_for_quiet_ms", "interrupt_after_ms", "wait_for_end"})
