"""`bridge demo`: a whole phone call on this machine."""

import logging
from functools import partial
from pathlib import Path

import click
import trio

from bridge.commands.options import JSON
from bridge.errors import ConfigError
from bridge.extras import install_hint, is_installed
from bridge.logs import set_up_logging
from bridge.screen.errors import explains_errors, quiet_interrupt
from bridge.screen.output import RUN, console, print_json, show_call
from bridge.store.database import Store
from bridge.store.one_call import read_record


@click.command()
@click.option("--story", type=click.Choice(["table", "transfer", "menu", "voicemail", "outbound"]), default="table",
              show_default=True, help="What happens in the call.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("demo-out"), show_default=True,
              help="Where calls.duckdb, the tape, call.wav and the call's page go.")  # fmt: skip
@JSON
@explains_errors
def demo(story: str, out: Path, as_json: bool) -> None:
    """Hear a whole phone call go through the real daemon, with no accounts, in less than 30 seconds.

    Both peers are stand-ins on this machine: one rings like Twilio, one answers like the Realtime API.
    """
    from replay.demo.narrate import narrate, narrate_telephones  # the lab is nobody's business but the demo's
    from replay.demo.run import run_demo
    from replay.demo.stories import STORIES

    set_up_logging(as_json=False, level=logging.ERROR)
    screen, told = console(), STORIES[story]()
    if told.calls and not is_installed("phonenumbers"):
        raise ConfigError([f"this story needs packages that are not here: {install_hint('outbound')}"])
    screen.quiet = as_json
    screen.print(told.told, style="dim")
    with quiet_interrupt():
        tell_it = partial(run_demo, run=RUN)
        result = trio.run(tell_it, told, out.resolve(), narrate(screen), narrate_telephones(screen))
    record = read_record(Store(out / "calls.duckdb"), result.call_id)
    paths = {
        "database": str(out / "calls.duckdb"),
        "tape": str(result.tape),
        "wav": str(result.wav),
        "page": str(result.page),
    }
    if as_json:
        return print_json({**record, "paths": paths})
    screen.rule("the record")
    show_call(record, screen)
    screen.rule("what is left of it")
    for name, where in paths.items():
        screen.print(f"{name:9s} {where}", soft_wrap=True)
    screen.print(
        f"\nListen to call.wav (left the caller, right what they hear), then try\n"
        f"  {RUN}bridge show last --data {out}\n  {RUN}replay run {result.tape}\n"
        f"See and hear it, word by word; one click plays the interruption:\n  {result.page.as_uri()}", soft_wrap=True
    )  # fmt: skip
