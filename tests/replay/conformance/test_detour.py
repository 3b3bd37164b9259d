"""Bridges that have the service's address in their code reach the stand-in as they are, in Python and in Node."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from replay.conformance.detour import HOOKS, SERVICE, detour
from replay.model.script import Script
from replay.model.server import serve_model

URL = f"wss://{SERVICE}/v1/realtime?model=gpt-realtime"
KEY = {"Authorization": "Bearer sk-opens-nothing"}
ON_ASYNCIO = f"""
import asyncio, websockets
async def main():
    async with websockets.connect({URL!r}, additional_headers={KEY!r}) as socket:
        print(await socket.recv())
asyncio.run(main())
"""
IN_A_THREAD = f"""
from websockets.sync.client import connect
with connect({URL!r}, additional_headers={KEY!r}) as socket:
    print(socket.recv())
"""
IN_NODE = f"""
const upgrade = ["GET /v1/realtime?model=x HTTP/1.1", "Host: {SERVICE}", "Connection: Upgrade", "Upgrade: websocket",
  "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Authorization: Bearer sk", "", ""];
const told = {{host: "{SERVICE}", port: 443, servername: "{SERVICE}"}};
const socket = require("node:tls").connect(told, () => socket.write(upgrade.join("\\r\\n")));
let said = "";
socket.on("data", (data) => {{
  said += data;
  if (said.includes("session.created")) {{ console.log(said); socket.destroy(); }}
}});
"""

pytestmark = pytest.mark.real_time("clients are processes")


async def said_by(*command: str) -> str:
    """Run a client that knows the service alone, beside the stand-in; return what it printed."""
    async with trio.open_nursery() as nursery:
        model = await nursery.start(serve_model, Script())
        environment = os.environ | detour(model.url, os.environ)
        done = await trio.run_process(
            command, env=environment, capture_stdout=True, stderr=subprocess.STDOUT, check=False
        )
        nursery.cancel_scope.cancel()
    return done.stdout.decode()


@pytest.mark.real_time("the client is a process")
@pytest.mark.parametrize("client", [ON_ASYNCIO, IN_A_THREAD])
async def test_a_client_in_python_is_led_to_the_stand_in(client: str) -> None:
    assert "session.created" in await said_by(sys.executable, "-c", client)


@pytest.mark.real_time("the client is a process")
@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node")
async def test_a_client_in_node_is_led_to_the_stand_in() -> None:
    assert "session.created" in await said_by("node", "-e", IN_NODE)


def test_what_a_bridge_finds_already_stays() -> None:
    told = detour(
        "ws://127.0.0.1:8090/v1/realtime", {"PYTHONPATH": "mine", "NODE_OPTIONS": "--trace-warnings"}
    )
    assert told["PYTHONPATH"].split(os.pathsep) == [str(HOOKS), "mine"]
    assert told["NODE_OPTIONS"].startswith("--trace-warnings --require ")
    assert told["REPLAY_JUDGE_DETOUR"] == f"{SERVICE}=127.0.0.1:8090"


def test_without_a_detour_the_hook_changes_nothing(tmp_path: Path) -> None:
    command = "import socket, sitecustomize; print(sitecustomize.__file__, socket.getaddrinfo.__name__)"
    environment = {name: text for name, text in os.environ.items() if name != "REPLAY_JUDGE_DETOUR"}
    told = subprocess.run(
        [sys.executable, "-c", command], env={**environment, "PYTHONPATH": str(HOOKS)}, capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip
    assert told.split() == [str(HOOKS / "sitecustomize.py"), "getaddrinfo"]
