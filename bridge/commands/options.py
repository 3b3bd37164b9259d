"""What the commands have in common: their options, and the settings that those override."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import evolve

from bridge import config
from bridge.checks import read_table
from bridge.errors import ConfigError
from bridge.settings.server import Server

if TYPE_CHECKING:
    from bridge.lake.opening import LakePlace

CONFIG = click.option(
    "--config", "-c", "path", type=click.Path(path_type=Path), default=Path("config.toml"),
    show_default=True, envvar="BRIDGE_CONFIG", help="The configuration file.",
)  # fmt: skip
DATA = click.option(
    "--data", type=click.Path(path_type=Path), default=None,
    help="The data folder, in place of the one the configuration names.",
)  # fmt: skip
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
STORE = click.option(
    "--store", type=click.Choice(["here", "lake"]), default="here", show_default=True,
    help="This host's own database, or the lake of all hosts: [store] lake.",
)  # fmt: skip
PUBLIC_URL = click.option("--public-url", envvar="BRIDGE_PUBLIC_URL", help="The https address Twilio calls.")
HOST_URL = click.option(
    "--host-url", envvar="BRIDGE_HOST_URL", help="The https address of this host alone, one of several."
)


def data_folder(path: Path, data: Path | None) -> Path:
    """Return the data folder that was named, or the configuration's. Raises `ConfigError`."""
    return data or config.load(path).data_folder


def lake_of(path: Path) -> "LakePlace":
    """Return the lake that the configuration names. Raises `ConfigError`, `LakeError`."""
    from bridge.lake.opening import LakePlace  # with DuckDB, which a daemon that serves does not load

    settings = config.load(path)
    return LakePlace.of(settings, config.read_secrets(settings, os.environ))


def with_overrides(settings: config.Settings, **said: str | None) -> config.Settings:
    """Return the settings with what the command line said of [server], checked like the file."""
    given = {key: value for key, value in said.items() if value}
    faults: list[str] = []
    server = settings.server
    if given:
        checked = read_table(Server, given, at="command line", faults=faults)
        server = evolve(server, **{key: getattr(checked, key) for key in given})
    if faults:
        raise ConfigError(faults)
    return evolve(settings, server=server)
