"""`bridge check`: is the configuration right, and what goes into the Twilio console."""

import os
from pathlib import Path

import click

from bridge import config
from bridge.extras import missing_extras
from bridge.options import CONFIG, PUBLIC_URL, with_overrides
from bridge.output import console, explains_errors
from bridge.tools import load_tools
from bridge.wording import counted


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
    out = console()
    out.print(f"[green]OK[/] {path}: {counted(len(settings.agents), 'agent')}")
    public = settings.server.public_url or "https://<public_url>"
    for name, agent in settings.agents.items():
        tools = load_tools(agent.tools, settings.folder)
        out.print(f"  {name}: voice webhook [bold]{public}/voice/{name}[/] (HTTP POST)", soft_wrap=True)
        out.print(f"    tools: {', '.join([*tools, 'hang_up'])}")
    if settings.server.public_url.startswith("http:"):
        out.print("[yellow]note:[/] the public URL is http; Twilio opens media sockets over https alone")
    if secrets.proxy is not None:
        click.echo(f"  to the model through the proxy {secrets.proxy} ({secrets.proxy.named_by})")
    for sentence in missing:
        out.print("[yellow]before it can serve:[/] ", end="")
        out.print(sentence, markup=False, soft_wrap=True)
    if ready and missing:
        raise SystemExit(1)
