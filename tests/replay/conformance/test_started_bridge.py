import os
import sys

import pytest
import trio

from replay.conformance import started_bridge
from replay.conformance.started_bridge import BridgeNotStartedError, free_port, start_bridge

pytestmark = pytest.mark.real_time("bridges are processes")

LISTENS = """
import os, socket, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
print("child", child.pid, flush=True)
time.sleep(60)
"""


async def test_a_bridge_that_listens_is_ended_with_all_that_it_has_started() -> None:
    port = free_port()
    command = f"{sys.executable} -c '{LISTENS}'"
    with trio.fail_after(60):
        async with start_bridge(command, {"PORT": str(port)}, host="127.0.0.1", port=port) as bridge:
            while not bridge.printed:  # noqa: ASYNC110  (its output is no event of ours)
                await trio.sleep(0.01)
            assert not bridge.death
        child = int(bridge.printed[0].split()[1])
        assert bridge.death == "the bridge ended by signal 15"
        while _runs(child):  # noqa: ASYNC110  (it is init's by now, which buries it when it comes to it)
            await trio.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize(
    ("command", "message", "printed"),
    [
        ('-c "print(7); raise SystemExit(3)"', "the bridge ended with exit code 3", ("7",)),
        ("", "/nothing/python : can't be run", ()),
    ],
)
async def test_a_bridge_that_does_not_start_says_why_and_what_it_printed(
    command: str, message: str, printed: tuple[str, ...]
) -> None:
    python = sys.executable if command else "/nothing/python"
    with (
        trio.fail_after(60),
        pytest.RaisesGroup(
            pytest.RaisesExc(BridgeNotStartedError), allow_unwrapped=True, flatten_subgroups=True
        ) as caught,
    ):
        async with start_bridge(f"{python} {command}", {}, host="127.0.0.1", port=free_port()):
            pass
    error = caught.value
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, BridgeNotStartedError)
    assert message in str(error)
    assert error.printed == printed


async def test_of_one_with_a_port_of_its_own_it_is_said_how_to_give_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(started_bridge, "START_SECONDS", 0.3)
    with (
        trio.fail_after(60),
        pytest.RaisesGroup(
            pytest.RaisesExc(
                BridgeNotStartedError, match="or give its port: --to http://127.0.0.1:PORT/path"
            ),
            allow_unwrapped=True,
            flatten_subgroups=True,
        ),
    ):
        async with start_bridge("sleep 60", {}, host="127.0.0.1", port=free_port()):
            pass
