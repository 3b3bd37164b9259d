"""`bridge check`: is the configuration right, and what goes into the Twilio console."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from attrs import asdict

from bridge import config
from bridge.agents import Agent
from bridge.built_in import built_in_tools
from bridge.calls.opening import hours_in_words
from bridge.calls.setup import prices_of, tools_of
from bridge.checks import shown
from bridge.commands.options import CONFIG, HOST_URL, PUBLIC_URL, with_overrides
from bridge.doctor.doubts import doubts
from bridge.errors import ConfigError, OutboundError, ToolError
from bridge.extras import missing_extras
from bridge.outbound.do_not_call import read_list
from bridge.prices import PriceTable
from bridge.screen.errors import explains_errors
from bridge.screen.output import console
from bridge.settings.leaving import way_to
from bridge.settings.turn_detection import told_beside
from bridge.text.wording import counted
from bridge.tool_rules import NO_RULE
from bridge.tools import Tool


@click.command()
@CONFIG
@PUBLIC_URL
@HOST_URL
@click.option("--ready", is_flag=True, help="Exit 1 when secrets or the public URL are missing.")
@explains_errors
def check(path: Path, public_url: str | None, host_url: str | None, ready: bool) -> None:
    """Check the configuration, and print what goes into the Twilio console.

    Exit 0 when the file is right, 2 when it is not (one line per fault).
    """
    settings = with_overrides(config.load(path), public_url=public_url, host_url=host_url)
    secrets = config.read_secrets(settings, os.environ)
    missing = [*config.missing_secrets(settings, secrets), *missing_extras(settings), *_list_faults(settings)]
    tools, prices = _tools(settings), prices_of(settings)  # before anything is said to be right
    out = console()
    out.print(f"[green]OK[/] {path}: {counted(len(settings.agents), 'agent')}", soft_wrap=True)
    out.print(f"  {_carried_by(settings.server.workers)}", soft_wrap=True)
    if told := "; ".join(_shared(settings)):
        out.print(f"  {told}", markup=False, soft_wrap=True)
    public = settings.server.public_url or "https://<public_url>"
    for name, agent in settings.agents.items():
        out.print(f"  {name}: voice webhook [bold]{public}/voice/{name}[/] (HTTP POST)", soft_wrap=True)
        built_in = [tool["name"] for tool in built_in_tools(agent)]
        out.print(f"    tools: {', '.join([*tools[name], *built_in])}", soft_wrap=True)
        for sentence in (*_tried(agent), *_elsewhere(agent), *_off_the_line(agent), *_capped(agent, prices)):
            out.print(f"    {sentence}", markup=False, soft_wrap=True)
        if told := hours_in_words(settings.agents, name, datetime.now(UTC)):
            out.print(f"    hours: {told}", markup=False, soft_wrap=True)
    if secrets.proxy is not None:
        click.echo(f"  to the model through the proxy {secrets.proxy} ({secrets.proxy.named_by})")
    for what, sentences in (("note:", doubts(settings, secrets, prices)), ("before it can serve:", missing)):
        for sentence in sentences:
            out.print(f"[yellow]{what}[/] ", end="")
            out.print(sentence, markup=False, soft_wrap=True)
    if ready and missing:
        raise SystemExit(1)


def _carried_by(workers: int) -> str:
    """Return what carries calls: what "auto" comes to on this machine is in it."""
    if workers == 1:
        return "one process carries the calls"
    return f"{workers} worker processes carry the calls, beside a supervisor"


def _shared(settings: config.Settings) -> Iterator[str]:
    """Yield what of this host others know: its name and theirs, and where records and tapes go."""
    server, fleet, store = settings.server, settings.fleet, settings.store
    if server.host_url:
        others = ", ".join(name for name in fleet.hosts if name != settings.host_name)
        beside = f"with {others}" if others else "that lists no others"
        yield f"host {settings.host_name} at {server.host_url}, in a fleet {beside}"
    if store.lake:
        yield f"lake {shown('', store.lake)}, its files in {shown('', store.data)}"
    if store.tapes:
        yield f"tapes to {store.tapes}"


def _list_faults(settings: config.Settings) -> list[str]:
    """Return what is wrong with the list of who must not be called, if there is one: then nobody is."""
    outbound = settings.outbound
    try:
        if outbound.caller_id and outbound.do_not_call:
            read_list(settings.folder / outbound.do_not_call)
    except OutboundError as error:
        return [str(error)]
    return []


def _tried(agent: Agent) -> Iterator[str]:
    """Yield which calls hear otherwise, and how, if a trial goes on."""
    if agent.trial is not None:
        share = "half" if agent.trial.share == 0.5 else f"{agent.trial.share * 100:g} %"
        other = told_beside(agent.trial.turn_detection, agent.turn_detection)
        yield f"{share} of the calls get {other} (trial {agent.trial.name})"


def _elsewhere(agent: Agent) -> Iterator[str]:
    """Yield whose tools the model's service calls by itself, and what it is allowed when it asks."""
    for label, server in agent.mcp.items():
        allowed = f"; when asked, yes to {', '.join(server.approve)}" if server.approve else ""
        tools = ", ".join(server.tools) or "all it has"
        yield f"tools of the MCP server {label}: {tools}{allowed}"


def _off_the_line(agent: Agent) -> Iterator[str]:
    """Yield what an agent may do with its callers off the line, and what is done when it can't serve them."""
    for place in agent.transfer.values():
        how = ", warm" if place.is_warm else "" if place.is_offered else ", for the failure plan alone"
        yield f"may transfer to {place.name}: {way_to(place)}{how}"
    if agent.collect is not None:
        yield f"gives typed digits to {agent.collect.tool} alone"
    for cause, steps in asdict(agent.failure).items():
        if steps:
            when = "the model can't be had" if cause == "steps" else cause
            yield f"when {when}: {', then '.join(steps)}"


def _capped(agent: Agent, prices: PriceTable) -> Iterator[str]:
    """Yield what a call of an agent may cost, and by which prices that is counted."""
    limits = agent.limits
    if limits.spend_cap_usd:
        cap, warned = f"{limits.spend_cap_usd:g} USD", f"warned of at {limits.spend_warn_percent} %"
        yield f"a call may cost {cap}, by prices read on {prices.read_on}; {warned}"


def _with_rule(tool: Tool) -> str:
    """Return a tool's name, with what it says of how it is run."""
    return f"{tool.name} ({tool.rule})" if tool.rule != NO_RULE else tool.name


def _tools(settings: config.Settings) -> dict[str, list[str]]:
    """Return the names of each agent's tools. Raises `ConfigError` with every fault of all of them."""
    found, faults = dict[str, list[str]](), list[str]()
    for name, agent in settings.agents.items():
        try:
            found[name] = [_with_rule(tool) for tool in tools_of(agent, settings.folder).values()]
        except ToolError as error:
            faults.append(f"[agents.{name}] tools: {error}")
    if faults:
        raise ConfigError(faults)
    return found
