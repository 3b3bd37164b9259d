"""Loading the daemon lean: what is left out, that it is whole for whoever wants it later, and what is not touched."""

import gc
import subprocess
import sys
from types import ModuleType

import pytest

from bridge.web.lean import UNUSED, lean

SERVE = """
import sys
from bridge.web.lean import lean
with lean():
    import bridge.commands.serve, bridge.daemon.service
"""
HEAVY = {
    "duckdb",
    "h2",
    "httpx2",
    "jinja2",
    "numpy",
    "prometheus_client",
    "pygments",
    "regex",
    "replay",
    "rich",
}


def printed_by(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_daemon_loads_nothing_that_no_call_needs() -> None:
    loaded = set(printed_by(f"{SERVE}print(*sys.modules)").split())
    assert "quart" in loaded
    assert {name.partition(".")[0] for name in loaded} & HEAVY == set()
    assert loaded.intersection(UNUSED) == set()


def test_what_was_left_out_is_whole_for_whoever_imports_it_later() -> None:
    code = """
from rich.console import Console
from jinja2 import Template
import h2.connection, flask.cli, werkzeug.test
Console().print(Template("{{ word }}").render(word="here"))
print(len(flask.cli.AppGroup("a").commands), werkzeug.test.Client.__module__)
"""
    assert printed_by(SERVE + code).split() == ["here", "0", "werkzeug.test"]


def test_an_application_of_blueprints_works_without_command_lines() -> None:
    code = "import quart\nquart.Quart('a').register_blueprint(quart.Blueprint('b', 'b'))\nprint('here')"
    assert printed_by(SERVE + code).split() == ["here"]


def test_what_was_loaded_before_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ModuleType("jinja2")
    monkeypatch.setitem(sys.modules, "jinja2", before)
    monkeypatch.delitem(sys.modules, "flask.cli", raising=False)
    with lean():
        assert sys.modules["jinja2"] is before
        assert "flask.cli" in sys.modules
        assert not gc.isenabled()
    assert sys.modules["jinja2"] is before
    assert "flask.cli" not in sys.modules
    assert gc.isenabled()
    gc.unfreeze()


def test_the_console_is_whole_in_a_daemon_that_was_loaded_lean() -> None:
    code = """
import trio
from quart_trio import QuartTrio
from bridge.console.app import Door, Pages, open_console
from bridge.settings.admin import Admin, Console

app, told = QuartTrio("admin", static_folder=None), []
open_console(app, Pages(lambda: Door(Admin(), Console(on=True), "token"), None))

async def ask():
    scope = {
        "type": "http", "asgi": {}, "http_version": "1.1", "method": "GET", "scheme": "http", "path": "/console/login",
        "raw_path": b"/console/login", "query_string": b"", "headers": [], "root_path": "", "server": ("127.0.0.1", 1),
    }
    asked = [{"type": "http.request", "body": b"", "more_body": False}]
    async def receive():
        return asked.pop() if asked else await trio.sleep_forever()
    async def send(message):
        told.append(message)
    await app(scope, receive, send)

trio.run(ask)
print(told[0]["status"], b"Admin token" in told[1]["body"])
"""
    assert printed_by(SERVE + code).split() == ["200", "True"]
