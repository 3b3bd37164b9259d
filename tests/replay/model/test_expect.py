import msgspec
import pytest

from replay.model.expect import Expect, unmet
from replay.model.script import CallTool, Script
from replay.model.session import Session

TABLE = {"type": "function", "name": "check_table", "description": "", "parameters": {"type": "object"}}


def a_session(*messages: dict[str, object]) -> Session:
    """A session in which a tool was called at once, and to which a client has said these things."""
    script = Script(opening=(CallTool("check_table", {}),))
    session = Session(1, "any", {}, script, lambda _: None, lambda waits: [*waits] and None, 0)
    session.begin()
    session.receive('{"type":"response.create"}')
    (call,) = (item["call_id"] for item in session.items)
    for message in messages:
        text = msgspec.json.encode(message).decode()
        session.receive(text.replace("CALL", str(call)))
    return session


def output(words: str) -> dict[str, object]:
    item = {"type": "function_call_output", "call_id": "CALL", "output": words}
    return {"type": "conversation.item.create", "item": item}


def typed(words: str) -> dict[str, object]:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": words}]}
    return {"type": "conversation.item.create", "item": item}


GOOD = a_session(
    {"type": "session.update", "session": {"type": "realtime", "tools": [TABLE]}}, output("a table is free"),
    typed("Hi"),
)  # fmt: skip


def test_what_came_true_is_not_told() -> None:
    expect = Expect(
        sessions=1, errors=(), outputs={"check_table": "free"}, declares=("check_table",), truncations=0, typed=("Hi",)
    )  # fmt: skip
    assert unmet(expect, [GOOD]) == []
    assert unmet(Expect(), []) == []


@pytest.mark.parametrize(
    ("expect", "sentence"),
    [
        (Expect(sessions=2), "sessions is 1, not 2"),
        (Expect(errors=("invalid_value",)), "errors is nothing, not invalid_value"),
        (Expect(truncations=1), "truncations is 0, not 1"),
        (Expect(claimed_ms=(1000, 2000)), "nothing was claimed as heard, not 1000 to 2000 ms"),
        (
            Expect(outputs={"check_table": "full"}),
            "check_table was answered 'a table is free', without 'full'",
        ),
        (Expect(outputs={"hang_up": ""}), "hang_up was answered 0 times, not once"),
        (Expect(declares=("hang_up",)), "hang_up is not declared: check_table"),
        (Expect(typed=("Bye",)), "the client never typed 'Bye'"),
    ],
)
def test_what_did_not_come_true_is_told_with_what_was_found(expect: Expect, sentence: str) -> None:
    assert unmet(expect, [GOOD]) == [sentence]


def test_an_error_that_the_client_has_earned_is_told_by_its_code() -> None:
    session = a_session({"type": "nonsense"}, output("one"), output("two"))
    assert unmet(Expect(errors=(), outputs={"check_table": ""}), [session]) == [
        "errors is invalid_value, not nothing",
        "check_table was answered 2 times, not once",
    ]
