"""What a scenario expects off the stream: each word of it, met and not met."""

import tomllib
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from replay.phone.actor import Actor
from replay.phone.exchange.expect import Expect, unmet_off_stream, without_twiml
from replay.phone.leg import Leg
from replay.phone.line import Line
from replay.phone.report import CallReport, Dialled, Recording, Words
from replay.phone.scenario import parse
from replay.phone.script import Caller
from replay.phone.twiml import Hangup
from replay.phone.twiml import Say as SayVerb
from replay.sound.formats import murmur

ANNA = "+15550199"


@pytest.fixture
async def report() -> CallReport:
    """A call that was through everything."""
    leg = Leg(name=ANNA, call_sid="CA1", actor=Actor(Caller(), Line()), note=lambda *_args, **_more: None)
    leg.presses.append((2000, "1"))
    return CallReport(
        call_sid="CA0",
        stream_sids=["MZ1", "MZ2"],
        far_ends=[leg],
        next_verbs=[SayVerb("One moment"), Hangup()],
        dials=[Dialled((ANNA,), "completed", True, 1000, 5000)],
        keys_heard=[(1, "1"), (2, "#")],
        menu_path=["main", "order"],
        gathered=["1928", ""],
        recordings=[Recording("RE1", "https://x", murmur(1000), "silence", "completed")],
        queues=["leave"],
        referred=[("sip:anna@example.com", "busy")],
        words=[
            Words("twilio", "caller", "One moment, please.", 500, 900),
            Words("twilio", ANNA, "A caller about an order.", 1500, 900),
            Words(ANNA, "caller", "Hello, Anna speaking.", 4000, 900),
        ],
    )


MET = """
    verbs = ["say", "hangup"]
    streams = 2
    dialled = ["+15550199"]
    dial_status = ["completed"]
    bridged = 1
    keys_heard = "1#"
    menu = ["main", "order"]
    gathered = ["1928", ""]
    voicemails = 1
    min_voicemail_ms = 900
    queues = ["leave"]
    referred = ["sip:anna@example.com"]
    pressed = { "+15550199" = "1" }
    [expect.hears]
    "+15550199" = ["about an order"]
    caller = ["One moment", { text = "Anna speaking", within_ms = 4500 }]
"""


def expect(words: str) -> Expect:
    return parse(tomllib.loads(f"[expect]\n{words}"), Path("call.toml")).expect


async def test_everything_that_came_true_is_met(report: CallReport) -> None:
    assert unmet_off_stream(expect(MET), report) == []
    assert unmet_off_stream(Expect(), report) == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ('verbs = ["say"]', "verbs is say, hangup, not say"),
        ("streams = 1", "streams is 2, not 1"),
        ("dialled = []", "dialled is +15550199, not nothing"),
        ('dial_status = ["busy"]', "dial_status is completed, not busy"),
        ("bridged = 0", "bridged is 1, not 0"),
        ('keys_heard = "12"', "keys_heard is 1#, not 12"),
        ('menu = ["main"]', "menu is main, order, not main"),
        ("voicemails = 0", "voicemails is 1, not 0"),
        ("min_voicemail_ms = 5000", "the longest voicemail has 1000 ms: at least 5000 are expected"),
        ('queues = ["bridged"]', "queues is leave, not bridged"),
        ('pressed = { "+15550199" = "2" }', "+15550199 pressed 1, not 2"),
        ('pressed = { anna = "2" }', "anna pressed nothing, not 2"),
        ('hears = { caller = ["Goodbye"] }', "caller never heard 'Goodbye' off the stream"),
        ('hears = { caller = ["Anna", "moment"] }', "caller never heard 'moment' after 'Anna' off the stream"),
        ('hears = { caller = [{ text = "Anna", within_ms = 5 }] }', "caller heard 'Anna' at 4000 ms, not within 5 ms"),
    ],
)  # fmt: skip
async def test_what_did_not_come_true_is_a_complaint(report: CallReport, words: str, complaint: str) -> None:
    assert unmet_off_stream(expect(words), report) == [complaint]


async def test_keys_that_were_collected_are_not_told_in_a_complaint(report: CallReport) -> None:
    (complaint,) = unmet_off_stream(expect('gathered = ["1111"]'), report)
    assert "1928" not in complaint


async def test_a_bare_media_socket_is_judged_by_its_stream_alone(report: CallReport) -> None:
    assert without_twiml(expect(MET)) == Expect()
    assert without_twiml(Expect(ended_by="caller", streams=5)) == Expect(ended_by="caller")


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ('verbs = ["sing"]', 'a list, for example ["play", "connect"]'),
        ("keys_heard = 5", "keys as a string"),
        ("pressed = 5", "a table of who and the keys"),
        ("hears = { caller = 5 }", "a table of who and what they hear"),
        ("hears = { caller = [{ txt = 'x' }] }", "{ text ="),
        ("hears = { caller = [{ text = 'x', within_ms = -1 }] }", "a whole number"),
    ],
)
def test_an_expectation_that_makes_no_sense_is_a_fault(words: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        expect(words)
    assert fault in caught.value.faults[0]
