"""`bridge init`: a configuration and a tool to start from."""

from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from bridge.screen.errors import complain, explains_errors

TOOLS: Final = """tools = [
  "my_tools.py:book_table",        # yours: a typed function beside this file, or in a package
  "replay.callers.restaurant:check_table", # the demo's, which the stand-in for the model asks for
]
"""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@explains_errors
def init(folder: Path) -> None:
    """Write a configuration and a tool to start from: config.toml and my_tools.py in a FOLDER, here unless told.

    Every setting stands in config.toml at its default, with what it means. Nothing is overwritten.

    \b
    bridge init
    bridge init /etc/bridge
    """
    texts = templates()
    if there := [name for name in texts if (folder / name).exists()]:
        complain(f"{folder / there[0]} is there already; nothing was written", hint="bridge init FOLDER")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        with (folder / name).open("x", encoding="utf-8") as file:
            file.write(text)
        click.echo(f"wrote {folder / name}")
    click.echo(NEXT)


def templates() -> dict[str, str]:
    """Return the files by name. The configuration is that of the project's own folder, but for the demo's tools."""
    texts = {name: (files("bridge") / "templates" / name).read_text("utf-8") for name in NAMES}
    lines = texts["config.toml"].splitlines(keepends=True)
    texts["config.toml"] = "".join(TOOLS if line.startswith("tools = ") else line for line in lines)
    return texts


NAMES: Final = ("config.toml", "my_tools.py")

NEXT: Final = """
Next, in that folder:
  1. export TWILIO_AUTH_TOKEN=...       Twilio console, Account Info
     export OPENAI_API_KEY=...
     export BRIDGE_PUBLIC_URL=https://... the address of your tunnel or proxy, to port 8080 here
  2. bridge check                       is all of it right, and what goes into the Twilio console
  3. bridge serve                       answer the phone
No accounts yet? With any token, key and https address a call can be made on this machine, between stand-ins:
  replay model                          the model; for it [realtime] url = "ws://127.0.0.1:8090/v1/realtime"
  bridge serve
  replay phone --to http://127.0.0.1:8080/voice/front-desk \\
      --public-url "$BRIDGE_PUBLIC_URL" --auth-token-env TWILIO_AUTH_TOKEN
  bridge show last"""
