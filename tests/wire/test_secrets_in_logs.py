"""Whole calls, good and bad, in JSON logs at their most talkative: no secret, sound or whole number in any line."""

import json
import logging
import re
from base64 import b64encode
from io import StringIO
from typing import Any, get_args

import attrs
import pytest
import structlog
import trio

from bench.stage import GREETING, PROMPT, MakePlace, Stage, open_stage, speech, words
from bridge.logs import set_up_logging
from bridge.tapes.tape import PHONE, TWILIO, Line
from bridge.tools import tool
from replay.model.script import CallTool, Faults, Garbage, Script
from replay.phone.ring import Account, Caller
from replay.phone.script import HangUp, Press, SendRaw, WaitForAgent, WaitForEnd

ADMIN_TOKEN = "admin-token-of-this-test"
API_KEY = "sk-stand-in"
TOKEN = Account().auth_token
CALLER, CALLED = Account().caller, Account().number
SOUND = b64encode(bytes(range(160))).decode()
TALKER = Caller(
    steps=(WaitForAgent(), speech("caller_yes"), WaitForEnd(8000)), patience_ms=0, answer_delay_ms=0
)


def talks(*actions: Any, **faults: Any) -> Script:
    """Return an agent that does this when the caller has spoken."""
    return Script(opening=GREETING.opening, turns=(actions,), delivery=PROMPT, faults=Faults(**faults))


@tool
def leak(text: str) -> str:
    """Crash with what no log must show."""
    raise RuntimeError(f"{API_KEY} {TOKEN} {CALLER} {SOUND} {text}")


@attrs.define
class Heard:
    """All that was logged, and the one-time tokens and signatures that were in play."""

    out: StringIO = attrs.field(factory=StringIO)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Return what was logged; every line is a JSON object."""
        return [json.loads(line) for line in self.out.getvalue().splitlines()]

    def of(self, call_id: str) -> list[str]:
        """Return the events of a call."""
        return [line["event"] for line in self.lines if line.get("call_id") == call_id]


@pytest.fixture
def heard() -> Heard:
    """Log as the daemon does with [logging] format = "json" and level = "debug"."""
    found = Heard()
    set_up_logging(as_json=True, level=10, secrets=(TOKEN, API_KEY, ADMIN_TOKEN), stream=found.out)
    return found


def check(text: str, one_time: list[str]) -> None:
    """Fail if a log shows what it must not."""
    for secret in (TOKEN, API_KEY, ADMIN_TOKEN, CALLER, CALLED, CALLER[1:], CALLED[1:], SOUND, *one_time):
        assert secret not in text
    assert not re.search(r"[A-Za-z0-9+/]{160,}", text)
    assert not re.search(r"[A-Za-z0-9+/]{27}=", text)  # a signature: SHA-1 in base64


GARBAGE = tuple(kind for kind in get_args(Garbage) if kind != "huge")
CALLS: dict[str, tuple[Script, Caller]] = {
    "hangs up with a reason": (
        talks(words("caller_no"), CallTool("hang_up", {"reason": f"call {CALLER} back, {TOKEN}"})),
        TALKER,
    ),
    "a tool crashes": (
        talks(CallTool("leak", {"text": "x"}), words("caller_no")),
        attrs.evolve(TALKER, steps=(WaitForAgent(), speech("caller_yes"), WaitForAgent(), HangUp())),
    ),
    "wrong signature": (GREETING, Caller(webhook_signature="wrong")),
    "wrong media signature": (GREETING, Caller(signature="wrong", answer_delay_ms=0)),
    "wrong token": (GREETING, Caller(token_override="someone-elses-token-0123456789", answer_delay_ms=0)),
    "second socket": (GREETING, attrs.evolve(TALKER, second_socket=True, steps=(WaitForAgent(), HangUp()))),
    "raw rubbish": (
        GREETING,
        Caller(
            steps=(
                WaitForAgent(), SendRaw(f'{{"event": "{SOUND}"}}'), SendRaw(f'{{"event": "{CALLER}"}}'),
                SendRaw(f"{TOKEN} {SOUND}"), Press("5"), HangUp(),
            ),
            answer_delay_ms=0,
        ),
    ),
    "model refuses": (talks(refuse="http_401"), TALKER),
    "model garbage": (talks(words("caller_no"), garbage=GARBAGE, stray_errors=True), TALKER),
}  # fmt: skip


@pytest.mark.parametrize(("script", "caller"), CALLS.values(), ids=list(CALLS))
async def test_no_line_of_a_call_shows_a_secret_a_sound_or_a_number(
    place: MakePlace, heard: Heard, script: Script, caller: Caller
) -> None:
    one_time: list[str] = []
    setup = place(script=script, tools={"leak": leak}, admin={"bind": "127.0.0.1:0"}, admin_token=ADMIN_TOKEN)
    with trio.fail_after(20):
        async with open_stage(setup) as stage:
            await _ring(stage, caller, one_time)
    check(heard.out.getvalue(), one_time)
    assert heard.lines


async def test_a_crash_in_a_call_is_logged_with_its_id_and_without_its_secrets(
    place: MakePlace, heard: Heard
) -> None:
    def crash(call_id: str, line: Line) -> None:
        if line.leg == PHONE and line.sender == TWILIO and b'"media"' in bytes(line.msg or b""):
            raise RuntimeError(f"{API_KEY} {TOKEN} {CALLER} {SOUND}")

    with trio.fail_after(15):
        async with open_stage(place(watch=crash)) as stage:
            report = await stage.ring(TALKER)
            await stage.wait_no_calls()
    check(heard.out.getvalue(), [])
    crashes = [line for line in heard.lines if line["event"] == "call crashed"]
    assert [line["call_id"] for line in crashes] == [report.call_sid]
    assert "RuntimeError: (secret) (secret) +xxxxxxxxx56 (base64, 216 characters)" in crashes[0]["exception"]


async def test_what_a_tool_logs_has_its_calls_id(place: MakePlace, heard: Heard) -> None:
    @tool
    def chat() -> str:
        """Log as anybody's code does."""
        logging.getLogger("my_tools").warning("looked up %s", CALLER)
        structlog.get_logger().info("done")
        return "fine"

    script = talks(CallTool("chat", {}), words("caller_no"))
    caller = attrs.evolve(TALKER, steps=(WaitForAgent(), speech("caller_yes"), WaitForAgent(), HangUp()))
    with trio.fail_after(15):
        async with open_stage(place(script=script, tools={"chat": chat})) as stage:
            report = await stage.ring(caller)
            await stage.wait_no_calls()
    assert {"looked up +xxxxxxxxx56", "done"} <= set(heard.of(report.call_sid))


async def _ring(stage: Stage, caller: Caller, one_time: list[str]) -> None:
    def tell(kind: str, *_: Any) -> None:
        for call in stage.daemon.switchboard.calls:
            one_time.extend((call.routes.secret, call.routes.token(1)))

    await stage.ring(caller, on_event=tell)
    await stage.wait_no_calls()
