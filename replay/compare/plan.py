"""The plan of a comparison: a TOML file read and checked, and the callers that it names. It makes no call."""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, get_args

import attrs

from bridge.checks import Check, Wrong, choice, nearest, read_table, setting, shown, text, whole
from bridge.errors import BridgeError, ConfigError, TapeError
from bridge.objects.names import as_path, is_object, name_of
from bridge.tapes.late import mark_on
from bridge.tapes.names import tapes_under
from bridge.tapes.odd_tapes import gone_through, named
from bridge.tapes.reader import read_tape
from replay.callers.recorded_caller import Mode, caller_of, longest_ms
from replay.compare.model_judge import JudgePlan
from replay.compare.promises import read_must_say
from replay.compare.types import DEFAULT_AT_ONCE, NamedCaller, Plan, Variant
from replay.compare.variants import read_base, settings_of
from replay.model.scenario import load_scenario
from replay.phone import scenario as phone_scenario
from replay.tapes.find import NoTapeError, find_tapes

MOST_VARIANTS: Final = 16
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
TABLES: Final = ("variants", "thresholds", "gate", "must_say", "judge")


def _callers(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name for name in value):
        raise Wrong(
            'a list of tapes, folders of them and phone scenarios, such as ["data/tapes", "call.toml"]'
        )
    return tuple(value)


@attrs.frozen
class _Top:
    """The keys above the tables."""

    base: str = setting("config.toml", text("the path of a configuration file"))
    agent: str = setting("", text("the name of an agent in the base configuration"))
    callers: tuple[str, ...] = setting((), _callers)
    repeats: int = setting(3, whole(1, 1000))
    at_once: int = setting(DEFAULT_AT_ONCE, whole(1, 200))
    baseline: str = setting("", text("the name of a variant"))
    mode: Mode = setting("turns", choice(*get_args(Mode)))
    marked: str = setting("", choice("", "good", "bad"))


def _measures(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise Wrong('a list of measures by their names in [thresholds], such as ["latency_ms"]')
    return tuple(value)


@attrs.frozen
class _Gate:
    """The table [gate]: what must be proved not to be worse."""

    critical: tuple[str, ...] = setting((), _measures)


def load_plan(path: Path) -> Plan:
    """Read and check a plan (docs/compare.md has an example). Raises `ConfigError` with one sentence per fault.

    >>> _ = Path("switch.toml").write_text('''
    ... callers = ["call.jsonl.gz"]
    ... repeats = 5
    ... [variants.today]
    ... [variants.next]
    ... realtime.model = "gpt-realtime-2.1-mini"
    ... ''')
    >>> plan = load_plan(Path("switch.toml"))
    >>> plan.agent, plan.baseline, plan.repeats
    ('front-desk', 'today', 5)
    >>> [(caller.name, caller.max_ms > 0) for caller in callers_of(plan, odd=[])]
    [('call', True)]
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: can't be read: {getattr(error, 'strerror', None) or error}"]) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError([f"{path}: not valid TOML: {error}"]) from None
    return parse_plan(raw, path)


def parse_plan(raw: Mapping[str, Any], path: Path) -> Plan:
    """Check a parsed plan; relative paths start at its folder. Raises `ConfigError`."""
    faults: list[str] = []
    top = _top(raw, faults)
    base, folder = _read_base(path.parent / top.base, faults), path.parent
    agent = _agent(top.agent, base, faults)
    variants = _variants(raw.get("variants"), folder, faults)
    thresholds = _thresholds(raw.get("thresholds", {}), faults)
    gate = read_table(_Gate, raw.get("gate", {}), at="gate", faults=faults)
    must_say = read_must_say(raw.get("must_say", {}), faults)
    judge = _judge(raw, folder, faults)
    callers = _paths(top.callers, folder, faults) if top.callers else ()
    if not callers and "callers" not in raw:
        faults.append('callers: missing; write callers = ["data/tapes"], tapes or phone scenarios')
    if base and agent:
        _try_settings(variants, base, folder / top.base, agent, faults)
    names = [variant.name for variant in variants]
    baseline = top.baseline or (names[0] if names else "")
    if names and baseline not in names:
        faults.append(f"baseline = {shown('', baseline)}: no such variant; {nearest(baseline, names)}")
    if faults:
        raise ConfigError([f"{path}: {fault}" for fault in faults])
    return Plan(
        base=folder / top.base,
        agent=agent,
        callers=callers,
        repeats=top.repeats,
        at_once=top.at_once,
        baseline=baseline,
        variants=tuple(variants),
        thresholds=thresholds,
        mode=top.mode,
        marked=top.marked,
        critical=gate.critical,
        must_say=must_say,
        judge=judge,
    )


def _top(raw: Mapping[str, Any], faults: list[str]) -> _Top:
    found: list[str] = []
    top = read_table(_Top, {key: raw[key] for key in raw if key not in TABLES}, at="", faults=found)
    faults += [fault.removeprefix("[] ") for fault in found]
    return top


def _read_base(path: Path, faults: list[str]) -> dict[str, Any]:
    try:
        return read_base(path)
    except ConfigError as error:
        faults += [f"base: {fault}" for fault in error.faults]
        return {}


def _agent(name: str, base: Mapping[str, Any], faults: list[str]) -> str:
    agents = sorted(base.get("agents", {}))
    if name in agents or not agents:
        return name
    if not name and len(agents) == 1:
        return str(agents[0])
    faults.append(f"agent = {shown('', name)}: no such agent in the base; {nearest(name, agents)}")
    return ""


def _thresholds(raw: Any, faults: list[str]) -> dict[str, Any]:
    """Pass the table on: whoever judges knows what may be in it."""
    if isinstance(raw, dict):
        return raw
    faults.append(f"thresholds = {shown('', raw)}: use a table, written [thresholds] on a line of its own")
    return {}


def _judge(raw: Mapping[str, Any], folder: Path, faults: list[str]) -> JudgePlan | None:
    if "judge" not in raw:
        return None
    found = read_table(JudgePlan, raw["judge"], at="judge", faults=faults)
    faults += found.faults()
    return attrs.evolve(found, labels=str(folder / found.labels)) if found.labels else found


def _paths(names: Sequence[str], folder: Path, faults: list[str]) -> tuple[Path, ...]:
    paths = tuple(as_path(name) if is_object(name) else folder / name for name in names)
    faults += [
        f"callers: {path}: no such file or folder"
        for path in paths
        if not is_object(path) and not path.exists()
    ]
    return paths


# ---------------------------------------------------------------- variants


def _variants(raw: Any, folder: Path, faults: list[str]) -> list[Variant]:
    if not isinstance(raw, dict) or not raw or len(raw) > MOST_VARIANTS:
        faults.append(
            f"[variants]: use 1 to {MOST_VARIANTS} tables, each written [variants.NAME] with what it changes"
        )
        return []
    return [_variant(name, table, folder, faults) for name, table in raw.items()]


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Wrong("a table of settings to override")
    return value


CHECKS: Final[Mapping[str, Check]] = {
    "realtime": _table,
    "agent": _table,
    "standin": text("the path of a model scenario"),
    "version": text("the name of one of the stand-in's [versions.NAME]"),
}


def _variant(name: str, raw: Any, folder: Path, faults: list[str]) -> Variant:
    at = f"[variants.{name}]"
    if not NAME.fullmatch(name):
        faults.append(f'{at}: use a name of a-z, 0-9, ".", "-" and "_": it becomes a folder')
    if not isinstance(raw, dict):
        faults.append(f"{at} = {shown('', raw)}: use a table, written {at} on a line of its own")
        return Variant(name)
    values: dict[str, Any] = {}
    for key, value in raw.items():
        try:
            values[key] = _known(key)(value)
        except Wrong as wrong:
            faults.append(f"{at} {key} = {shown(key, value)}: use {wrong}")
        except KeyError:
            faults.append(f"{at} {key}: unknown key; {nearest(key, CHECKS)}")
    if "standin" in values:
        values["standin"] = folder / values["standin"]
    variant = Variant(name, **{key: value for key, value in values.items() if key in CHECKS})
    faults += [f"{at} {fault}" for fault in _standin_faults(variant)]
    return variant


def _known(key: str) -> Callable[[Any], Any]:
    return CHECKS[key]


def _standin_faults(variant: Variant) -> list[str]:
    if variant.standin is None:
        return ["version: only a stand-in has versions; add standin = FILE"] if variant.version else []
    clash = sorted({"url", "model"} & variant.realtime.keys())
    faults = [f"realtime.{key}: not with a stand-in, which has an address of its own" for key in clash]
    try:
        versions = load_scenario(variant.standin).versions
    except ConfigError as error:
        return faults + [f"standin: {fault}" for fault in error.faults]
    if variant.version and variant.version not in versions:
        hint = nearest(variant.version, versions) if versions else "it has none"
        faults.append(f"version = {shown('', variant.version)}: not in {variant.standin}; {hint}")
    return faults


def _try_settings(
    variants: Sequence[Variant], base: Mapping[str, Any], path: Path, agent: str, faults: list[str]
) -> None:
    for variant in variants:
        try:
            settings_of(variant, base, path, agent)
        except ConfigError as error:
            faults += error.faults


# ---------------------------------------------------------------- callers


def callers_of(plan: Plan, odd: list[TapeError]) -> list[NamedCaller]:
    """Return everybody who is to call. Raises `ConfigError` with one sentence for each that can't.

    Tapes that can't be read are left out and told to `odd`, unless nobody else is left.
    """
    faults: list[str] = []
    paths = [found for path in plan.callers for found in _files(path, faults)]
    work = partial(_caller, mode=plan.mode, faults=faults, marked=plan.marked)
    callers = [caller for caller in gone_through(dict.fromkeys(paths), work, odd) if caller is not None]
    if plan.marked and not callers and not odd:
        faults.append(f'callers: none is marked "{plan.marked}"; `bridge console` marks calls')
    if faults or not callers:
        raise ConfigError([*faults, *map(str, odd)])
    return _with_own_names(callers)


def _files(path: Path, faults: list[str]) -> list[Path]:
    if is_object(path):
        return _in_storage(path, faults)
    if not path.is_dir():
        return [path]
    if found := sorted([*tapes_under(path), *path.glob("*.toml")]):
        return found
    faults.append(f"{path}: no tapes and no phone scenarios in this folder")
    return []


def _in_storage(path: Path, faults: list[str]) -> list[Path]:
    try:
        return find_tapes([name_of(path)], Path())
    except NoTapeError as error:
        faults.append(f"callers: {error}")
        return []


def _caller(path: Path, mode: Mode, faults: list[str], marked: str = "") -> NamedCaller | None:
    try:
        if marked and (path.suffix == ".toml" or mark_on(path) != marked):
            return None
        if path.suffix == ".toml":
            told = phone_scenario.load(path)
            return NamedCaller(path.stem, told.caller, told.call.max_ms)
        caller = caller_of(read_tape(path), mode=mode)
    except ConfigError as error:
        faults += error.faults
    except TapeError:
        raise  # it costs that tape alone
    except BridgeError as error:
        faults.append(named(error, path))
    else:
        return NamedCaller(path.name.partition(".jsonl")[0], caller, longest_ms(caller))
    return None


def _with_own_names(callers: Sequence[NamedCaller]) -> list[NamedCaller]:
    """Give callers from files of the same name numbers, in the order of the plan."""
    seen: dict[str, int] = {}
    named = []
    for caller in callers:
        seen[caller.name] = seen.get(caller.name, 0) + 1
        number = seen[caller.name]
        named.append(caller if number == 1 else attrs.evolve(caller, name=f"{caller.name}-{number}"))
    return named
