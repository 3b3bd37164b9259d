"""A trial through the whole daemon: the model is asked for the turn detection of the arm, and the record says which."""

import msgspec
import trio

from bench.stage import AGENT, MakePlace, open_stage
from bridge.settings.trial import ARMS, Trial
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import MODEL, decode
from replay.phone.ring import Caller
from replay.phone.script import HangUp, WaitForAgent

QUICK = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)


async def test_each_call_is_led_with_the_turn_detection_that_its_id_stands_for(place: MakePlace) -> None:
    trial = {"name": "shorter", "turn_detection": {"silence_duration_ms": 300}}
    setup = place(own={AGENT: {"trial": trial}})
    sids = [f"CA{number:032x}" for number in range(64)]
    tried = {sid: Trial("shorter").arm(sid) for sid in sids}
    pair = [next(sid for sid in sids if tried[sid] == arm) for arm in ARMS]
    with trio.fail_after(60):
        async with open_stage(setup) as stage:
            for sid in pair:
                await stage.ring(QUICK, call_sid=sid)
            await stage.wait_no_calls()
    told = {call["call_id"]: (call["trial"], call["trial_arm"]) for call in setup.calls()}
    assert told == dict(zip(pair, [("shorter", "control"), ("shorter", "variant")], strict=True))
    asked = {}
    for tape in map(read_tape, setup.tapes):
        sent = (decode(line) for line in tape.lines)
        messages = (msgspec.json.decode(line.msg) for line in sent if line.leg == MODEL and line.msg)
        (update,) = (one for one in messages if one["type"] == "session.update")
        asked[tape.header.call_id] = update["session"]["audio"]["input"]["turn_detection"][
            "silence_duration_ms"
        ]
    assert asked == dict(zip(pair, [500, 300], strict=True))
