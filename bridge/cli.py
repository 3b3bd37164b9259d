"""The `bridge` command. Each of its commands is in a module `cmd_…`; those alone read the environment."""

from typing import Final

import click

from bridge import __version__
from bridge.lazy_group import LazyCommands, LazyGroup

COMMANDS: Final[LazyCommands] = {
    "demo": "bridge.cmd_demo:demo",
    "init": "bridge.cmd_init:init",
    "check": "bridge.cmd_check:check",
    "doctor": "bridge.cmd_doctor:doctor",
    "serve": "bridge.cmd_serve:serve",
    "install": "bridge.cmd_install:install",
    "calls": "bridge.cmd_calls:calls",
    "show": "bridge.cmd_calls:show",
    "reindex": "bridge.cmd_reindex:reindex",
    "keep": "bridge.cmd_keep:keep",
    "forget": "bridge.cmd_keep:forget",
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bridge")
def main() -> None:
    """An OpenAI Realtime voice agent on your Twilio numbers.

    \b
    bridge demo              hear a whole call, with no accounts
    bridge init              a configuration and a tool to start from
    bridge check             is the configuration right, and what goes into the Twilio console
    bridge doctor            does everything fit together: address, Twilio, model, machine
    bridge serve             answer the phone
    bridge install           let systemd keep it running
    bridge calls             what happened
    bridge show CALL         one call, moment by moment
    bridge reindex           make the database anew, from the tapes
    bridge keep              remove what is too old
    bridge forget CALL       erase a call, or all calls with a number

    Recorded calls are worked on with the `replay` command.
    """
