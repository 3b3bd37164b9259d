"""`bridge check`: is the configuration right, and what goes into the Twilio console."""

import os
from pathlib import Path

import click

from bridge import config
from bridge.commands.options import CONFIG, PUBLIC_URL, with_overrides
from bridge.doctor.doubts import doubts
from bridge.errors import ConfigError, ToolError
from bridge.extras import missing_extras
from bridge.screen.output import console, explains_errors
from bridge.text.wording import counted
from bridge.tools import load_tools


@click.command()
@CONFIG
@PUBLIC_URL
@click.option("--ready", is_flag=True, help="Exit 1 when secrets or the public URL are missing.")
@explains_errors
def check(path: Path, public_url: str | None, ready: bool) -> None:
    """Check the configuration, and print what goes into the Twilio console.

    Exit 0 when the file is right, 2 when it is not (one line per fault).
    """
    settings = with_overrides(config.load(path), public_url, None)
    secrets = config.read_secrets(settings, os.environ)
    missing = [*config.missing_secrets(settings, secrets), *missing_extras(settings)]
    tools = _tools(settings)  # before anything is said to be right
    out = console()
    out.print(f"[green]OK[/] {path}: {counted(len(settings.agents), 'agent')}", soft_wrap=True)
    public = settings.server.public_url or "https://<public_url>"
    for name in settings.agents:
        out.print(f"  {name}: voice webhook [bold]{public}/voice/{name}[/] (HTTP POST)", soft_wrap=True)
        out.print(f"    tools: {', '.join([*tools[name], 'hang_up'])}", soft_wrap=True)
    if secrets.proxy is not None:
        click.echo(f"  to the model through the proxy {secrets.proxy} ({secrets.proxy.named_by})")
    for what, sentences in (("note:", doubts(settings, secrets)), ("before it can serve:", missing)):
        for sentence in sentences:
            out.print(f"[yellow]{what}[/] ", end="")
            out.print(sentence, markup=False, soft_wrap=True)
    if ready and missing:
        raise SystemExit(1)


def _tools(settings: config.Settings) -> dict[str, list[str]]:
    """Return the names of each agent's tools. Raises `ConfigError` with every fault of all of them."""
    found, faults = dict[str, list[str]](), list[str]()
    for name, agent in settings.agents.items():
        try:
            found[name] = list(load_tools(agent.tools, settings.folder))
        except ToolError as error:
            faults.append(f"[agents.{name}] tools: {error}")
    if faults:
        raise ConfigError(faults)
    return found
