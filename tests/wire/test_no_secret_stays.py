"""Secrets: after calls that went well and calls that did not, none of them is anywhere but in memory."""

import re
from typing import Any

import trio
from strangers import FORM, post
from structlog.testing import capture_logs

from bench.stage import MakePlace, open_stage
from bridge.tapes.reader import read_tape
from replay.phone.ring import Account, Caller
from replay.phone.script import HangUp, WaitForAgent

QUICK: dict[str, Any] = {"steps": (WaitForAgent(), HangUp()), "answer_delay_ms": 0}


async def test_no_secret_is_in_a_log_on_a_tape_or_in_the_database(place: MakePlace) -> None:
    setup = place()
    with trio.fail_after(20), capture_logs() as logs:
        async with open_stage(setup) as stage:
            report = await stage.ring(Caller(**QUICK, two_starts=True, second_socket=True))
            await stage.ring(Caller(**QUICK, token_override="wrong-token-of-somebody"))
            await post(stage, signature="c2lnbmF0dXJlLW9mLXNvbWVib2R5")
            await stage.wait_recorded()
    one_time = re.findall(r'name="token" value="([^"]+)"', report.twiml)
    assert len(one_time) == 1
    secrets = [Account().auth_token, "sk-stand-in", "wrong-token-of-somebody", "c2lnbmF0dXJl", *one_time]
    tapes = b"".join(line for path in setup.tapes for line in read_tape(path).lines)
    kept = tapes + setup.store.path.read_bytes() + repr(logs).encode()
    assert b"stream_started" in kept
    assert [secret for secret in secrets if secret.encode() in kept] == []
    assert dict(FORM)["From"] not in repr(logs)
