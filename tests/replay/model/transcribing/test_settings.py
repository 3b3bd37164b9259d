"""A session that only writes down, over its socket."""

from typing import Any

import pytest
from model_client import AT_ONCE, DETECTION, PCMU, QUIET, SPEECH, Client, connected, running

from replay.model.script import Say, Script, Transcription

SCRIPT = Script(
    fallback=(Say(b"\x55" * 800, "Hello."),),
    heard=("When do you close?", "Thank you."),
    transcription=Transcription(delay_ms=0),
    delivery=AT_ONCE,
)
INTENT = "?intent=transcription"
WRITTEN = "conversation.item.input_audio_transcription.completed"


def heard(**changes: Any) -> dict[str, Any]:
    given = {"format": PCMU, "transcription": {"model": "gpt-transcribe"}, "turn_detection": DETECTION}
    return {"type": "transcription", "audio": {"input": given | changes}}


async def test_turns_are_written_down_and_nothing_is_said() -> None:
    async with running(SCRIPT) as server, connected(server, query=INTENT) as client:
        await client.start(heard())
        for words in SCRIPT.heard:
            await client.say(SPEECH + QUIET)
            assert (await client.until(WRITTEN))["transcript"] == words
        await client.send("input_audio_buffer.clear")
        await client.until("input_audio_buffer.cleared")
    assert not [kind for kind in client.kinds() if kind.startswith("response.")]
    assert server.sessions[0].settings["object"] == "realtime.transcription_session"


async def test_a_turn_that_the_client_commits_is_written_down_too() -> None:
    async with running(SCRIPT) as server, connected(server, query=INTENT) as client:
        await client.start(heard(transcription={"model": "gpt-live-transcribe"}, turn_detection=None))
        await client.say(SPEECH)
        await client.send("input_audio_buffer.commit")
        assert (await client.until(WRITTEN))["transcript"] == SCRIPT.heard[0]


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"type": "realtime"}, "session.type"),
        ({"type": "transcription", "instructions": "Be kind."}, "session.instructions"),
        ({"type": "transcription", "audio": {"output": {"voice": "marin"}}}, "session.audio.output"),
        (heard(transcription={"model": "gpt-live-transcribe"}), "session.audio.input.turn_detection"),
    ],
)
async def test_what_belongs_to_a_session_that_speaks_is_refused_by_its_name(session: Any, param: str) -> None:
    async with running(SCRIPT) as server, connected(server, query=INTENT) as client:
        assert await refused(client, "session.update", session=session) == param


async def test_it_makes_no_response() -> None:
    async with running(SCRIPT) as server, connected(server, query=INTENT) as client:
        assert await refused(client, "response.create") == "type"


async def test_a_session_that_speaks_does_not_become_one_that_only_writes() -> None:
    async with running(SCRIPT) as server, connected(server) as client:
        assert await refused(client, "session.update", session=heard()) == "session.type"


async def refused(client: Client, kind: str, **fields: Any) -> str:
    await client.until("session.created")
    await client.send(kind, **fields)
    param: str = (await client.until("error"))["error"]["param"]
    return param
