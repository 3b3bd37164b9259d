"""The Twilio stand-in without a socket: signatures, TwiML, the caller's line and the caller."""

import pytest
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from replay.phone import twiml
from replay.phone.actor import Actor, Missed
from replay.phone.line import SILENT_FRAME, Clear, Gap, Line
from replay.phone.script import Caller, HangUp, InterruptAfter, Press, Say, Wait, WaitForAgent, WaitForQuiet
from replay.phone.signing import sign, signed_url

BASE = "https://bridge.example.com/voice/front-desk"
FRAME = b"\x10" * 160


def stream_xml(url: str = "wss://bridge.example.com/media", inside: str = "") -> str:
    return f'<Response><Connect><Stream url="{url}">{inside}</Stream></Connect></Response>'


def play(line: Line, begin: int, ticks: int) -> list[str]:
    names = []
    for tick in range(begin, begin + ticks):
        names += line.tick(tick * 20)
    return names


# ---------------------------------------------------------------- signatures

OFFICIAL_URL = "https://example.com/myapp.php?foo=1&bar=2"
OFFICIAL_FORM = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675310",
    "Digits": "1234",
    "From": "+14158675310",
    "To": "+18005551212",
}
BODY_SHA = "5ccde7145dfb8f56479710896586cb9d5911809d83afbe34627818790db0aec9"


@pytest.mark.parametrize(
    ("url", "form", "expected"),
    [
        (OFFICIAL_URL, OFFICIAL_FORM, "L/OH5YylLD5NRKLltdqwSvS0BnU="),
        (f"{OFFICIAL_URL}&bodySHA256={BODY_SHA}", {}, "JHIrWd4Byv5CHXcDkQP13zDT6Cg="),
        ("wss://bridge.example.com/twilio/media", {}, "hGVJmeOLwZmJhPeWsyRDIvgH8Zc="),
        ("wss://bridge.example.com/twilio/media/", {}, "K34XpNWz3mSbbFwtWeDWONZkGSc="),
        ("https://bridge.example.com/twilio/media", {}, "lZEvGu0Z5D37/G+S9TnXfxg6Af0="),
    ],
)
def test_known_signatures_come_out(url: str, form: dict[str, str], expected: str) -> None:
    assert sign(url, form, "12345") == expected


def test_our_signature_is_the_one_twilios_validator_computes() -> None:
    form = {"b": "", "B": "a+b &é", "a": " x ", "Zz": "%7B"}
    assert sign(BASE, form, "secret") == RequestValidator("secret").compute_signature(BASE, form)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:pw@example.com:8443/a?b=1#rc=2", "https://example.com/a?b=1"),
        ("http://example.com:8080/a", "http://example.com:8080/a"),
        ("wss://example.com:443/a", "wss://example.com/a"),
    ],
)
def test_the_signed_url_has_no_port_over_tls_and_no_fragment(url: str, expected: str) -> None:
    assert signed_url(url) == expected


# ---------------------------------------------------------------- TwiML


def test_a_stream_is_read_with_its_parameters_and_without_its_query() -> None:
    xml = stream_xml("wss://bridge.example.com/media?x=1", '<Parameter name="token" value="t0"/>')
    stream = twiml.Stream("wss://bridge.example.com/media", {"token": "t0"}, dropped_query="x=1")
    assert twiml.parse(xml, BASE) == (twiml.Connect(stream),)


def test_relative_urls_are_resolved_against_the_document() -> None:
    stream = '<Connect action="/after?a=1"><Stream url="../media"/></Connect>'
    xml = f"<Response>{stream}<Redirect>again</Redirect></Response>"
    connect, redirect = twiml.parse(xml, BASE)
    assert isinstance(connect, twiml.Connect)
    assert connect.stream.url == "wss://bridge.example.com/media"
    assert connect.action == "https://bridge.example.com/after?a=1"
    assert redirect == twiml.Redirect("https://bridge.example.com/voice/again")


def test_every_verb_of_a_way_out_is_read() -> None:
    xml = (
        '<Response><Say language="en-GB">Bye</Say><Pause length="2"/><Play digits="12"/>'
        "<Dial><Number>+15550100</Number></Dial><Reject/><Hangup/></Response>"
    )
    assert twiml.parse(xml, BASE) == (
        twiml.Say("Bye", "en-GB"),
        twiml.Pause(2),
        twiml.Play(digits="12"),
        twiml.Dial(nouns=(twiml.Noun(to="+15550100"),)),
        twiml.Reject(),
        twiml.Hangup(),
    )


@pytest.mark.parametrize(
    ("xml", "code"),
    [
        ("<Response>", 12100),
        ("<Other/>", 12100),
        (stream_xml("https://bridge.example.com/media"), 31922),
        (stream_xml("wss:///media"), 31923),
        (stream_xml(""), 31923),
        (stream_xml(inside=f'<Parameter name="abcd" value="{"x" * 496}"/>'), 12200),
        (stream_xml(inside='<Parameter name="a"/>'), 12200),
        ("<Response><Connect/></Response>", 12200),
        ("<Response><Dial/></Response>", 13224),
        (f"<Response><Say>{'x' * 65_536}</Say></Response>", 11750),
    ],
)
def test_wrong_twiml_carries_twilios_error_number(xml: str, code: int) -> None:
    with pytest.raises(twiml.TwilioError) as caught:
        twiml.parse(xml, BASE)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("xml", "verbs"),
    [
        ("<Response><Sing/><Hangup/></Response>", (twiml.Hangup(),)),
        ('<Response><Hangup now="1"/></Response>', (twiml.Hangup(),)),
        ("<Response>loose<Hangup/></Response>", (twiml.Hangup(),)),
        ('<Response><Pause length="\u00b2"/></Response>', (twiml.Pause(1),)),
        ('<Response><Record playBeep="yes"/></Response>', (twiml.Record(),)),
        ("<Response><Gather><Dial>+1555</Dial></Gather></Response>", (twiml.Gather(),)),
        ('<Response><Gather method="PUT"/></Response>', (twiml.Gather(),)),
    ],
)
def test_what_twilio_ignores_is_warned_of_and_left_out(xml: str, verbs: tuple[twiml.Verb, ...]) -> None:
    codes: list[int] = []
    assert twiml.parse(xml, BASE, lambda code, text: codes.append(code)) == verbs
    assert codes == [12200]


@pytest.mark.parametrize(
    ("xml", "code"),
    [
        ('<Response><Dial action="/next">+1555</Dial></Response>', 15004),
        ("<Response><Record/></Response>", 11100),
    ],
)
def test_twiml_that_came_by_rest_leads_nowhere_by_relative_urls(xml: str, code: int) -> None:
    assert twiml.parse(xml, BASE)
    with pytest.raises(twiml.TwilioError) as caught:
        twiml.parse(xml, "")
    assert caught.value.code == code


def test_a_parameter_of_499_characters_fits() -> None:
    assert twiml.parse(stream_xml(inside=f'<Parameter name="abcd" value="{"x" * 495}"/>'), BASE)


# ---------------------------------------------------------------- the line


def test_a_mark_on_an_empty_line_comes_back_at_once() -> None:
    assert Line().mark("a", 0) == ["a"]


def test_a_mark_comes_back_when_all_before_it_was_played() -> None:
    line = Line()
    line.media(FRAME * 2, 0)
    assert line.mark("a", 0) == []
    assert [line.tick(0), line.tick(20), line.tick(40)] == [[], [], ["a"]]
    assert (line.marks[0].echoed_ms, line.marks[0].cleared) == (40, False)


def test_marks_come_back_in_order_even_when_a_later_one_could_be_at_once() -> None:
    line = Line()
    line.media(FRAME, 0)
    assert line.mark("a", 0) == []
    line.tick(0)
    assert line.mark("b", 5) == []
    assert line.tick(20) == ["a", "b"]


def test_a_clear_empties_the_line_and_sends_all_waiting_marks_back() -> None:
    line = Line()
    for name in "ab":
        line.media(FRAME * 5, 0)
        line.mark(name, 0)
    line.tick(0)
    assert line.clear(10) == ["a", "b"]
    line.tick(20)
    assert line.clears == [Clear(10, 180)]
    assert all(mark.cleared for mark in line.marks)
    assert line.heard == FRAME + SILENT_FRAME


def test_what_was_heard_is_on_the_clock_with_silence_where_nothing_played() -> None:
    line = Line()
    line.tick(0)
    line.media(FRAME + FRAME[:40], 10)
    play(line, 1, 2)
    assert line.heard == SILENT_FRAME + FRAME + FRAME[:40] + b"\xff" * 120
    assert line.first_heard_ms == 20


def test_an_underrun_inside_a_reply_is_a_gap_and_a_long_pause_is_not() -> None:
    line = Line()
    line.media(FRAME, 0)
    play(line, 0, 4)
    line.media(FRAME, 80)
    play(line, 4, 30)
    line.media(FRAME, 700)
    play(line, 35, 1)
    assert line.gaps == [Gap(20, 60)]


def test_a_pause_in_which_the_caller_spoke_or_the_bridge_cleared_is_no_gap() -> None:
    line = Line()
    for tick, happen in ((0, line.caller_spoke), (5, lambda: line.clear(100))):
        line.media(FRAME, tick * 20)
        play(line, tick, 2)
        happen()
    line.media(FRAME, 200)
    play(line, 10, 1)
    assert line.gaps == []


def test_marks_that_waited_when_the_stream_ended_are_never_echoed() -> None:
    line = Line()
    line.media(FRAME, 0)
    line.mark("a", 0)
    line.disconnect(10)
    assert line.marks[0].echoed_ms is None
    assert play(line, 1, 3) == []


# ---------------------------------------------------------------- the caller


def drive(actor: Actor, begin: int, ticks: int) -> list[tuple[int, object]]:
    """Tick line and caller together; what the caller did, and when."""
    did: list[tuple[int, object]] = []
    for now in range(begin * 20, (begin + ticks) * 20, 20):
        did += [(now, act) for act in actor.tick(now)]
        actor.line.tick(now, actor.frame())
    return did


def test_a_clip_is_said_in_whole_frames_padded_with_silence() -> None:
    actor = Actor(Caller(steps=(Say(b"\x01" * 200), Press("5"))), Line())
    assert drive(actor, 0, 3) == [(0, Say(b"\x01" * 200)), (40, Press("5"))]
    assert actor.line.said == b"\x01" * 200 + b"\xff" * 280


def test_a_caller_interrupts_after_the_agent_was_heard_for_a_while() -> None:
    actor = Actor(Caller(steps=(WaitForAgent(), InterruptAfter(100), Press("1"))), Line())
    drive(actor, 0, 5)
    actor.line.media(FRAME * 20, 100)
    assert drive(actor, 5, 20) == [(200, Press("1"))]


def test_waiting_for_quiet_needs_the_agent_to_be_heard_first() -> None:
    actor = Actor(Caller(steps=(WaitForQuiet(100), Press("1"))), Line())
    assert drive(actor, 0, 20) == []
    actor.line.media(FRAME * 2, 400)
    assert drive(actor, 20, 10) == [(540, Press("1"))]


def test_words_cut_off_by_a_clear_are_not_taken_for_the_answer() -> None:
    actor = Actor(Caller(steps=(Say(FRAME * 2), WaitForQuiet(60), Press("1"))), Line())
    actor.line.media(FRAME * 50, 0)
    drive(actor, 0, 5)
    actor.line.clear(105)
    assert drive(actor, 6, 20) == []
    actor.line.media(FRAME, 520)
    assert drive(actor, 26, 6) == [(600, Press("1"))]


def test_a_wait_in_vain_is_reported_and_the_script_goes_on() -> None:
    step = WaitForAgent(timeout_ms=100)
    actor = Actor(Caller(steps=(Wait(40), step, Press("1"))), Line())
    assert drive(actor, 0, 8) == [(140, Press("1"))]
    assert actor.missed == [Missed(step, 140)]


def test_a_caller_hangs_up_when_their_patience_ends() -> None:
    assert drive(Actor(Caller(patience_ms=60), Line()), 0, 5) == [(60, HangUp())]
