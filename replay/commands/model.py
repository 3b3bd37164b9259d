"""`replay model`: the Realtime stand-in as a command, for any client. What it says is in the scenario."""

import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import click
import msgspec
import trio
from rich.console import Console
from rich.markup import escape

from bridge.screen.errors import complain, explains_errors, quiet_interrupt
from bridge.screen.output import console
from bridge.text.visible import visible, visible_json
from replay.model.expect import Expect, unmet
from replay.model.scenario import load_scenario
from replay.model.server import Cast, ModelServer, Watch, serve_model
from replay.model.session import Session
from replay.model.watch import Happening, Watcher, as_json, narrate

PORT: Final = 8090
NOT_AS_EXPECTED: Final = 1


@click.command()
@click.argument("scenario", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", "-p", type=click.IntRange(0, 65535), default=PORT, show_default=True,
              help="The port to listen on; 0 for any free one.")  # fmt: skip
@click.option("--once", is_flag=True, help="Leave when the first session has ended.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON lines for machines.")
@explains_errors
def model(scenario: Path | None, host: str, port: int, once: bool, wants_json: bool) -> None:
    """Be the Realtime model for any client: no account, no network, the same every time.

    It speaks the protocol of the real service and plays a SCENARIO, a TOML file that says what it answers, how
    it delivers that, and what goes wrong. Without one it is Harbour Table, the restaurant of the demo: a
    greeting, the opening hours, a table looked up with the tool check_table, a goodbye that calls hang_up.

    \b
    replay model                                         the restaurant on port 8090
    replay model docs/scenarios/restaurant-model.toml    your own words, versions and faults
    replay model --once --json --port 0 slow.toml        for a script: one session, then leave

    \b
    Point a client at it; any key will do:
      bridge          [realtime] url = "ws://127.0.0.1:8090/v1/realtime"
      openai          AsyncOpenAI(api_key="any", websocket_base_url="ws://127.0.0.1:8090/v1")
      openai-agents   model_config={"url": "ws://127.0.0.1:8090/v1/realtime?model=gpt-realtime-2.1"}

    A version of the scenario, [versions.NAME], is chosen by the client: ?model=NAME.

    With --json each line is an object: {"type": "listening", "url"} first, then one for each message with
    "session", "t_ms", "from" (client, model or socket), "type" and "msg", without audio and deltas.

    What its clients must do can stand in [expect] of the scenario; whatever of it did not come true is said at the end.

    Ctrl-C ends it. Exit code: 0; 1 when something expected did not come true; 2 when the scenario or the address can't
    be used.
    """
    cast, expect = _cast(scenario)
    screen = console()
    tell: Callable[[Happening], None] = _print_json if wants_json else narrate(screen)
    watcher = Watcher(tell, trio.current_time)
    greet = _greet_machine if wants_json else partial(_greet, screen, scenario)
    with quiet_interrupt():
        served = trio.run(partial(_serve, cast, watcher, greet, host=host, port=port, once=once))
    if isinstance(served, OSError):
        hint = "another --host or --port; --port 0 is any free one"
        complain(f"{host}:{port}: can't listen there: {served.strerror or served}", hint=hint)
    complaints = unmet(expect, served)
    if wants_json:
        told = {} if expect == Expect() else {"complaints": complaints}
        _echo({"type": "ended", "sessions": watcher.sessions, **told})
    else:
        _tell_end(screen, watcher.sessions, complaints)
    sys.exit(NOT_AS_EXPECTED if complaints else 0)


def _tell_end(screen: Console, sessions: int, complaints: list[str]) -> None:
    screen.print(f"{sessions} sessions served")
    for complaint in complaints:
        screen.print(f"[red]wrong[/]  {escape(visible(complaint))}", soft_wrap=True)


def _cast(path: Path | None) -> tuple[Cast, Expect]:
    if path is not None:
        scenario = load_scenario(path)
        return scenario.script_for, scenario.expect
    from replay.demo.stories import model_says  # here, because the demo brings the whole daemon with it

    script = model_says()
    return lambda _model, _show: script, Expect()


async def _serve(
    cast: Cast, watch: Watch, greet: Callable[[str], None], *, host: str, port: int, once: bool
) -> list[Session] | OSError:
    """Serve until a signal, or the end of the first session; gives the sessions, or the reason when it can't."""
    served: list[Session] | OSError = []
    try:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with trio.open_nursery() as nursery:
                server: ModelServer = await nursery.start(
                    partial(serve_model, cast, host=host, port=port, watch=watch)
                )
                served = server.sessions
                greet(server.url)
                if once:
                    nursery.start_soon(_leave_after_one, server, nursery.cancel_scope)
                async for _ in signals:
                    break
                nursery.cancel_scope.cancel()
    except* OSError as group:
        first = group.exceptions[0]
        served = first if isinstance(first, OSError) else OSError(str(first))
    return served


async def _leave_after_one(server: ModelServer, scope: trio.CancelScope) -> None:
    session = await server.wait_session()
    await session.wait_until(lambda session: session.close_code is not None)
    scope.cancel()


def _greet(screen: Console, scenario: Path | None, url: str) -> None:
    screen.print(f"listening on [bold]{url}[/]?model=ANY", soft_wrap=True)
    screen.print(f"playing      {scenario or 'Harbour Table, the restaurant of the demo'}", soft_wrap=True)
    screen.print("Ctrl-C ends it\n")


def _greet_machine(url: str) -> None:
    _echo({"type": "listening", "url": url})


def _print_json(happening: Happening) -> None:
    _echo(as_json(happening))


def _echo(value: object) -> None:
    click.echo(visible_json(msgspec.json.encode(value).decode("utf-8")))
