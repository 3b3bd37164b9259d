"""The `bridge` command: serve, demo, check, doctor, install, calls, show, and more; it alone reads the environment."""

import logging
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec
import trio
from attrs import evolve
from rich.console import Console
from rich.progress import Progress

from bridge import __version__, config
from bridge import install as install_units
from bridge.checks import read_table
from bridge.errors import BridgeError, ConfigError, TapeError
from bridge.extras import missing_extras
from bridge.keep import due, keeps_rows, utc_now
from bridge.keep import keep as keep_now
from bridge.lock import is_held
from bridge.logs import crash_logged, log_as, set_up_logging
from bridge.machine import leave_hung_threads
from bridge.output import (
    call_page,
    calls_table,
    complain,
    console,
    explains_errors,
    leave_faults,
    print_json,
    quiet_interrupt,
    table_console,
)
from bridge.output_keep import forget as forget_calls
from bridge.output_keep import show_due, show_removed
from bridge.reading import UNREADABLE, tried
from bridge.recorder import DONE_SUFFIX, tapes_under
from bridge.store import TABLES, Store, finish_torn
from bridge.tools import load_tools

CONFIG = click.option(
    "--config", "-c", "path", type=click.Path(path_type=Path), default=Path("config.toml"),
    show_default=True, envvar="BRIDGE_CONFIG", help="The configuration file.",
)  # fmt: skip
DATA = click.option(
    "--data", type=click.Path(path_type=Path), default=None,
    help="The data folder, in place of the one the configuration names.",
)  # fmt: skip
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bridge")
def main() -> None:
    """An OpenAI Realtime voice agent on your Twilio numbers.

    \b
    bridge demo              hear a whole call, with no accounts
    bridge check             is the configuration right, and what goes into the Twilio console
    bridge doctor            does everything fit together: address, Twilio, model, machine
    bridge serve             answer the phone
    bridge install           let systemd keep it running
    bridge calls             what happened
    bridge show CALL         one call, moment by moment
    bridge forget CALL       erase a call, or all calls with a number

    Recorded calls are worked on with the `replay` command.
    """


# ---------------------------------------------------------------- serve and check


@main.command()
@CONFIG
@click.option("--public-url", envvar="BRIDGE_PUBLIC_URL", help="The https address Twilio calls.")
@click.option("--bind", help="host:port to listen on.")
@click.option("--log-json", is_flag=True, help='Log JSON lines, as [logging] format = "json" does.')
@explains_errors
def serve(path: Path, public_url: str | None, bind: str | None, log_json: bool) -> None:
    """Answer the phone until SIGTERM or Ctrl-C, then drain.

    The first signal stops taking calls and lets live ones end for drain_seconds; a second one ends at once.
    SIGHUP reads the configuration, the secrets and the tools again, for calls from then on.
    A socket that systemd passes is used in place of bind, and systemd is told how the daemon is.
    """
    read = partial(_read_all, path, public_url, bind, log_json)
    settings, secrets = read()
    from bridge import service  # half of all start-up time, and only this command needs it
    from bridge.listener import passed_socket
    from bridge.notify import notifier_from

    surroundings = service.Surroundings(
        notifier_from(os.environ, os.getpid()), passed_socket(os.environ, os.getpid()), read
    )
    with crash_logged(), quiet_interrupt():
        trio.run(service.serve, settings, secrets, surroundings)
    leave_hung_threads(0)


def _read_all(
    path: Path, public_url: str | None, bind: str | None, log_json: bool
) -> tuple[config.Settings, config.Secrets]:
    """Return everything the daemon will not start without, and log from now on as it says. Raises `ConfigError`.

    New secrets are kept out of the log from the moment they are known.
    """
    settings = _with_overrides(config.load(path), public_url, bind)
    if log_json:
        settings = evolve(settings, logging=evolve(settings.logging, format="json"))
    secrets = config.read_secrets(settings, os.environ)
    if missing := [*config.missing_secrets(settings, secrets), *missing_extras(settings)]:
        raise ConfigError([f"{path}: {sentence}" for sentence in missing])
    log_as(settings, secrets, os.environ)
    return settings, secrets


def _with_overrides(settings: config.Settings, public_url: str | None, bind: str | None) -> config.Settings:
    """Return the settings with what the command line said, checked like the file."""
    given = {key: value for key, value in {"public_url": public_url, "bind": bind}.items() if value}
    faults: list[str] = []
    server = settings.server
    if given:
        checked = read_table(config.Server, given, at="command line", faults=faults)
        server = evolve(server, **{key: getattr(checked, key) for key in given})
    if faults:
        raise ConfigError(faults)
    return evolve(settings, server=server)


@main.command()
@CONFIG
@click.option("--public-url", envvar="BRIDGE_PUBLIC_URL", help="The https address Twilio calls.")
@click.option("--ready", is_flag=True, help="Exit 1 when secrets or the public URL are missing.")
@explains_errors
def check(path: Path, public_url: str | None, ready: bool) -> None:
    """Check the configuration, and print what goes into the Twilio console.

    Exit 0 when the file is right, 2 when it is not (one line per fault).
    """
    settings = _with_overrides(config.load(path), public_url, None)
    secrets = config.read_secrets(settings, os.environ)
    missing = [*config.missing_secrets(settings, secrets), *missing_extras(settings)]
    out = console()
    out.print(f"[green]OK[/] {path}: {len(settings.agents)} agent(s)")
    public = settings.server.public_url or "https://<public_url>"
    for name, agent in settings.agents.items():
        tools = load_tools(agent.tools, settings.folder)
        out.print(f"  {name}: voice webhook [bold]{public}/voice/{name}[/] (HTTP POST)", soft_wrap=True)
        out.print(f"    tools: {', '.join([*tools, 'hang_up'])}")
    if settings.server.public_url.startswith("http:"):
        out.print("[yellow]note:[/] the public URL is http; Twilio opens media sockets over https alone")
    if secrets.proxy is not None:
        click.echo(f"  to the model through the proxy {secrets.proxy} ({secrets.proxy.named_by})")
    for sentence in missing:
        out.print("[yellow]before it can serve:[/] ", end="")
        out.print(sentence, markup=False, soft_wrap=True)
    if ready and missing:
        raise SystemExit(1)


@main.command()
@CONFIG
@click.option("--public-url", envvar="BRIDGE_PUBLIC_URL", help="The https address Twilio calls.")
@click.option("--offline", is_flag=True, help="Skip what needs the network.")
@JSON
@explains_errors
def doctor(path: Path, public_url: str | None, offline: bool, as_json: bool) -> None:
    """Look at everything that keeps calls from coming in, and say what to do next.

    Run it beside the running daemon, as its user: it calls the daemon through the public URL as Twilio does, without
    beginning a call. With [twilio] account_sid or TWILIO_ACCOUNT_SID it also reads which numbers lead here.

    Exit 0 when all is well, 1 for warnings alone, 2 for errors.
    """
    from bridge.doctor import examine, page  # it takes the whole daemon along

    set_up_logging(as_json=False, level=logging.ERROR)
    with quiet_interrupt():
        report = trio.run(
            partial(
                examine,
                path,
                os.environ,
                lambda settings: _with_overrides(settings, public_url, None),
                is_offline=offline,
            )
        )
    print_json(report.plain) if as_json else table_console().print(page(report))
    leave_hung_threads(report.exit_code)
    raise SystemExit(report.exit_code)


@main.command()
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
    installation = install_units.Installation(
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
    for sentence in install_units.write_units(units, root, force=force):
        click.echo(sentence)
    click.echo("\nWhat is left, as root; nothing was started:")
    for number, (what, commands) in enumerate(install_units.next_steps(installation), start=1):
        click.echo(f"\n{number}. {what}:")
        for command in commands:
            click.echo(f"     {command}")


# ---------------------------------------------------------------- what happened


def _store(path: Path, data: Path | None) -> Store:
    return Store((data or config.load(path).data_folder) / "calls.duckdb")


@main.command()
@CONFIG
@DATA
@click.option("--agent", help="Only calls of this agent.")
@click.option("--ended-by", type=click.Choice(["caller", "model", "tool", "limit", "operator", "bridge"]))
@click.option("--from", "caller", help="Only callers whose number contains this.")
@click.option("--since", type=click.DateTime(), help="Only calls from this moment on (UTC).")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 100_000), help="The latest so many."
)
@JSON
@explains_errors
def calls(path: Path, data: Path | None, limit: int, as_json: bool, **filters: Any) -> None:
    """List calls, the latest first."""
    clauses = {"agent": "agent = ?", "ended_by": "ended_by = ?", "since": "started_at >= ?",
               "caller": "contains(from_number, ?)"}  # fmt: skip
    used = {name: value for name, value in filters.items() if value}
    where = " and ".join(clauses[name] for name in used) or "true"
    sql = f"select * from calls where {where} order by started_at desc limit {limit}"
    store = _store(path, data)
    rows = store.query(sql, used.values()) if store.path.exists() else []
    for row in rows:
        row["counts"] = _json(row["counts"])
    if as_json:
        print_json(rows)
    elif rows:
        screen = table_console()
        screen.print(calls_table(rows, width=screen.width))
    else:
        click.echo(
            f"No calls yet in {store.path.parent}." if not used else "No calls match; try fewer filters."
        )


@main.command()
@click.argument("call")
@CONFIG
@DATA
@JSON
@explains_errors
def show(call: str, path: Path, data: Path | None, as_json: bool) -> None:
    """Show one call: transcript, tools, milestones, latencies.

    CALL is a call id or its beginning, or "last". Words that were said but never heard are struck through.
    """
    record = read_record(_store(path, data), call)
    if as_json:
        print_json(record)
    else:
        console().print(call_page(record))


def read_record(store: Store, call: str) -> dict[str, Any]:
    """Return all rows of one call, by table. Raises `BridgeError` when the id names none or several."""
    if not call:
        raise BridgeError('an empty call id: `bridge calls` lists them, and "last" is the latest')
    order = "order by started_at desc limit 3"
    if call == "last":
        found = store.query(f"select call_id from calls {order}")[:1]
    else:
        found = store.query(f"select call_id from calls where starts_with(call_id, ?) {order}", [call])
    if not found:
        raise BridgeError(
            f"no call {call} in {store.path}: `bridge calls` lists them, --data names another folder"
        )
    if len(found) > 1 and found[0]["call_id"] != call:
        raise BridgeError(f"{call} is the beginning of several calls: give more of it")
    call_id = found[0]["call_id"]
    record: dict[str, Any] = {}
    for table in TABLES:
        order = "" if table == "calls" else "order by position"
        record[table] = store.query(f"select * from {table} where call_id = ? {order}", [call_id])
    record["call"] = record.pop("calls")[0]
    record["call"]["counts"] = _json(record["call"]["counts"])
    for table, column in (("milestones", "data"), ("log", "data"), ("tool_calls", "arguments")):
        for row in record[table]:
            row[column] = _json(row[column])
    return record


def _json(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)


@main.command()
@CONFIG
@DATA
@explains_errors
def reindex(path: Path, data: Path | None) -> None:
    """Rebuild calls.duckdb from the tapes, which are the truth; the old file is replaced at the end.

    Exit 0 when every tape is in it, 2 when some can't be read: those are named, and left out.
    """
    store = _store(path, data)
    folder = store.path.parent
    tapes, live = _finished_tapes(folder)
    wants = keeps_rows(config.load(path)) if data is None else None  # of another folder nobody knows
    tapes = [tape for tape in tapes if wants is None or wants(tape)]
    if not tapes:
        complain(f"{folder / 'tapes'}: no finished tapes", hint="name the folder with --data")
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("tapes", total=len(tapes))
        faults = store.rebuild(tapes, progress=lambda: bar.advance(task))
    late = [
        path
        for path in tapes_under(folder / "tapes")
        if path.name.endswith(DONE_SUFFIX) and path not in tapes and (wants is None or wants(path))
    ]
    added = [tried(lambda path: store.add([path]), path) for path in late]  # calls that ended meanwhile
    faults += [fault for fault in added if isinstance(fault, TapeError)]
    click.echo(
        f"{store.path}: {len(tapes) + len(late) - len(faults)} call(s) from {len(tapes) + len(late)} tape(s)"
    )
    if live:
        click.echo(f"{live} call(s) going on are left to the daemon.")
    leave_faults(faults)


def _finished_tapes(folder: Path) -> tuple[list[Path], int]:
    """Return the tapes to index, and how many calls are live; without a daemon, torn tapes are closed first."""
    found = tapes_under(folder / "tapes")
    done = [path for path in found if path.name.endswith(DONE_SUFFIX)]
    left_open = [path for path in found if path not in done]
    if is_held(folder):
        return done, len(left_open)
    return sorted([*done, *(finish_torn(path) or path for path in left_open)]), 0


# ---------------------------------------------------------------- keeping and forgetting


@main.command()
@CONFIG
@DATA
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@JSON
@explains_errors
def keep(path: Path, data: Path | None, dry_run: bool, as_json: bool) -> None:
    """Remove what is too old now: sound, tapes and rows, each after its days in the configuration.

    The daemon does this by itself, at its start and every 6 hours; it need not be stopped for this.
    Exit 0 when all that was due is gone, 2 when a tape can't be rewritten or deleted: it is named, and stays.
    """
    settings, now = config.load(path), utc_now()
    folder = data or settings.data_folder
    if dry_run:
        return show_due(due(folder, settings, now), wants_json=as_json)
    removed = keep_now(folder, settings, now)
    show_removed(removed, wants_json=as_json)
    raise SystemExit(UNREADABLE if removed.failed else 0)


@main.command()
@click.argument("who", metavar="CALL|NUMBER")
@CONFIG
@DATA
@click.option("--dry-run", is_flag=True, help="Only show which calls are meant.")
@click.option("--yes", "-y", is_flag=True, help="Ask no question.")
@JSON
@explains_errors
def forget(who: str, path: Path, data: Path | None, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Erase a call, or all calls with a phone number, for good; then search every file for what is left of it.

    CALL is a call id or its beginning; NUMBER is the other party's, in any spelling, with its country code.
    Numbers that were masked can't be told: such calls are listed, to be forgotten by their id. Calls that go on
    are refused. The daemon need not be stopped.

    \b
    bridge forget CA4f3e
    bridge forget "+1 (555) 012-3456" --dry-run
    bridge forget +15550123456 --yes --json

    Exit 0 when nothing is left, 1 when something was found again, 2 when nothing was erased, or a tape can't be
    read and may be of this number: it is named, to be forgotten by its id.
    """
    folder = data or config.load(path).data_folder
    raise SystemExit(forget_calls(who, folder, is_dry=dry_run, is_sure=yes, wants_json=as_json))


# ---------------------------------------------------------------- demo


@main.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("demo-out"), show_default=True,
              help="Where calls.duckdb, the tape and call.wav go.")  # fmt: skip
@JSON
@explains_errors
def demo(out: Path, as_json: bool) -> None:
    """Hear a whole phone call go through the real daemon, with no accounts, in less than 30 seconds.

    Both peers are stand-ins on this machine: one rings like Twilio, one answers like the Realtime API.
    """
    from replay.demo import narrate, run_demo  # the lab is nobody's business but the demo's

    set_up_logging(as_json=False, level=logging.ERROR)
    with quiet_interrupt():
        result = trio.run(run_demo, out.resolve(), (lambda line: None) if as_json else narrate(console()))
    record = read_record(Store(out / "calls.duckdb"), result.call_id)
    paths = {"database": str(out / "calls.duckdb"), "tape": str(result.tape), "wav": str(result.wav)}
    if as_json:
        return print_json({**record, "paths": paths})
    screen = console()
    screen.rule("the record")
    screen.print(call_page(record))
    screen.rule("what is left of it")
    for name, where in paths.items():
        screen.print(f"{name:9s} {where}", soft_wrap=True)
    screen.print(
        f"\nListen to call.wav (left caller, right agent as heard), then try\n"
        f"  {RUN}bridge show last --data {out}\n  {RUN}replay run {result.tape}", soft_wrap=True
    )  # fmt: skip


RUN = "uv run " if "UV_RUN_RECURSION_DEPTH" in os.environ else ""
"""How the person at the keyboard started this command, so that what we propose works when it is copied."""
