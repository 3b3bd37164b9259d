"""Scenario files: TOML that says what the Realtime stand-in answers, how, and in which versions.

It is read once, checked whole, and then only picked from: the same file, model and session number always
give the same script.
"""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias, get_args

import attrs

from bridge.checks import (
    Check,
    Wrong,
    choice,
    flag,
    names_of,
    nearest,
    number,
    read_table,
    shown,
    text,
    whole,
)
from bridge.errors import ConfigError
from replay.model.expect import Expect
from replay.model.replies import Choices, Reader, draw
from replay.model.script import (
    Delivery,
    DeltaMode,
    DoorFault,
    Faults,
    Garbage,
    Refusal,
    Script,
    Silence,
    Transcription,
    TranscriptMode,
)
from replay.sound.hearing import Engine, Hearing, Policy
from replay.sound.turn_detection import Detector, MissingExtraError, open_detector, silero

Part: TypeAlias = dict[str, Any]
"""What a file, a version or a `sometimes` says, checked; keys that it does not mention are missing."""

LONGEST_WAIT_MS: Final = 3_600_000
_wait = whole(0, LONGEST_WAIT_MS)
_piece = whole(1, 60_000)


def _close_code(value: Any) -> int:
    """Accept a code that may stand in a close frame: 1005, 1006 and 1015 may not."""
    ranges = range(1000, 1004), range(1007, 1015), range(3000, 5000)
    if not isinstance(value, int) or not any(value in codes for codes in ranges):
        raise Wrong("a code for a close frame: 1000 to 1003, 1007 to 1014, or 3000 to 4999")
    return value


def _garbage(value: Any) -> tuple[str, ...]:
    return tuple(map(choice(*get_args(Garbage)), names_of('a list such as ["broken_json"]')(value)))


def _door(value: Any) -> tuple[str, ...]:
    return tuple(map(choice(*get_args(DoorFault)), names_of('a list such as ["http_503"]')(value)))


def _written(value: Any) -> tuple[str, ...]:
    """Accept what is written down of each turn; of a noise that is nothing."""
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise Wrong('a list such as ["A table, please."], with "" for a turn without words')
    return tuple(value)


def engine(listener: Callable[[Policy], Detector] = silero) -> Check:
    """Accept a detector that this machine has: a scenario that wants another is refused before anybody rings."""

    def check(value: Any) -> str:
        word: Engine = choice(*get_args(Engine))(value)
        try:
            open_detector(Hearing(engine=word), listener)
        except MissingExtraError as missing:
            raise Wrong(f'"level", or install what it needs ({missing})') from None
        return word

    return check


TABLES: Final[Mapping[str, Mapping[str, Check]]] = {
    "transcription": {"mode": choice(*get_args(TranscriptMode)), "delay_ms": _wait},
    "hearing": {
        "engine": engine(),
        "policy": choice(*get_args(Policy)),
        "threshold_shift": number(-1, 1),
        "threshold_slope": number(0, 10),
        "hysteresis": number(0, 1),
        "start_windows": whole(1, 100),
        "lag_ms": whole(0, 10_000),
    },
    "delivery": {
        "first_delta_ms": _piece,
        "delta_ms": _piece,
        "mode": choice(*get_args(DeltaMode)),
        "items": whole(1, 20),
        "speed": number(0.1, 1000),
        "response_delay_ms": _wait,
        "words_ahead_ms": whole(0, 60_000),
        "late_deltas": whole(0, 1000),
        "rate_limits": flag,
        "cancelled_item_done": flag,
    },
    "faults": {
        "first_sessions_only": whole(1, 1_000_000),
        "refuse": choice(*get_args(Refusal)),
        "door": _door,
        "door_retry_after": text("seconds, or a date of HTTP", empty=True),
        "open_after_ms": _wait,
        "never_create": flag,
        "never_update": flag,
        "never_answer": flag,
        "fail_responses": whole(0, 1000),
        "try_again_in": text('a pause such as "1.2s"', empty=True),
        "limit_reset_seconds": number(0, 3600),
        "refuse_settings": names_of('a list such as ["audio.input.transcription.model"]'),
        "other_format": choice("audio/pcm", "audio/pcma"),
        "silence": choice(*get_args(Silence)),
        "silent_from": whole(0, 1_000_000),
        "silent_for": whole(1, 1_000_000),
        "pause_ms": _wait,
        "idle_timeout_ms": whole(100, 3_600_000),
        "close_after_ms": _wait,
        "close_code": _close_code,
        "close_reason": text("the words of the close frame", empty=True),
        "close_with_error": flag,
        "drop_after_ms": _wait,
        "shut_ms": _wait,
        "stall_after_ms": _wait,
        "garbage": _garbage,
        "null_error_ids": flag,
        "stray_errors": flag,
    },
}
REPLIES: Final = ("opening", "fallback")
REPLY_LISTS: Final = ("turns", "answers")
KEYS: Final = (*REPLIES, *REPLY_LISTS, "heard", *TABLES, "sometimes")
TOP_KEYS: Final = (*KEYS, "seed", "versions", "expect")


@attrs.frozen
class Sometimes:
    """What is different in one of so many sessions."""

    place: str
    one_in: int
    part: Part

    def comes(self, show: int, seed: int) -> bool:
        """Whether a model's session number `show` is such a session: exactly one of every `one_in` is."""
        return draw((1, self.one_in - 1), show, f"{seed}/{self.place}") == 0


@attrs.frozen
class Scenario:
    """A checked scenario; `script_for` is what `replay.model.server.serve_model` takes."""

    base: Part
    versions: Mapping[str, Part] = attrs.field(factory=dict)
    seed: int = 0
    expect: Expect = Expect()

    def script_for(self, model: str, show: int) -> Script:
        """The script for the show-th session, from 1, of a model; models without a version play the base."""
        part = _over(self.base, self.versions.get(model, {}))
        for other in part.get("sometimes", ()):
            if other.comes(show, self.seed):
                part = _over(part, other.part)
        script = _script(part, lambda choices: choices.pick(show, self.seed))
        # Counted here for each model: the server counts connections, whichever model they are for.
        return attrs.evolve(script, faults=attrs.evolve(script.faults_of(show), first_sessions_only=None))


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario file. Raises `ConfigError` with one sentence per fault."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: can't be read: {getattr(error, 'strerror', None) or error}"]) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError([f"{path}: not valid TOML: {error}"]) from None
    return parse_scenario(raw, path)


def parse_scenario(raw: Mapping[str, Any], path: Path) -> Scenario:
    """Check a parsed scenario; `path` is for messages and relative paths. Raises `ConfigError`."""
    faults: list[str] = []
    reader = Reader(path.parent, faults)
    base = _part(
        {key: raw[key] for key in raw if key not in ("seed", "versions", "expect")}, "", reader, TOP_KEYS
    )
    seed = _checked(whole(0, 2**31), raw.get("seed", 0), "seed", reader)
    versions = raw.get("versions", {})
    if not isinstance(versions, dict) or not all(isinstance(table, dict) for table in versions.values()):
        reader.wrong("versions", versions, "a table for each version, written [versions.NAME]")
        versions = {}
    read = {name: _part(table, f"[versions.{name}] ", reader, KEYS) for name, table in versions.items()}
    expect = read_table(Expect, raw.get("expect", {}), at="expect", faults=faults)
    if faults:
        raise ConfigError([f"{path}: {fault}" for fault in faults])
    return Scenario(base, read, seed, expect)


def _part(raw: Mapping[str, Any], at: str, reader: Reader, known: tuple[str, ...]) -> Part:
    """Check the keys of the file, of a version, or of a `sometimes`; `at` is put before their names."""
    part: Part = {}
    for key, value in raw.items():
        if key in REPLIES:
            part[key] = reader.choices(value, f"{at}{key}")
        elif key in REPLY_LISTS:
            part[key] = reader.list_of_choices(value, f"{at}{key}")
        elif key in TABLES:
            part[key] = _table(value, key, at, reader)
        elif key == "heard":
            part[key] = _checked(_written, value, f"{at}heard", reader)
        elif key == "sometimes" and key in known:
            part[key] = _sometimes(value, at, reader)
        else:
            reader.faults.append(f"{at}{key}: unknown key; {nearest(key, known)}")
    return part


def _table(raw: Any, name: str, at: str, reader: Reader) -> Part:
    place = f"[{at.strip('[] ')}.{name}]" if at else f"[{name}]"
    if not isinstance(raw, dict):
        reader.wrong(place, raw, "a table")
        return {}
    values: Part = {}
    for key, value in raw.items():
        if key in TABLES[name]:
            values[key] = _checked(TABLES[name][key], value, f"{place} {key}", reader)
        else:
            reader.faults.append(f"{place} {key}: unknown key; {nearest(key, TABLES[name])}")
    return values


def _sometimes(raw: Any, at: str, reader: Reader) -> tuple[Sometimes, ...]:
    if not isinstance(raw, list) or not all(isinstance(table, dict) for table in raw):
        reader.wrong(f"{at}sometimes", raw, "tables, each written [[sometimes]], with one_in = 5")
        return ()
    return tuple(_sometimes_one(table, f"{at}sometimes[{index}] ", reader) for index, table in enumerate(raw))


def _sometimes_one(raw: Mapping[str, Any], at: str, reader: Reader) -> Sometimes:
    rest = {key: value for key, value in raw.items() if key != "one_in"}
    if "one_in" not in raw:
        reader.faults.append(f"{at}one_in: missing; write one_in = 5 for one of every five sessions")
    one_in = _checked(whole(1, 10_000), raw.get("one_in", 1), f"{at}one_in", reader)
    part = _part(rest, at, reader, tuple(key for key in KEYS if key != "sometimes"))
    return Sometimes(at.strip(), one_in or 1, part)


def _checked(check: Check, value: Any, at: str, reader: Reader) -> Any:
    try:
        return check(value)
    except Wrong as wrong:
        reader.faults.append(f"{at} = {shown('', value)}: use {wrong}")


def _over(base: Part, other: Part) -> Part:
    """What `other` says, and `base` where it says nothing; tables are put together key by key."""
    tables = {key: {**base.get(key, {}), **other[key]} for key in TABLES if key in other}
    return {**base, **other, **tables}


def _script(part: Part, pick: Callable[[Choices], Any]) -> Script:
    return Script(
        **{key: pick(part[key]) for key in REPLIES if key in part},
        **{key: tuple(map(pick, part[key])) for key in REPLY_LISTS if key in part},
        heard=part.get("heard", ()),
        transcription=Transcription(**part.get("transcription", {})),
        hearing=Hearing(**part.get("hearing", {})),
        delivery=Delivery(**part.get("delivery", {})),
        faults=Faults(**part.get("faults", {})),
    )
