"""`replay model` as a process, and what it prints of a session."""

import copy
import io
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from click.testing import CliRunner
from model_client import QUIET, SETTINGS, SPEECH, Client, connected, running
from rich.console import Console

from bridge.heart.audio import silence
from replay.commands.model import model
from replay.demo.stories import model_says
from replay.model.replies import LONGEST_MS
from replay.model.scenario import parse_scenario
from replay.model.watch import LONGEST_TEXT, Happening, Watcher, as_json, narrate
from replay.sound.clips import clip

SCENARIO: dict[str, Any] = {
    "opening": {"text": "Hello.", "ms": 400},
    "turns": [[{"text": "Let me look.", "ms": 400}, {"call": "look_up", "arguments": {"day": "Monday"}}]],
    "answers": [{"text": "It is free.", "ms": 400}],
    "heard": ["Is Monday free?"],
    "transcription": {"delay_ms": 0},
    "delivery": {"response_delay_ms": 0, "speed": 1000},
}


async def talk(client: Client) -> None:
    """A greeting, a turn with a tool call, its answer, a truncation, and an error."""
    done = await client.greet()
    await client.say(SPEECH + QUIET)
    called = await client.until("response.done")
    call = called["response"]["output"][1]["call_id"]
    output = {"type": "function_call_output", "call_id": call, "output": "yes"}
    await client.send("conversation.item.create", item=output)
    await client.send("response.create")
    await client.until("response.done")
    place = {"item_id": done["response"]["output"][0]["id"], "content_index": 0}
    await client.send("conversation.item.truncate", **place, audio_end_ms=120)
    await client.send("response.cancel")
    await client.until("error")


async def watched() -> list[Happening]:
    """All that is shown of that conversation."""
    seen: list[Happening] = []
    cast = parse_scenario(SCENARIO, Path("s.toml")).script_for
    async with running(cast, watch=Watcher(seen.append, trio.current_time)) as server:
        async with connected(server) as client:
            await talk(client)
        session = await server.wait_session()
        await session.wait_until(lambda session: session.close_code is not None)
        await trio.testing.wait_all_tasks_blocked()
    return seen


async def test_people_see_a_line_for_each_thing_they_would_ask_about() -> None:
    screen = Console(width=200, file=io.StringIO(), record=True)
    for happening in await watched():
        narrate(screen)(happening)
    first, *lines = [line.split(maxsplit=2)[2] for line in screen.export_text().splitlines()]
    assert first.startswith("socket  opened for model gpt-realtime-2.1 by")
    assert [re.sub(r"item_\w+", "ITEM", line) for line in lines] == [
        "client  sets audio/pcmu, audio/pcmu, voice marin, turns by server_vad",
        "client  response.create",
        "model   Hello.",
        "response completed, 0.4 s of audio",
        "caller  begins to speak, at 0 ms of audio",
        "caller  is quiet, at 928 ms of audio",
        "caller  Is Monday free?",
        "model   Let me look.",
        'tool    look_up({"day":"Monday"})',
        "response completed, 0.4 s of audio",
        "tool    answers yes",
        "client  response.create",
        "model   It is free.",
        "response completed, 0.4 s of audio",
        "client  heard 120 ms of ITEM, and no more",
        "ITEM truncated at 120 ms",
        "client  response.cancel",
        "error   response_cancel_not_active: Cancellation failed: no active response found",
        "socket  closed with 1000",
    ]


async def test_machines_see_every_message_without_audio_and_deltas() -> None:
    seen = [as_json(happening) for happening in await watched()]
    kinds = [one["type"] for one in seen]
    assert (kinds[0], kinds[-1]) == ("opened", "closed")
    assert {one["from"] for one in seen} == {"client", "model", "socket"}
    assert kinds.count("response.done") == 3
    assert not any(kind.endswith((".delta", ".append")) for kind in kinds)
    assert all(one["session"] == 1 and one["t_ms"] >= 0 for one in seen)


def test_a_huge_value_is_not_printed() -> None:
    shown = as_json(Happening(1, 0, "model", {"type": "response.huge", "padding": "x" * (LONGEST_TEXT + 1)}))
    assert shown["msg"]["padding"] == "(4001 characters)"


def test_what_is_no_event_is_told_as_such() -> None:
    seen: list[Happening] = []
    watcher = Watcher(seen.append, lambda: 0.0)
    for frame in (b"\xff", "[1]", "{"):
        watcher(1, "model", frame)
    assert [happening.what["length"] for happening in seen] == [1, 3, 1]


async def test_the_demos_script_is_played_without_a_scenario() -> None:
    async with running(model_says()) as server, connected(server) as client:
        await client.start(SETTINGS)
        await client.send("response.create")
        event = await client.until("response.output_audio_transcript.done")
        assert event["transcript"] == clip("agent_greeting").text


@pytest.mark.parametrize(("silence_ms", "pause_ms", "told"), [(200, 400, 1), (200, 900, 0), (640, 400, 0)])
async def test_it_is_told_when_a_pause_makes_two_turns_of_one(
    silence_ms: int, pause_ms: int, told: int
) -> None:
    seen: list[Happening] = []
    settings = copy.deepcopy(SETTINGS)
    settings["audio"]["input"]["turn_detection"]["silence_duration_ms"] = silence_ms
    cast = parse_scenario(SCENARIO, Path("s.toml")).script_for
    async with (
        running(cast, watch=Watcher(seen.append, trio.current_time)) as server,
        connected(server) as client,
    ):
        await client.start(settings)
        await client.say(SPEECH + silence(pause_ms) + SPEECH + silence(1000))
        await client.until("response.done")
    splits = [happening for happening in seen if happening.kind == "turn_split"]
    assert len(splits) == told
    for split in splits:
        assert abs(split.what["pause_ms"] - pause_ms) <= 64  # two windows of the ears


# ---------------------------------------------------------------- the process


@contextmanager
def process(*args: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, which is gone afterwards."""
    run = "from replay.commands.model import model; model()"
    command = [sys.executable, "-c", run, "--port", "0", "--json", *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running_one:
        try:
            yield running_one
        finally:
            running_one.kill()


def url_of(running_one: subprocess.Popen[str]) -> str:
    assert running_one.stdout is not None
    line = json.loads(running_one.stdout.readline())
    assert line["type"] == "listening"
    return str(line["url"])


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(sent: signal.Signals) -> None:
    with process() as running_one:
        url_of(running_one)
        running_one.send_signal(sent)
        out, err = running_one.communicate(timeout=10)
        assert (running_one.returncode, err) == (0, "")
        assert json.loads(out) == {"type": "ended", "sessions": 0}


async def test_with_once_it_leaves_after_the_first_session() -> None:
    with process("--once") as running_one:
        url = await trio.to_thread.run_sync(url_of, running_one)
        async with connected(url) as client:
            await client.until("session.created")
        out, err = await trio.to_thread.run_sync(running_one.communicate)
        assert (running_one.returncode, err) == (0, "")
        assert json.loads(out.splitlines()[-1]) == {"type": "ended", "sessions": 1}


def test_faults_of_a_scenario_are_told_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(f'opening = {{ text = "x", ms = {LONGEST_MS + 1} }}\nspeed = 3')
    result = CliRunner().invoke(model, [str(path)])
    assert result.exit_code == 2
    assert [line.split(": ")[1] for line in result.output.splitlines()] == [str(path)] * 2


def test_an_address_that_is_not_ours_is_a_message_with_what_to_try() -> None:
    result = CliRunner().invoke(model, ["--host", "192.0.2.1", "--port", "0"])
    assert result.exit_code == 2
    assert "Error: 192.0.2.1:0: can't listen there" in result.output
    assert "Try:   another --host or --port" in result.output
