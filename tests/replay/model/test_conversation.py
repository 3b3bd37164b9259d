"""Where items can be put, what they may be, and responses outside the conversation."""

from typing import Any

import attrs
import pytest
from model_client import AT_ONCE, SETTINGS, Client, connected, running

from replay.model.script import CallTool, Delivery, Say, Script

HELLO = Say(b"\x55" * 6400, "Hello, this is the clinic.")
SCRIPT = Script(opening=(HELLO,), fallback=(HELLO, CallTool("look_up", {})), delivery=AT_ONCE)
SLOW = attrs.evolve(SCRIPT, delivery=Delivery(response_delay_ms=0, first_delta_ms=20, speed=1.0))
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}


def typed(item_id: str, **part: Any) -> dict[str, Any]:
    words = part or {"type": "input_text", "text": item_id}
    return {"id": item_id, "type": "message", "role": "user", "content": [words]}


async def put(client: Client, item: dict[str, Any], after: str | None = None) -> dict[str, Any]:
    await client.send("conversation.item.create", item=item, previous_item_id=after)
    return await client.until("conversation.item.done")


async def test_an_item_can_be_put_first_last_and_behind_another() -> None:
    async with running(SCRIPT) as server, connected(server) as client:
        await client.start()
        for name, after, told in (
            ("b", None, None), ("a", "root", None), ("d", None, "b"), ("c", "b", "b"), ("e", "d", "d"),
        ):  # fmt: skip
            assert (await put(client, typed(name), after))["previous_item_id"] == told
        talk = server.sessions[0].conversation
        assert list(talk.entries) == ["a", "b", "c", "d", "e"]
        assert talk.tail == "e"


@pytest.mark.parametrize(
    ("item", "after", "code", "param"),
    [
        (typed("x"), "nobody", "invalid_value", "previous_item_id"),
        (typed("x" * 33), None, "string_above_max_length", "item.id"),
        (typed("known"), None, "invalid_value", "item.id"),
        (typed("x", type="input_image"), None, "invalid_value", "item.content"),
        ({**typed("x", **IMAGE), "role": "system"}, None, "invalid_value", "item.content"),
    ],
)
async def test_what_the_service_would_not_take_is_refused_and_changes_nothing(
    item: dict[str, Any], after: str | None, code: str, param: str
) -> None:
    async with running(SCRIPT) as server, connected(server) as client:
        await client.start()
        await put(client, typed("known"))
        await client.send("conversation.item.create", item=item, previous_item_id=after)
        error = (await client.until("error"))["error"]
        assert (error["code"], error["param"]) == (code, param)
        assert list(server.sessions[0].conversation.entries) == ["known"]


@pytest.mark.parametrize(
    ("part", "told"),
    [(IMAGE, IMAGE), ({"type": "input_audio", "audio": "AAAA"}, {"type": "input_audio", "transcript": None})],
)
async def test_callers_can_show_and_say_something_in_an_item(
    part: dict[str, Any], told: dict[str, Any]
) -> None:
    async with running(SCRIPT) as server, connected(server) as client:
        await client.start()
        assert (await put(client, typed("x" * 32, **part)))["item"]["content"] == [told]


async def test_a_response_outside_the_conversation_leaves_nothing_in_it_and_runs_beside_another() -> None:
    aside = {"conversation": "none", "input": [], "metadata": {"topic": "summary"}}
    async with running(SLOW) as server, connected(server) as client:
        await client.start()
        await client.send("response.create")
        await client.until("response.output_audio.delta")
        await client.send("response.create", response=aside)
        done = [(await client.until("response.done"))["response"] for _ in range(2)]
        talk = server.sessions[0].conversation
        assert len(talk.entries) == 1
    by_conversation = {one["conversation_id"]: one for one in done}
    assert by_conversation[None]["metadata"] == {"topic": "summary"}
    assert [item["type"] for item in by_conversation[None]["output"]] == ["message"]
    assert by_conversation[talk.id]["status"] == "completed"
    assert client.events("error") == []


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"audio": {"output": {"voice": "nobody"}}}, "session.audio.output.voice"),
        ({"tools": [], "tool_choice": {"type": "function", "name": "look_up"}}, "session.tool_choice"),
    ],
)
async def test_a_voice_or_a_tool_that_nobody_has_is_refused(change: dict[str, Any], param: str) -> None:
    async with running(SCRIPT) as server, connected(server) as client:
        await client.start()
        await client.send("session.update", session={"type": "realtime", **change})
        error = (await client.until("error"))["error"]
        assert (error["code"], error["param"]) == ("invalid_value", param)
        output = server.sessions[0].settings["audio"]["output"]
        assert output["voice"] == SETTINGS["audio"]["output"]["voice"]
