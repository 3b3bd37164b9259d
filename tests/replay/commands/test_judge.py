"""`replay judge` as a shell would run it, with a relay of ours that sends audio before `start`."""

import json
import os
import shlex
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from subprocess import Popen
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from click.testing import CliRunner, Result

from replay.commands.judge import judge

RELAY = f"{sys.executable} -m bench.relays.planted --fault sends_before_start"
STARTED = ("--cmd", RELAY, "--model-variable", "OPENAI_REALTIME_URL", "--to", "/incoming-call")


def run(*args: object) -> Result:
    return CliRunner().invoke(judge, [str(arg) for arg in args])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.real_time("the bridge is a process")
def test_a_bridge_is_started_judged_and_its_card_written_in_every_form(tmp_path: Path) -> None:
    page, junit = tmp_path / "card.html", tmp_path / "card.xml"
    result = run(*STARTED, "--only", "first-audio-placed", "--html", page, "--junit", junit, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["results"] == {"first-audio-placed": "failed"}
    assert "1 thing goes wrong in its calls" in page.read_text()
    (suite,) = Xml.parse(junit).getroot()
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("replay judge", "1", "1")


TALK = 'steps = [{ wait_for_stream = true }, { say = "caller_yes" }, { wait_ms = 1000 }, "hang_up"]'


@pytest.mark.real_time("the bridge is a process")
@pytest.mark.parametrize(("strict", "code", "failures"), [((), 2, "0"), (("--strict",), 1, "1")])
def test_a_check_of_which_own_calls_can_not_tell_is_never_green(
    tmp_path: Path, strict: tuple[str, ...], code: int, failures: str
) -> None:
    (tmp_path / "phone.toml").write_text(TALK)
    (tmp_path / "model.toml").write_text("")
    junit, own = tmp_path / "card.xml", (tmp_path / "phone.toml", tmp_path / "model.toml")
    result = run(*STARTED, "--only", "tool-undeclared", "--call", *own, "--junit", junit, *strict)
    assert (result.exit_code, "Nothing could be told" in result.output) == (code, True), result.output
    (suite,) = Xml.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("1", failures)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--to", "bridge.example.com"], "not a URL that can be rung"),
        (["--to", "/incoming-call"], "not a URL that can be rung"),
        (["--to", "http://127.0.0.1:1/", "--only", "first-audio"], "did you mean first-audio-placed?"),
        (["--to", "http://127.0.0.1:1/", "--model-variable", "URL"], "for a bridge that is started"),
        (["--to", "http://h/voice", "--cmd", "true"], "names no port"),
        (["--to", "/voice", "--cmd", "true", "--model-variable", "A B"], "no name of a variable"),
        (["--to", "/voice", "--cmd", ""], "--cmd is empty"),
        (["--to", "/voice", "--cmd", " "], "--cmd is empty"),
        (["--to", "voice", "--cmd", "true"], "use --to /voice"),
        (["--to", "/voice", "--cmd", "no-such-program-here"], "can't be run"),
        (["--to", "/voice", "--cmd", "false"], "ended with exit code 1"),
    ],
)
def test_a_command_line_that_makes_no_sense_leaves_with_2(args: list[str], words: str) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert words in result.output.replace("\n", " ")


@pytest.mark.parametrize("status", [None, 403, 404, 501])
def test_where_no_call_comes_about_the_phone_s_reason_is_told_and_no_card_is_good(
    tmp_path: Path, status: int | None
) -> None:
    html, junit = tmp_path / "card.html", tmp_path / "card.xml"
    with answering(status) as port:
        to = ("--to", f"http://127.0.0.1:{port}/voice", "--model-port", 0)
        result = run(*to, "--html", html, "--junit", junit, "--only", "greeting-heard")
    reason = str(status) if status else "ConnectError"
    assert result.exit_code == 2
    assert "Nothing could be told" in html.read_text()
    for told in (result.output, junit.read_text()):
        assert "no call came about" in told
        assert reason in told
        assert "the model" not in told.partition("no call came about")[2]
    assert ("is it signed" if status == 403 else "is --to right?") in result.output.replace("\n", " ")


@contextmanager
def answering(status: int | None) -> Iterator[int]:
    """A port where each request gets this answer, or where nobody listens."""
    if status is None:
        yield free_port()
        return
    with HTTPServer(("127.0.0.1", 0), partial(Refusing, status)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


class Refusing(BaseHTTPRequestHandler):
    def __init__(self, status: int, *args: Any) -> None:
        self.status = status
        super().__init__(*args)

    def do_POST(self) -> None:
        self.send_error(self.status)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.mark.parametrize("option", ["--html", "--junit", "--keep"])
def test_what_cant_be_written_is_said_before_any_call_is_made(tmp_path: Path, option: str) -> None:
    (tmp_path / "file").write_text("")
    to = f"http://127.0.0.1:{free_port()}/voice"
    result = run("--to", to, "--model-port", 0, option, tmp_path / "file" / "card")
    assert result.exit_code == 2
    assert f"with {option} F" in result.output
    assert "the model is" not in result.output


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    to = f"http://127.0.0.1:{free_port()}/voice"
    html, junit, keep = tmp_path / "a" / "card.html", tmp_path / "b" / "card.xml", tmp_path / "c" / "calls"
    run("--to", to, "--model-port", 0, "--html", html, "--junit", junit, "--keep", keep)
    assert (html.is_file(), junit.is_file(), keep.is_dir()) == (True, True, True)


def test_a_port_of_the_model_s_that_is_taken_is_named_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("--to", f"http://127.0.0.1:{free_port()}/voice", "--model-port", port)
    assert result.exit_code == 2
    assert f"can't listen on 127.0.0.1:{port}: Address already in use" in result.output
    assert "--model-port" in result.output


@pytest.mark.real_time("the bridge is a process")
def test_a_judge_that_is_ended_ends_the_bridge_that_it_has_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = f"import os,time; open({str(pid)!r},'w').write(str(os.getpid())); time.sleep(99)"
    command = "from replay.commands.judge import judge; judge()"
    args = (
        sys.executable,
        "-c",
        command,
        "--to",
        "/voice",
        "--cmd",
        shlex.join([sys.executable, "-c", code]),
    )
    with Popen(args) as judging:
        deadline = time.monotonic() + 60
        while not (pid.exists() and pid.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        judging.send_signal(signal.SIGTERM)
        assert judging.wait(60) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.killpg(int(pid.read_text()), 0)
