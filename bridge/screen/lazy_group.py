"""A group of commands of which each is imported when it is run, so that asking for help loads next to nothing.

It is the pattern of click's own pages (Complex Applications, lazily loading subcommands).
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final, NoReturn, TypeAlias

import click

from bridge.errors import first_of

NOBODY_READS: Final = 141
"""Exit code when the reader of our output has left: what a shell reports of any program that SIGPIPE ended."""

LazyCommands: TypeAlias = Mapping[str, str]
"""Where each command is, `module:function`, by its name."""


class LazyGroup(click.Group):
    """A group that knows where its commands are; its own help text says what each is for."""

    def __init__(self, *args: Any, lazy: LazyCommands, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of their use."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, or leave with advice when it needs an extra that is not installed."""
        if cmd_name not in self.lazy:
            return None
        module, _, function = self.lazy[cmd_name].partition(":")
        try:
            command: click.Command = getattr(import_module(module), function)
        except ModuleNotFoundError as error:
            _complain_of_extra(f"{ctx.command_path} {cmd_name}", error)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write no list of commands: to know their first sentences it would import them all."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the command line, and print help if that is asked for."""
        with quiet_pipe():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; quietly to its end if its reader has seen enough."""
        with quiet_pipe():
            return super().invoke(ctx)


def _complain_of_extra(command: str, error: ModuleNotFoundError) -> NoReturn:
    """Leave with what to install, if the module belongs to an extra; else it is a fault of ours."""
    from bridge.extras import extra_with, install_hint  # they read the configuration and what is installed
    from bridge.screen.errors import complain

    extra = extra_with(error.name or "", command)
    if extra is None:
        raise error
    complain(f"`{command}` needs {error.name}, which is not installed", hint=install_hint(extra))


@contextmanager
def quiet_pipe() -> Iterator[None]:
    """Leave without a word when nobody reads what is printed, as in `replay export … | head`."""
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where it can be caught, and not at the interpreter's end
    except BaseException as error:
        if not isinstance(first_of(error), BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(NOBODY_READS) from None
