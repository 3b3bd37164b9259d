"""`bridge install`: systemd's units for this installation."""

import sys
from pathlib import Path

import click
from attrs import evolve

from bridge import config
from bridge.commands.options import CONFIG
from bridge.daemon.install import Installation, next_steps, write_units
from bridge.screen.errors import explains_errors


@click.command()
@CONFIG
@click.option(
    "--bin", "binary", type=click.Path(path_type=Path), help="The bridge command the unit runs; this one."
)
@click.option("--user", default="", help="An existing user to run as, in place of one of systemd's own.")
@click.option(
    "--socket", "with_socket", is_flag=True, help="A bridge.socket too: the port outlives restarts."
)
@click.option("--root", type=click.Path(path_type=Path, file_okay=False), default=Path("/"), show_default=True,
              help="Work as if this folder were /, for packages.")  # fmt: skip
@click.option("--print", "only_print", is_flag=True, help="Show the units and write nothing.")
@click.option("--force", is_flag=True, help="Overwrite units that say something else.")
@explains_errors
def install(
    path: Path, binary: Path | None, user: str, with_socket: bool, root: Path, only_print: bool, force: bool
) -> None:
    """Write systemd's units for this installation, and say what is left to do. It starts nothing.

    The configuration is read below --root and named in the unit by its absolute path.
    """
    path = path.resolve()
    settings = config.load(root / path.relative_to("/"))
    installation = Installation(
        binary=binary or Path(sys.prefix) / "bin" / "bridge",
        config=path,
        settings=evolve(settings, folder=path.parent),
        user=user,
        with_socket=with_socket,
        also_read=() if binary else (Path(sys.executable).resolve(),),
    )
    units = installation.units()
    if only_print:
        return click.echo("\n".join(f"# {name}\n{text}" for name, text in units.items()), nl=False)
    for sentence in write_units(units, root, force=force):
        click.echo(sentence)
    click.echo("\nWhat is left, as root; nothing was started:")
    for number, (what, commands) in enumerate(next_steps(installation), start=1):
        click.echo(f"\n{number}. {what}:")
        for command in commands:
            click.echo(f"     {command}")
