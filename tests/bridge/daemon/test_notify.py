"""The notify protocol, word for word over a real datagram socket."""

import socket
import sys
from pathlib import Path

import pytest
import structlog
import trio
import trio.testing

from bridge.daemon.notify import Notifier, notifier_from


@pytest.fixture
def manager(tmp_path: Path) -> socket.socket:
    """Return a service manager's socket, which is read when a test likes."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(tmp_path / "notify"))
    listening.settimeout(2)
    return listening


def address_of(manager: socket.socket) -> str:
    return str(manager.getsockname())


async def test_variables_arrive_in_one_message(manager: socket.socket) -> None:
    with manager:
        await Notifier(address_of(manager)).tell(READY=1, STATUS="two\nlines are one")
        assert manager.recv(1000) == b"READY=1\nSTATUS=two lines are one"


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")
async def test_an_abstract_name_is_found() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("")  # the kernel finds a name
        manager.settimeout(2)
        await Notifier("@" + manager.getsockname()[1:].decode()).tell(READY=1)
        assert manager.recv(1000) == b"READY=1"


async def test_without_a_manager_nothing_happens() -> None:
    with structlog.testing.capture_logs() as logs, trio.fail_after(1):
        notifier = notifier_from({}, 1)
        await notifier.tell(READY=1)
        await notifier.feed_watchdog()
    assert logs == []


async def test_a_manager_that_is_gone_is_logged_once_and_costs_nothing(tmp_path: Path) -> None:
    notifier = Notifier(str(tmp_path / "nobody"))
    with structlog.testing.capture_logs() as logs:
        await notifier.tell(STATUS="a")
        await notifier.tell(STATUS="b")
    assert [line["event"] for line in logs] == ["the service manager can't be told"]


async def test_a_manager_that_reads_nothing_is_waited_for_in_bounds(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.daemon.notify.TELL_SECONDS", 0.05)
    with manager, structlog.testing.capture_logs() as logs, trio.fail_after(20):
        notifier = Notifier(address_of(manager))
        for number in range(1000):  # more than any kernel keeps for one reader
            await notifier.tell(STATUS=number)
            if logs:
                break
    assert len(logs) == 1


ADDRESS = {"NOTIFY_SOCKET": "/run/systemd/notify"}


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({**ADDRESS, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30),
        ({**ADDRESS, "WATCHDOG_USEC": "30000000"}, 30),
        ({**ADDRESS, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, 0),
        ({**ADDRESS, "WATCHDOG_USEC": "soon"}, 0),
        ({"WATCHDOG_USEC": "30000000"}, 0),
    ],
)
def test_the_watchdog_is_fed_when_this_process_is_watched(
    environment: dict[str, str], seconds: float
) -> None:
    assert notifier_from(environment, 7).watchdog_seconds == seconds


def test_an_address_of_another_kind_is_refused_in_words() -> None:
    with structlog.testing.capture_logs() as logs:
        assert notifier_from({"NOTIFY_SOCKET": "vsock:2:1234"}, 7).address == ""
    assert len(logs) == 1


async def test_the_watchdog_is_fed_three_times_in_the_time_there_is(
    manager: socket.socket, autojump_clock: trio.testing.MockClock
) -> None:
    with manager:
        with trio.move_on_after(8.5):
            await Notifier(address_of(manager), watchdog_seconds=9).feed_watchdog()
        assert [manager.recv(1000) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            manager.recv(1000)
