"""`bridge call`: its exit code says what became of the call, and every refusal is a sentence."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bridge.cli import main

STATE = {
    "call_id": "out-1",
    "agent": "a",
    "state": "over",
    "call_sid": "",
    "answered_by": "",
    "outcome": "",
    "why": "",
}
TOKEN = "let-me-in"


@contextmanager
def daemon(status: int, *answers: dict[str, Any]) -> Iterator[tuple[str, list[tuple[str, str, bytes]]]]:
    """Answer like an admin address: with each of these once, then with the last for ever."""
    asked: list[tuple[str, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append((f"{self.command} {self.path}", self.headers.get("Authorization", ""), body))
            told = json.dumps(answers[min(len(asked), len(answers)) - 1]).encode()
            self.send_response(status if self.command == "POST" else 200)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def run(folder: Path, address: str, *options: str, token: str | None = TOKEN) -> Result:
    """Call somebody with a configuration that has this admin address."""
    config = folder / "config.toml"
    config.write_text(f'[admin]\nbind = "{address}"\n[agents.a]\ngreeting = "Hi."\n')
    environment = {"BRIDGE_ADMIN_TOKEN": token, "BRIDGE_CONFIG": None}
    return CliRunner().invoke(
        main, ["call", "a", "+493012345678", "-c", str(config), *options], env=environment
    )


@pytest.mark.parametrize(
    ("outcome", "code", "shown"),
    [("answered", 0, "answered"), ("busy", 3, "busy"), ("no_answer", 4, "no answer"), ("failed", 5, "failed"),
     ("canceled", 6, "cancelled")],
)  # fmt: skip
def test_the_exit_code_says_what_became_of_the_call(
    tmp_path: Path, outcome: str, code: int, shown: str
) -> None:
    with daemon(201, {**STATE, "state": "asked"}, {**STATE, "outcome": outcome}) as (address, _):
        result = run(tmp_path, address)
    assert result.exit_code == code
    assert result.stdout.splitlines()[0] == "out-1  asked"
    assert shown in result.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("outcome", "why", "shown"),
    [("busy", "caller: busy", "busy"), ("no_answer", "caller: no answer", "no answer"),
     ("failed", "bridge: no such number", "failed (bridge: no such number)")],
)  # fmt: skip
def test_why_is_said_where_it_says_more_than_the_outcome(
    tmp_path: Path, outcome: str, why: str, shown: str
) -> None:
    with daemon(201, {**STATE, "outcome": outcome, "why": why}) as (address, _):
        assert run(tmp_path, address).stdout.splitlines()[-1] == f"out-1  {shown}"


def test_without_waiting_a_call_that_is_asked_for_is_enough(tmp_path: Path) -> None:
    with daemon(201, {**STATE, "state": "asked"}) as (address, asked):
        result = run(tmp_path, address, "--no-wait", "--var", "name=Anna=Bea", "--time-zone", "Europe/Berlin")
    assert result.exit_code == 0
    ((what, token, body),) = asked
    assert (what, token) == ("POST /calls", f"Bearer {TOKEN}")
    assert json.loads(body) == {
        "agent": "a", "to": "+493012345678", "variables": {"name": "Anna=Bea"}, "time_zone": "Europe/Berlin",
    }  # fmt: skip


def test_a_refusal_is_a_sentence_on_standard_error(tmp_path: Path) -> None:
    with daemon(403, {"refused": "hours", "why": "it is 03:00 in Europe/Berlin"}) as (address, _):
        result = run(tmp_path, address)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Not called: it is 03:00 in Europe/Berlin\n"


def test_machines_get_json_of_either(tmp_path: Path) -> None:
    with daemon(403, {"refused": "hours", "why": "too late"}) as (address, _):
        refused = run(tmp_path, address, "--json")
    with daemon(201, {**STATE, "outcome": "busy"}) as (address, _):
        made = run(tmp_path, address, "--json")
    assert (refused.exit_code, json.loads(refused.stdout)) == (1, {"refused": "hours", "why": "too late"})
    assert (made.exit_code, json.loads(made.stdout)["outcome"]) == (3, "busy")


@pytest.mark.parametrize(
    ("address", "token", "said"),
    [("127.0.0.1:1", TOKEN, "no daemon answers at 127.0.0.1:1"), ("", TOKEN, "[admin] bind"),
     ("127.0.0.1:1", None, "set BRIDGE_ADMIN_TOKEN")],
)  # fmt: skip
def test_where_no_daemon_can_be_asked_the_exit_code_is_another(
    tmp_path: Path, address: str, token: str | None, said: str
) -> None:
    result = run(tmp_path, address, token=token)
    assert (result.exit_code, said in result.stderr) == (2, True)


def test_a_variable_without_a_name_is_a_fault_of_the_command_line(tmp_path: Path) -> None:
    result = run(tmp_path, "127.0.0.1:1", "--var", "Anna")
    assert (result.exit_code, "write it NAME=VALUE" in result.stderr) == (2, True)
