"""Whatever documents say, and whoever does what meanwhile: a call ends with a report, and nothing is raised."""

import random
from xml.sax.saxutils import quoteattr

import pytest
from phone_peer import goodbye
from twiml_calls import ANNA, HELLO, a_call, far_end, town

from replay.phone.exchange.town import Town
from replay.phone.script import HangUp, Press, Step, Wait

PATHS = ("/a", "/b", "/c", "")
VALUES = (
    "1",
    "0",
    "20",
    "true",
    "false",
    "",
    "#",
    "12",
    "-5",
    "soon",
    "/a",
    "/c",
    "https://bridge.example.com/b",
    "²",
)
ATTRIBUTES = (
    "action", "method", "timeout", "finishOnKey", "numDigits", "maxLength", "loop", "length", "digits", "url",
    "waitUrl", "statusCallback", "statusCallbackEvent", "timeLimit", "sequential", "playBeep",
    "actionOnEmptyResult", "record", "hangupOnStar", "sendDigits", "reason", "mood",
)  # fmt: skip
VERBS = (
    "Say",
    "Play",
    "Pause",
    "Gather",
    "Record",
    "Dial",
    "Enqueue",
    "Redirect",
    "Hangup",
    "Leave",
    "Connect",
    "Sing",
)
STREAM = '<Stream url="wss://bridge.example.com/media"/>'
INSIDE = {
    "Dial": (ANNA, f"<Number>{ANNA}</Number>", "<Number/>", "<Client>ben</Client><Sip>sip:x@y</Sip>", ""),
    "Gather": ("<Say>Press a key</Say>", "<Dial>+1</Dial>", ""),
    "Connect": (STREAM, STREAM, STREAM, ""),
    "Enqueue": ("support", ""),
    "Redirect": PATHS,
    "Say": ("Words that are said.", ""),
    "Play": ("/a", ""),
}


def verb(dice: random.Random) -> str:
    name = dice.choice(VERBS)
    chosen = dice.sample(ATTRIBUTES, dice.randint(0, 4))
    attributes = " ".join(f"{one}={quoteattr(dice.choice(VALUES))}" for one in chosen)
    return f"<{name} {attributes}>{dice.choice(INSIDE.get(name, ('',)))}</{name}>"


def document(dice: random.Random) -> str:
    return f"<Response>{''.join(verb(dice) for _ in range(dice.randint(1, 4)))}</Response>"


def steps(dice: random.Random) -> tuple[Step, ...]:
    acts = (Wait(700), Press("1"), Press("#"), HELLO, Wait(3000))
    return (*dice.choices(acts, k=6), *([HangUp()] if dice.random() < 0.5 else []))


def anybody(dice: random.Random) -> Town:
    people = {"anna": far_end(*steps(dice), result=dice.choice(("answers", "answers", "busy", "no_answer")))}
    queue = {"queue:support": far_end(*steps(dice))} if dice.random() < 0.7 else {}
    delivery = dice.choice(("once", "twice", "again", "late", "never"))
    behaviour = {
        "actions": {dice.choice(("dial", "gather", "record", "connect")): delivery},
        "action_late_ms": 1500,
        "callbacks": dice.choice(("in_order", "shuffled", "missing")),
        "action_after_hang_up": dice.random() < 0.5,
        "recording": dice.choice(("there", "late", "absent", "never")),
    }
    return town(behaviour, **people, **queue)


@pytest.mark.parametrize("seed", range(60))
async def test_any_documents_make_a_report_and_nothing_else(seed: int) -> None:
    dice = random.Random(f"documents {seed}")
    answers = {
        "/voice": document(dice),
        **{path: document(dice) for path in PATHS if path},
        "/after": "<Response/>",
    }
    report, bridge = await a_call(
        *steps(dice), answers=answers, town=anybody(dice), talk=goodbye, total_ms=40_000
    )
    assert report.ended_by is not None or report.error == "not over after 40000 ms"
    assert bridge.forms
    assert all(leg.is_gone for leg in report.far_ends) or report.error is not None
    assert len(report.heard) <= 8 * 41_000
