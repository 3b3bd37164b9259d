"""The Realtime stand-in as a client meets it: turns, tools, interruptions, errors, in the service's order."""

import base64
from typing import Any

import attrs
import pytest
import trio
from model_client import AT_ONCE, DETECTION, QUIET, SETTINGS, SPEECH, Client, connected, running

from replay.model.script import CallTool, Delivery, DeltaMode, Say, Script, Transcription

HELLO = Say(bytes(range(256)) * 25, "Hello, this is the clinic.")  # 800 ms
OPEN_TILL_SIX = Say(b"\x55" * 4800, "We are open until six.")
LOOK_UP = CallTool("look_up", {"day": "Monday"})
SCRIPT = Script(
    opening=(HELLO,),
    turns=((OPEN_TILL_SIX,), (Say(b"\x60" * 800, "One moment."), LOOK_UP)),
    answers=((Say(b"\x61" * 1600, "Monday is free."),),),
    fallback=(Say(b"\x62" * 160, "Pardon?"),),
    heard=("When do you close?",),
    transcription=Transcription(delay_ms=0),
    delivery=AT_ONCE,
)
SLOW = attrs.evolve(SCRIPT, delivery=Delivery(response_delay_ms=0, first_delta_ms=20, speed=1.0))


def words_of(done: dict[str, Any]) -> list[str]:
    return [item["content"][0]["transcript"] for item in done["response"]["output"] if "content" in item]


async def test_a_greeting_comes_in_the_order_of_the_service() -> None:
    async with running(SCRIPT) as server, connected(server) as client:
        await client.greet()
        await client.until("rate_limits.updated")
        assert [kind for kind in client.kinds() if not kind.endswith(".delta")] == [
            "session.created",
            "session.updated",
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
            "rate_limits.updated",
        ]
        assert client.problems() == []


@pytest.mark.parametrize("mode", ["cut", "frames", "single", "odd"])
async def test_the_deltas_are_the_audio_however_it_is_cut(mode: DeltaMode) -> None:
    script = attrs.evolve(SCRIPT, delivery=attrs.evolve(AT_ONCE, mode=mode))
    async with running(script) as server, connected(server) as client:
        await client.greet()
        deltas = [base64.b64decode(event["delta"]) for event in client.events("response.output_audio.delta")]
        assert b"".join(deltas) == HELLO.audio
        assert {"cut": 3, "frames": 40, "single": 1}.get(mode, len(deltas)) == len(deltas)


async def test_a_caller_turn_is_heard_written_down_and_answered() -> None:
    async with running(SCRIPT) as server, connected(server) as client:
        await client.greet()
        await client.say(SPEECH + QUIET)
        started = await client.until("input_audio_buffer.speech_started")
        done = await client.until("response.done")
        stopped = client.events("input_audio_buffer.speech_stopped")[0]
        written = client.events("conversation.item.input_audio_transcription.completed")
        assert (started["audio_start_ms"], stopped["audio_end_ms"]) == (0, 928)
        assert [event["transcript"] for event in written] == ["When do you close?"]
        assert words_of(done) == ["We are open until six."]
        assert client.problems() == []


async def test_a_tool_is_called_and_its_answer_spoken() -> None:
    async with running(SCRIPT) as server, connected(server) as client:
        await client.greet()
        for _ in range(2):
            await client.say(SPEECH + QUIET)
            done = await client.until("response.done")
        call = done["response"]["output"][1]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": '{"free":true}'}
        await client.send("conversation.item.create", item=output)
        await client.send("response.create")
        answer = await client.until("response.done")
        assert (call["name"], call["arguments"]) == ("look_up", '{"day":"Monday"}')
        assert words_of(answer) == ["Monday is free."]
        assert server.sessions[0].tool_outputs == {call["call_id"]: '{"free":true}'}
        assert client.problems() == []


async def test_several_messages_in_one_response_are_several_items() -> None:
    script = attrs.evolve(SCRIPT, opening=(HELLO, LOOK_UP, OPEN_TILL_SIX))
    async with running(script) as server, connected(server) as client:
        done = await client.greet()
        assert [item["type"] for item in done["response"]["output"]] == [
            "message",
            "function_call",
            "message",
        ]
        assert done["response"]["usage"]["output_token_details"]["audio_tokens"] == 28


async def barge_in(client: Client) -> dict[str, Any]:
    """Interrupt the opening after its first delta; gives the response.done."""
    await client.start()
    await client.send("response.create")
    await client.until("response.output_audio.delta")
    await client.say(SPEECH)
    await client.until("input_audio_buffer.speech_started")
    return await client.until("response.done")


@pytest.mark.parametrize("late", [0, 1])
async def test_speech_cuts_a_response_after_its_late_deltas(late: int) -> None:
    script = attrs.evolve(SLOW, delivery=attrs.evolve(SLOW.delivery, late_deltas=late))
    async with running(script) as server, connected(server) as client:
        done = await barge_in(client)
        assert done["response"]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        assert [item["status"] for item in done["response"]["output"]] == ["incomplete"]
        assert len(client.events("response.output_audio.delta")) == 1 + late
        assert client.problems() == []


async def test_a_truncation_within_the_audio_is_taken_and_one_beyond_refused() -> None:
    async with running(SLOW) as server, connected(server) as client:
        item_id = (await barge_in(client))["response"]["output"][0]["id"]
        cut = {"item_id": item_id, "content_index": 0}
        await client.send("conversation.item.truncate", **cut, audio_end_ms=21)
        refused = await client.until("error")
        await client.send("conversation.item.truncate", **cut, audio_end_ms=15)
        await client.until("conversation.item.truncated")
        assert refused["error"]["code"] == "invalid_value"
        assert refused["error"]["message"] == "Audio content of 20ms is already shorter than 21ms"
        assert server.sessions[0].truncations == {item_id: 15}
        await client.send("conversation.item.retrieve", item_id=item_id)
        retrieved = await client.until("conversation.item.retrieved")
        assert retrieved["item"]["content"] == [{"type": "output_audio", "transcript": ""}]
        assert client.problems() == []


async def test_a_client_can_cancel_once() -> None:
    async with running(SLOW) as server, connected(server) as client:
        await client.start()
        await client.send("response.create")
        await client.until("response.output_audio.delta")
        await client.send("response.cancel")
        done = await client.until("response.done")
        await client.send("response.cancel")
        error = await client.until("error")
        assert done["response"]["status_details"]["reason"] == "client_cancelled"
        assert error["error"]["code"] == "response_cancel_not_active"
        assert client.problems() == []


async def test_a_second_response_is_refused_while_one_is_active() -> None:
    async with running(SLOW) as server, connected(server) as client:
        await client.start()
        await client.send("response.create")
        created = await client.until("response.created")
        await client.send("response.create")
        error = (await client.until("error"))["error"]
        assert error["code"] == "conversation_already_has_active_response"
        assert created["response"]["id"] in error["message"]
        assert error["event_id"] == client.events("response.create")[1]["event_id"]
        await client.until("response.done")
        assert client.problems() == []


async def test_a_turn_gets_no_answer_while_a_response_that_may_not_be_cut_is_active() -> None:
    detection = {**DETECTION, "interrupt_response": False}
    settings = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
    async with running(SLOW) as server, connected(server) as client:
        await client.start({**SETTINGS, "tool_choice": "auto"})
        await client.send("session.update", session=settings)
        await client.send("response.create")
        await client.until("response.created")
        await client.say(SPEECH + QUIET)
        await client.until("input_audio_buffer.committed")
        done = await client.until("response.done")
        assert done["response"]["status"] == "completed"
        assert len(server.sessions[0].responses) == 1


async def test_without_turn_detection_the_client_commits() -> None:
    settings = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
    async with running(SCRIPT) as server, connected(server) as client:
        await client.greet()
        await client.send("session.update", session=settings)
        await client.send("input_audio_buffer.commit")
        error = await client.until("error")
        await client.say(SPEECH)
        await client.send("input_audio_buffer.commit")
        await client.until("input_audio_buffer.committed")
        await client.send("response.create")
        assert words_of(await client.until("response.done")) == ["We are open until six."]
        assert error["error"]["code"] == "input_audio_buffer_commit_empty"
        assert "input_audio_buffer.speech_started" not in client.kinds()


@pytest.mark.parametrize(("eagerness", "end_ms"), [("high", 1120), ("auto", 1408), ("low", 1824)])
async def test_semantic_vad_waits_by_its_eagerness(eagerness: str, end_ms: int) -> None:
    detection = {"type": "semantic_vad", "eagerness": eagerness}
    settings = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
    async with running(SCRIPT) as server, connected(server) as client:
        await client.greet()
        await client.send("session.update", session=settings)
        await client.say(SPEECH + QUIET * 2)
        stopped = await client.until("input_audio_buffer.speech_stopped")
        assert stopped["audio_end_ms"] == end_ms


async def test_a_typed_message_is_a_turn_and_tool_choice_none_leaves_tools_out() -> None:
    script = attrs.evolve(SCRIPT, turns=((HELLO, LOOK_UP),))
    message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "1"}]}
    async with running(script) as server, connected(server) as client:
        await client.greet()
        await client.send("conversation.item.create", item=message)
        await client.send("response.create", response={"tool_choice": "none", "instructions": "Short."})
        done = await client.until("response.done")
        assert [item["type"] for item in done["response"]["output"]] == ["message"]
        assert server.sessions[0].responses[1].request["instructions"] == "Short."


async def test_a_script_that_is_used_up_falls_back() -> None:
    async with (
        running(Script(fallback=SCRIPT.fallback, delivery=AT_ONCE)) as server,
        connected(server) as client,
    ):
        await client.greet()
        await client.say(SPEECH + QUIET)
        assert words_of(await client.until("response.done")) == ["Pardon?"]


async def test_an_answer_longer_than_allowed_is_incomplete() -> None:
    async with running(SCRIPT) as server, connected(server) as client:
        await client.start({**SETTINGS, "max_output_tokens": 4})
        await client.send("response.create")
        done = await client.until("response.done")
        assert done["response"]["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}


async def test_two_runs_are_the_same() -> None:
    conversations = []
    for _ in range(2):
        async with running(SCRIPT) as server, connected(server) as client:
            await client.greet()
            conversations.append([line["msg"] for line in client.lines[4:] if "msg" in line])
    assert conversations[0] == conversations[1]


async def test_fifty_sessions_are_served_at_once() -> None:
    async def talk(number: int) -> None:
        async with connected(server) as client:
            await client.greet()
            finished.append(number)

    finished: list[int] = []
    async with running(SCRIPT) as server:
        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(talk, number)
        assert len(finished) == len(server.sessions) == 50
        for session in server.sessions:
            await session.wait_until(lambda session: session.close_code == 1000)
