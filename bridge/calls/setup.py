"""What new calls are made with at this moment, in one place that each of them asks; live ones keep what they have."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import define, evolve, frozen

from bridge.agents import Agent
from bridge.checks import filled, nearest
from bridge.config import Realtime, Secrets, Settings
from bridge.errors import ToolError
from bridge.links.model import ModelAddress
from bridge.prices import PUBLISHED, PriceTable, read_prices
from bridge.tools import Tool, afresh, load_tools

FIXED: Final = (
    ("server", "bind"),
    ("server", "workers"),
    ("server", "public_url"),
    ("server", "host_url"),
    ("recording", "folder"),
    ("admin", "bind"),
    ("tracing", "endpoint"),
    ("fleet", "hosts"),
    ("fleet", "admin"),
    ("store", "lake"),
    ("store", "data"),
    ("store", "lake_seconds"),
)
"""Settings that only a restart changes. Twilio signs the requests of live calls over the URL they began with."""


@frozen
class Setup:
    """One reading of the configuration, and what was made of it; tools by their names, by agent."""

    settings: Settings
    secrets: Secrets
    address: ModelAddress
    tools: Mapping[str, Mapping[str, Tool]]
    prices: PriceTable = PUBLISHED


@define(eq=False)
class CurrentSetup:
    """The holder of what is current."""

    setup: Setup

    def as_it_can_be(self, fresh: Setup) -> tuple[Setup, list[str]]:
        """Return this as it can be used now, and a sentence for each setting that has to wait for a restart."""
        settings, waiting = _with_fixed(self.setup.settings, fresh.settings)
        return evolve(fresh, settings=settings), waiting

    def change(self, fresh: Setup) -> list[str]:
        """Use this for calls from now on, as far as it can be; return the sentences."""
        self.setup, waiting = self.as_it_can_be(fresh)
        return waiting


def _with_fixed(old: Settings, new: Settings) -> tuple[Settings, list[str]]:
    """Return the new settings with the old ones of what is fixed, and what that leaves out."""
    waiting = []
    for table, key in FIXED:
        keeps, wants = getattr(getattr(old, table), key), getattr(getattr(new, table), key)
        if keeps != wants:
            waiting.append(f'[{table}] {key} stays "{keeps}" until a restart; the file says "{wants}"')
            new = evolve(new, **{table: evolve(getattr(new, table), **{key: keeps})})
    return new, waiting


def make_setup(
    settings: Settings, secrets: Secrets, tools: Mapping[str, Mapping[str, Tool]] | None = None
) -> Setup:
    """Load the tools, unless they are given, and find the model and the prices. Raises `ToolError`, `ConfigError`.

    Where workers carry the calls they alone import tools, and say what is wrong with them: their supervisor gives none.
    """
    if tools is None:
        tools = {name: tools_of(agent, settings.folder) for name, agent in settings.agents.items()}
    return Setup(settings, secrets, model_address(settings, secrets), tools, prices_of(settings))


def prices_of(settings: Settings) -> PriceTable:
    """Return what calls are priced by: as published, or as the file says that is named. Raises `ConfigError`."""
    named = settings.realtime.prices
    return read_prices(settings.folder / named) if named else PUBLISHED


def tools_of(agent: Agent, folder: Path) -> dict[str, Tool]:
    """Return an agent's tools by their names; digits that nobody else may see go to the one that says so and is named.

    Raises `ToolError`.
    """
    tools = load_tools(agent.tools, folder)
    named = agent.collect.tool if agent.collect is not None else ""
    if named and named not in tools:
        raise ToolError(
            f'[agents.{agent.name}.collect] tool = "{named}": it has no such tool; {nearest(named, tools)}'
        )
    for tool in tools.values():
        if tool.takes_digits and tool.name != named:
            raise ToolError(
                f"{tool.name} asks for SecretDigits: name it in [agents.{agent.name}.collect] tool"
            )
    if named and not tools[named].takes_digits and "digits" not in tools[named].parameters["properties"]:
        raise ToolError(f"give {named} a parameter digits: SecretDigits: it is run with what a caller types")
    return tools


def make_setup_afresh(settings: Settings, secrets: Secrets) -> Setup:
    """The same for a process that carries calls: the tools are imported anew. Blocks: call it in a thread."""
    names = [name for agent in settings.agents.values() for name in agent.tools]
    with afresh(names, settings.folder):
        return make_setup(settings, secrets)


def model_address(settings: Settings, secrets: Secrets) -> ModelAddress:
    """Return where calls find their model; the beta header must not be sent any more."""
    realtime = settings.realtime
    context = ssl.create_default_context() if realtime.url.startswith("wss:") else None
    return ModelAddress(
        realtime.url,
        realtime.model,
        model_headers(realtime, secrets),
        context,
        secrets.proxy,
        tuple(realtime.query.items()),
        secrets.words,
    )


def model_headers(realtime: Realtime, secrets: Secrets) -> list[tuple[str, str]]:
    """Return the headers that the model's server is asked with: the key where it wants it, then the file's."""
    own = [(name, filled(value, secrets.words)) for name, value in realtime.headers.items()]
    if not secrets.api_key or realtime.api_key_header.lower() in {name.lower() for name, _ in own}:
        return own
    bare = realtime.api_key_header != Realtime().api_key_header
    return [(realtime.api_key_header, secrets.api_key if bare else f"Bearer {secrets.api_key}"), *own]
