"""`replay vad`: turn detection tuned on recorded callers. Its commands need numpy, which the daemon does not."""

from importlib import import_module
from typing import Final

import click

from bridge.output import complain

COMMANDS: Final = {"sweep": "cmd_sweep", "labels": "cmd_labels", "compose": "cmd_compose"}
"""Each command's name and its module in `replay.vad`, where its function has the same name."""

EXTRA: Final = ("numpy", "soxr", "tomlkit")


class Lab(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of their use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or leave with advice when the extra is not installed."""
        if cmd_name not in COMMANDS:
            return None
        try:
            module = import_module(f"replay.vad.{COMMANDS[cmd_name]}")
        except ModuleNotFoundError as error:
            if error.name not in EXTRA:
                raise
            complain(f"the VAD lab needs {error.name}", hint="pip install 'phone-bridge[vad]'")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(cls=Lab)
def vad() -> None:
    """Choose turn detection from your own calls, offline.

    \b
    replay vad sweep data/tapes        which threshold, silence and prefix should these callers have?
    replay vad labels CA4f3e           mark by hand who speaks when, to be surer
    replay vad compose -o calls        make calls with known truth, to try things on
    """
