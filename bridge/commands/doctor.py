"""`bridge doctor`: everything that keeps calls from coming in."""

import logging
import os
from functools import partial
from pathlib import Path

import click
import trio

from bridge.commands.options import CONFIG, HOST_URL, JSON, PUBLIC_URL, with_overrides
from bridge.doctor.examination import examine, page
from bridge.logs import set_up_logging
from bridge.machine import leave_hung_threads
from bridge.screen.errors import explains_errors, quiet_interrupt
from bridge.screen.output import print_json, table_console


@click.command()
@CONFIG
@PUBLIC_URL
@HOST_URL
@click.option("--offline", is_flag=True, help="Skip what needs the network.")
@JSON
@explains_errors
def doctor(path: Path, public_url: str | None, host_url: str | None, offline: bool, as_json: bool) -> None:
    """Look at everything that keeps calls from coming in, and say what to do next.

    Run it beside the running daemon, as its user: it calls the daemon through the public URL as Twilio does, without
    beginning a call. With [twilio] account_sid or TWILIO_ACCOUNT_SID it also reads which numbers lead here.

    Exit 0 when all is well, 1 for warnings alone, 2 for errors.
    """
    set_up_logging(as_json=False, level=logging.ERROR)
    with quiet_interrupt():
        report = trio.run(
            partial(
                examine,
                path,
                os.environ,
                lambda settings: with_overrides(settings, public_url=public_url, host_url=host_url),
                is_offline=offline,
            )
        )
    print_json(report.plain) if as_json else table_console().print(page(report))
    leave_hung_threads(report.exit_code)
    raise SystemExit(report.exit_code)
