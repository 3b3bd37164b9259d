"""A variant's settings: the base configuration with its overrides, made fit for a daemon beside the stand-in phone.

It reads files and starts nothing.
"""

import tomllib
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec

from bridge import config
from bridge.config import Secrets, Settings
from bridge.errors import ConfigError
from replay.compare.types import Variant
from replay.phone.script import Account

PUBLIC_URL: Final = "https://bridge.example.com"
"""What the invented Twilio signs; nothing is sent there."""

STANDIN_URL: Final = "ws://127.0.0.1:9/v1/realtime"
"""Until the stand-in says where it listens."""

NO_KEY: Final = "no-key-needed-here"
ROOM: Final = 3
"""Calls that may still be saying goodbye while the next ones begin, for each that is made at once."""


def read_base(path: Path) -> dict[str, Any]:
    """Return the base configuration as TOML, once `bridge` itself would take it. Raises `ConfigError`."""
    config.load(path)
    return tomllib.loads(path.read_text(encoding="utf-8"))


def settings_of(variant: Variant, base: Mapping[str, Any], path: Path, agent: str) -> Settings:
    """Return the settings in force for a variant of the configuration at `path`. Raises `ConfigError`."""
    realtime = {**base.get("realtime", {}), **variant.realtime}
    if variant.standin is not None:
        realtime |= {"url": STANDIN_URL, "model": variant.version or realtime.get("model", "gpt-realtime")}
        realtime |= {"headers": {}, "query": {}}  # they are meant for another server
    raw = {
        "realtime": realtime,
        "twilio": {},
        "recording": {"folder": variant.name},
        "server": {"bind": "127.0.0.1:0", "public_url": PUBLIC_URL, "drain_seconds": 3},
        "agents": {agent: _over(_for_callers(base["agents"][agent]), variant.agent)},
    }
    try:
        return config.parse(raw, path)
    except ConfigError as error:
        prefix = f"{path}: "
        raise ConfigError(
            [f"[variants.{variant.name}] {fault.removeprefix(prefix)}" for fault in error.faults]
        ) from None


def for_calls(settings: Settings, data: Path, at_once: int) -> Settings:
    """Return the settings for a daemon that records in `data`, and has room for so many calls."""
    server = attrs.evolve(
        settings.server,
        workers=1,
        max_calls=max(settings.server.max_calls, at_once * ROOM),
        waiting_calls=1000,
        calls_per_caller=0,  # all of them are made by one caller
        max_lag_ms=0,  # a stand-in shares the loop
    )
    recording = attrs.evolve(settings.recording, folder=str(data.resolve()))
    return attrs.evolve(settings, server=server, recording=recording)


def secrets_of(variant: Variant, settings: Settings, environment: Mapping[str, str]) -> Secrets:
    """Return what a variant's daemon needs: an invented Twilio token, and the model's key. Raises `ConfigError`."""
    tokens = (Account().auth_token,)
    if variant.standin is not None:
        return Secrets(tokens, NO_KEY)
    read = config.read_secrets(settings, environment)
    secrets = Secrets(tokens, read.api_key, proxy=read.proxy, words=read.words)
    if missing := config.missing_secrets(settings, secrets):
        raise ConfigError([f"[variants.{variant.name}] {sentence}" for sentence in missing])
    return secrets


def described(variant: Variant, settings: Settings, agent: str) -> dict[str, Any]:
    """Return what was in force, for the record: everything that can change a call, and no secret."""
    realtime = {"model": settings.realtime.model, "api_key_env": settings.realtime.api_key_env}
    if variant.standin is None:
        where = {"url": settings.realtime.url, "headers": dict(settings.realtime.headers)}
        where["query"] = dict(settings.realtime.query)  # with the names of its secrets alone, as in the file
        return {"realtime": {**realtime, **where}, "agent": _plain(settings, agent)}
    standin = {
        "file": str(variant.standin),
        "sha256": sha256(variant.standin.read_bytes()).hexdigest(),
        "version": variant.version,
    }
    return {"realtime": realtime, "standin": standin, "agent": _plain(settings, agent)}


def in_force(variant: Variant, base: Path, agent: str) -> dict[str, Any]:
    """Return what is in force for a variant, as a file of JSON has it. Raises `ConfigError`."""
    told = described(variant, settings_of(variant, read_base(base), base, agent), agent)
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(told))
    return plain


def differing(one: Any, other: Any, at: str = "") -> Iterator[str]:
    """Yield the settings that differ between two variants, by their paths; where a stand-in's file is, is none."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys((*one, *other)):
            yield from differing(one.get(key), other.get(key), f"{at}.{key}".lstrip("."))
    elif one != other and at != "standin.file":
        yield at


def _plain(settings: Settings, agent: str) -> dict[str, Any]:
    return attrs.asdict(settings.agents[agent])


def _for_callers(agent: Mapping[str, Any]) -> dict[str, Any]:
    """Return an agent's table without its shadow, which a stand-in would take for a call, its hours, for these callers
    ring at any, and its trial: a variant is one setting.
    """
    return {key: value for key, value in agent.items() if key not in ("shadow", "hours", "trial")}


def _over(base: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with what `other` says; tables key by key, unless they are of another type."""
    merged = {**base, **other}
    for key, value in other.items():
        below = base.get(key)
        if isinstance(value, dict) and isinstance(below, dict) and _type(value, below) == _type(below, below):
            merged[key] = _over(below, value)
    return merged


def _type(table: Mapping[str, Any], default: Mapping[str, Any]) -> Any:
    return table.get("type", default.get("type", "server_vad"))
