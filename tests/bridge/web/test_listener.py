"""The listening socket: bound by the daemon, or passed to it."""

import os
import socket
import subprocess
import sys

import pytest

from bench.process import pass_on
from bridge.errors import LinkError
from bridge.web.listener import USER_TIMEOUT_MS, adopt_listener, passed_socket

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd's")


def passing(fileno: int, code: str) -> str:
    """Run Python with this file as number 3, as systemd would, and return what it prints."""
    command = pass_on(fileno, [sys.executable, "-c", code])
    done = subprocess.run(command, pass_fds=(fileno,), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


TAKE = """
import os
from bridge.web.listener import passed_socket
try:
    taken = passed_socket(os.environ, os.getpid())
    print(taken.getsockname()[1], os.get_inheritable(3))
except Exception as error:
    print(error)
"""


def test_a_passed_socket_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert passing(server.fileno(), TAKE).split() == [str(server.getsockname()[1]), "False"]


def test_what_is_no_listening_tcp_socket_is_refused_in_words() -> None:
    with socket.socket() as deaf:
        assert "ListenStream=127.0.0.1:8080" in passing(deaf.fileno(), TAKE)
    with open(os.devnull) as file:
        assert "is no socket" in passing(file.fileno(), TAKE)


def test_two_sockets_are_refused() -> None:
    with pytest.raises(LinkError, match="one ListenStream="):
        passed_socket({"LISTEN_PID": "7", "LISTEN_FDS": "2"}, 7)


@pytest.mark.parametrize("environment", [{}, {"LISTEN_FDS": "1"}, {"LISTEN_FDS": "1", "LISTEN_PID": "8"}])
def test_sockets_for_another_process_are_left_alone(environment: dict[str, str]) -> None:
    assert passed_socket(environment, 7) is None


def test_a_passed_socket_gets_the_options_of_our_own() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with adopt_listener(server).socket as adopted:
        names = (socket.TCP_NODELAY, socket.TCP_USER_TIMEOUT)
        options = [adopted.getsockopt(socket.IPPROTO_TCP, name) for name in names]
    assert options == [1, USER_TIMEOUT_MS]
