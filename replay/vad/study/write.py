"""A recommended setting into the configuration file, with everything else in it left as it is, comments too."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable

from bridge.config import Settings, load
from bridge.errors import BridgeError
from replay.vad.engine.machine import Setting


class WriteError(BridgeError):
    """The setting can't be written; the file is as it was."""


def write_setting(path: Path, agent: str, setting: Setting) -> str:
    """Put a setting into an agent's [turn_detection], and return the type it had before.

    Raises `WriteError`, `ConfigError` and `OSError`.

    The new file is read and checked as the daemon would before it takes the old one's place, at once.
    """
    path = path.resolve()
    before = load(path)  # a file with faults is not touched: they are for its owner to mend
    try:
        document = tomlkit.parse(path.read_bytes().decode("utf-8"))  # bytes: line ends stay as they are
        table = document["agents"][agent]
    except (TOMLKitError, KeyError) as error:
        raise WriteError(f"{path}: no agent {agent!r} to write to ({error})") from None
    try:
        _set(table, setting)
        text = tomlkit.dumps(document)
    except (TOMLKitError, ValueError, TypeError) as error:
        raise WriteError(
            f"{path}: the setting can't be put into this file ({error}); write it by hand"
        ) from None
    _replace(path, text, agent, setting)
    return before.agents[agent].turn_detection.type


def _set(agent: Any, setting: Setting) -> None:
    """Change the values where they stand, or add them; what only semantic_vad has goes."""
    if "turn_detection" not in agent:
        agent["turn_detection"] = (
            tomlkit.inline_table() if isinstance(agent, InlineTable) else tomlkit.table()
        )
    table = agent["turn_detection"]
    table.pop("eagerness", None)
    table["type"] = "server_vad"
    table["threshold"] = setting.threshold
    table["prefix_padding_ms"] = setting.prefix_padding_ms
    table["silence_duration_ms"] = setting.silence_duration_ms


def _replace(path: Path, text: str, agent: str, setting: Setting) -> None:
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(text.encode("utf-8"))
    part = Path(file.name)
    try:
        if not _says(load(part), agent, setting):
            raise WriteError(f"{path}: the setting could not be put in; write it by hand: {setting}")
        part.chmod(path.stat().st_mode)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _says(settings: Settings, agent: str, setting: Setting) -> bool:
    found = settings.agents[agent].turn_detection
    wanted = setting.threshold, setting.silence_duration_ms, setting.prefix_padding_ms
    return wanted == tuple(getattr(found, name, None) for name in FIELDS)


FIELDS = ("threshold", "silence_duration_ms", "prefix_padding_ms")
