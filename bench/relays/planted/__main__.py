"""A relay in the shape of Twilio's Python example that does all of it right, with twelve switches that make it wrong.

It is what a report card is tested by: each switch has to fail the checks that it should, and none does when all are
off. It checks signatures, waits for `start`, clears and truncates at what marks prove heard, runs tools beside the
audio, bounds what waits, and closes both sides.

python -m bench.relays.planted --port 0 --fault NAME; the first line that it prints says its port.
"""

import json
import os
from functools import partial
from urllib.parse import urlsplit

import click
import trio

from bench.relays.planted.app import INVENTED_TOKEN, serve_relay
from bench.relays.planted.faults import FAULTS, Fault


async def main(model_url: str, faults: frozenset[Fault], port: int, auth_token: str) -> None:
    """Serve until killed."""
    async with trio.open_nursery() as nursery:
        serve = partial(serve_relay, faults=faults, port=port, auth_token=auth_token)
        url = await nursery.start(serve, model_url)
        print(json.dumps({"port": urlsplit(url).port}), flush=True)


@click.command()
@click.option("--port", envvar="PORT", default=0)
@click.option("--fault", "faults", multiple=True, type=click.Choice(list(FAULTS)), help="What it does wrong.")
@click.option("--model", "model_url", envvar="OPENAI_REALTIME_URL", required=True)
def command(port: int, faults: tuple[Fault, ...], model_url: str) -> None:
    """Run the relay, with none of the faults or some."""
    trio.run(main, model_url, frozenset(faults), port, os.environ.get("TWILIO_AUTH_TOKEN", INVENTED_TOKEN))


if __name__ == "__main__":
    command()
