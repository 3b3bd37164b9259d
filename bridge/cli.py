"""The `bridge` command. Each of its commands is a module of `bridge.commands`; those alone read the environment."""

from typing import Final

import click

from bridge import __version__
from bridge.screen.lazy_group import LazyCommands, LazyGroup

COMMANDS: Final[LazyCommands] = {
    "demo": "bridge.commands.demo:demo",
    "init": "bridge.commands.init:init",
    "check": "bridge.commands.check:check",
    "doctor": "bridge.commands.doctor:doctor",
    "serve": "bridge.commands.serve:serve",
    "reload": "bridge.commands.reload:reload_command",
    "call": "bridge.commands.call:call_command",
    "clip": "bridge.commands.clip:clip_command",
    "install": "bridge.commands.install:install",
    "console": "bridge.commands.console:console",
    "calls": "bridge.commands.calls:calls",
    "show": "bridge.commands.calls:show",
    "reindex": "bridge.commands.reindex:reindex",
    "keep": "bridge.commands.keep:keep",
    "forget": "bridge.commands.keep:forget",
    "lake": "bridge.commands.lake:lake",
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
    bridge reload            let the running daemon use changed files, or new code
    bridge call              have an agent call somebody
    bridge clip              a sentence in an agent's voice, for when it can't speak
    bridge install           let systemd keep it running
    bridge console           see every call in a browser, live and afterwards
    bridge calls             what happened
    bridge show CALL         one call, moment by moment
    bridge reindex           make the database anew, from the tapes
    bridge keep              remove what is too old
    bridge forget CALL       erase a call, or all calls with a number
    bridge lake COMMAND      the records of all hosts: send what waits, tidy it up

    Recorded calls are worked on with the `replay` command.
    """
