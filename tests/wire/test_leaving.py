"""A caller leaves the stream and comes back into the same conversation, over real sockets."""

from collections.abc import Iterator

import attrs
import pytest
import trio
from hand_phone import CHILD, Answer, HandPhone, Media, a_phone

from bench.stage import PROMPT, MakePlace, Stage, living_tasks, open_files, open_stage, words
from bridge.calls.live_call import LiveCall
from replay.model.script import CallTool, Faults, Script
from replay.tapes.player import replay_tape

SALES = {"sales": {"number": "+15550100111", "description": "orders"}}
TRANSFER = CallTool(
    "transfer_call", {"place": "sales", "reason": "an order", "summary": "Ann, about her order"}
)


def script(*tools: CallTool, answers: int = 1) -> Script:
    """Return a model that greets, calls a tool at each key that the caller presses, and says a word to each answer."""
    return Script(
        opening=(words("caller_yes"),),
        turns=tuple((words("caller_yes"), tool) for tool in tools),
        answers=((words("caller_no"),),) * answers,
        delivery=PROMPT,
    )


@pytest.fixture(autouse=True)
def _replays(place: MakePlace) -> Iterator[None]:
    """Hear every tape again: today's heart decides the same."""
    yield
    differences = [replay_tape(path).difference for path in place().tapes]
    assert differences
    assert differences == [None] * len(differences)


async def leave(phone: HandPhone) -> tuple[Answer, Media]:
    """Ring, hear the opening, press a key, and be sent off the stream: return what Twilio is to do then."""
    first = await phone.ring()
    media = await phone.stream(first)
    return await press(phone, first, media), media


async def press(phone: HandPhone, connect: Answer, media: Media) -> Answer:
    """Press a key, at which the model calls a tool that leaves the stream; return what Twilio is to do then."""
    await media.wait_sound()
    media.say("dtmf", track="inbound_track", digit="#")
    assert await phone.until_left(media) == 1000
    return await phone.post(connect.verb("Connect").attrib["action"])


async def test_nobody_takes_the_caller_and_the_conversation_goes_on_in_the_same_session(
    place: MakePlace,
) -> None:
    setup = place(script=script(TRANSFER), agent={"transfer": SALES})
    with trio.fail_after(60):
        async with open_stage(setup) as stage, a_phone(stage.via) as phone:
            plan, _ = await leave(phone)
            dial = plan.verb("Dial")
            assert (dial[0].tag, dial[0].text) == ("Number", "+15550100111")
            back = await phone.post(dial.attrib["action"], DialCallStatus="busy", DialCallSid=CHILD)
            again = await phone.stream(back)
            await again.wait_sound()
            (session,) = stage.model.sessions
            (output,) = session.tool_outputs.values()
            assert "busy" in output
            assert session.close_code is None
            again.say("stop")
            await phone.until_left(again)
            await stage.wait_recorded()
    (row,) = setup.calls()
    assert (row["ended_by"], row["why"]) == ("caller", "hung up")


WARM = {"sales": {**SALES["sales"], "warm": True}}


async def whisper(phone: HandPhone, plan: Answer, key: str) -> Answer:
    """Let somebody answer at the warm place, hear the summary, and press a key; return what Twilio does with them."""
    (number,) = plan.verb("Dial")
    await phone.far_end(number.attrib["statusCallback"], CallStatus="ringing")
    heard = await phone.far_end(number.attrib["url"])
    gather = heard.verb("Gather")
    assert [said.text for said in gather] == ["Ann, about her order", "Press 1 to take the call."]
    assert heard.tags == ["Gather", "Hangup"]
    return await phone.far_end(gather.attrib["action"], Digits=key)


async def test_whoever_presses_the_key_has_the_caller_and_the_session_is_over_while_they_talk(
    place: MakePlace,
) -> None:
    setup = place(script=script(TRANSFER), agent={"transfer": WARM})
    with trio.fail_after(60):
        async with open_stage(setup) as stage, a_phone(stage.via) as phone:
            plan, _ = await leave(phone)
            assert (await whisper(phone, plan, "1")).tags == []
            (session,) = stage.model.sessions
            await session.wait_until(lambda session: session.close_code is not None)
            assert stage.daemon.switchboard.live == 1
            action = plan.verb("Dial").attrib["action"]
            over = await phone.post(
                action, DialCallStatus="completed", DialCallDuration="40", DialBridged="true"
            )
            assert over.tags == ["Hangup"]
            await stage.wait_recorded()
    (row,) = setup.calls()
    assert (row["ended_by"], row["why"]) == ("tool", "transferred to sales")


async def test_whoever_declines_sends_the_caller_back_to_the_conversation(place: MakePlace) -> None:
    setup = place(script=script(TRANSFER), agent={"transfer": WARM})
    with trio.fail_after(60):
        async with open_stage(setup) as stage, a_phone(stage.via) as phone:
            plan, _ = await leave(phone)
            assert (await whisper(phone, plan, "2")).tags == ["Hangup"]
            back = await phone.post(plan.verb("Dial").attrib["action"], DialCallStatus="completed")
            again = await phone.stream(back)
            await again.wait_sound()
            (session,) = stage.model.sessions
            assert "did not take the call" in session.tool_outputs.popitem()[1]


async def test_keys_are_pressed_towards_a_menu_and_the_agent_is_back(place: MakePlace) -> None:
    setup = place(script=script(CallTool("send_digits", {"digits": "ww1"})), agent={"send_digits": True})
    with trio.fail_after(60):
        async with open_stage(setup) as stage, a_phone(stage.via) as phone:
            plan, _ = await leave(phone)
            assert plan.tags == ["Play", "Redirect"]
            assert plan.verb("Play").attrib == {"digits": "ww1"}
            again = await phone.stream(await phone.post(plan.verb("Redirect").text or ""))
            await again.wait_sound()


async def test_a_message_is_taken_and_its_recording_is_in_the_record(place: MakePlace) -> None:
    wish = CallTool("take_message", {"reason": "call back"})
    setup = place(script=script(wish), agent={"voicemail": {"say": "Speak now.", "max_seconds": 60}})
    with trio.fail_after(60):
        async with open_stage(setup) as stage, a_phone(stage.via) as phone:
            plan, _ = await leave(phone)
            assert plan.tags == ["Say", "Record"]
            record = plan.verb("Record").attrib
            url = "https://api.twilio.com/Recordings/RE1"
            back = await phone.post(
                record["action"], RecordingUrl=url, RecordingDuration="4", Digits="#", RecordingSid="RE1"
            )
            again = await phone.stream(back)
            told = await phone.post(
                record["recordingStatusCallback"], RecordingUrl=url, RecordingStatus="completed"
            )
            assert (told.status, told.text) == (204, "")
            await again.wait_sound()
            again.say("stop")
            await stage.wait_recorded()
    rows = setup.store.query("select * from legs where step = 'voicemail'")
    assert len(rows) == 1
    assert url in str(rows[0])


async def test_two_excursions_are_two_returns_each_under_a_stream_and_a_token_of_its_own(
    place: MakePlace,
) -> None:
    setup = place(script=script(TRANSFER, TRANSFER, answers=2), agent={"transfer": SALES})
    with trio.fail_after(60):
        async with open_stage(setup) as stage, a_phone(stage.via) as phone:
            plan, _ = await leave(phone)
            back = await phone.post(plan.verb("Dial").attrib["action"], DialCallStatus="busy")
            plan = await press(phone, back, await phone.stream(back))
            back = await phone.post(plan.verb("Dial").attrib["action"], DialCallStatus="no-answer")
            third = await phone.stream(back)
            await third.wait_sound()
            assert [leg.stream_sid for leg in phone.legs] == ["MZ1", "MZ2", "MZ3"]
            (session,) = stage.model.sessions
            assert len(session.tool_outputs) == 2
            third.say("stop")
            await stage.wait_recorded()
    assert len(setup.store.query("select * from legs where part = 'stream'")) == 3


async def test_nothing_is_dialled_but_a_place_of_the_file(place: MakePlace) -> None:
    """Whatever a caller talks the model into."""
    numbers = ("+1900555", "sip:sales@evil.example.com", "SALES", "")
    wishes = tuple(
        CallTool("transfer_call", {"place": number, "reason": "r", "summary": "s"}) for number in numbers
    )
    setup = place(script=script(*wishes, answers=4), agent={"transfer": SALES})
    with trio.fail_after(60):
        async with open_stage(setup) as stage, a_phone(stage.via) as phone:
            media = await phone.stream(await phone.ring())
            await media.wait_sound()
            session = await stage.model.wait_session()
            for count in range(1, len(wishes) + 1):
                media.say("dtmf", track="inbound_track", digit="#")
                await session.wait_until(lambda session, count=count: len(session.tool_outputs) == count)
            assert not media.closed.is_set()
            assert all("use one of: sales" in output for output in session.tool_outputs.values())


async def test_a_model_that_dies_while_the_caller_is_away_is_for_their_return(place: MakePlace) -> None:
    failure = {"steps": ["say:Our line is out of order.", "voicemail"]}
    agent = {"transfer": SALES, "failure": failure, "voicemail": {"say": "Speak now."}}
    dies = attrs.evolve(script(TRANSFER), faults=Faults(drop_after_ms=3000))
    setup = place(script=dies, agent=agent, limits={"reconnects": 0})
    with trio.fail_after(60):
        async with open_stage(setup) as stage, a_phone(stage.via) as phone:
            plan, _ = await leave(phone)
            (session,) = stage.model.sessions
            await session.wait_until(lambda session: session.close_code is not None)
            back = await phone.post(plan.verb("Dial").attrib["action"], DialCallStatus="busy")
            assert [said.text for said in back.verbs if said.tag == "Say"] == [
                "Our line is out of order.", "Speak now.",
            ]  # fmt: skip
            url = "https://api.twilio.com/Recordings/RE1"
            over = await phone.post(
                back.verb("Record").attrib["action"], RecordingUrl=url, RecordingDuration="4"
            )
            assert over.tags == ["Hangup"]
            await stage.wait_recorded()
    (row,) = setup.calls()
    assert row["ended_by"] == "model"
    assert row["why"].endswith("; a message was left")


async def test_a_model_that_can_not_be_had_is_a_plan_before_the_stream_is_there(place: MakePlace) -> None:
    failure = {"steps": ["say:Our line is out of order.", "dial:sales"]}
    refuses = Script(faults=Faults(refuse="http_401"))
    setup = place(script=refuses, agent={"transfer": SALES, "failure": failure})
    with trio.fail_after(60):
        async with open_stage(setup) as stage, a_phone(stage.via) as phone:
            first = await phone.ring()
            while not any(call.is_away for call in stage.daemon.switchboard.calls):  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.01)
            assert await phone.until_left(await phone.stream(first)) == 1008
            plan = await phone.post(first.verb("Connect").attrib["action"])
            assert plan.tags == ["Say", "Dial"]
            await phone.far_end(plan.verb("Dial")[0].attrib["statusCallback"], CallStatus="in-progress")
            over = await phone.post(plan.verb("Dial").attrib["action"], DialCallStatus="completed")
            assert over.tags == ["Hangup"]


@pytest.mark.parametrize("request_of", ["next", "back"])
async def test_whoever_hangs_up_while_they_leave_or_are_away_has_hung_up(
    place: MakePlace, request_of: str
) -> None:
    setup = place(script=script(TRANSFER), agent={"transfer": SALES})
    with trio.fail_after(60):
        async with open_stage(setup) as stage, a_phone(stage.via) as phone:
            first = await phone.ring()
            media = await phone.stream(first)
            if request_of == "next":
                await media.wait_sound()
                media.say("dtmf", track="inbound_track", digit="#")
                await phone.until_left(media)
                over = await phone.post(first.verb("Connect").attrib["action"], CallStatus="completed")
            else:
                plan = await press(phone, first, media)
                action = plan.verb("Dial").attrib["action"]
                over = await phone.post(action, CallStatus="completed", DialCallStatus="canceled")
            assert over.tags == ["Hangup"]
            await stage.wait_recorded()
    (row,) = setup.calls()
    assert (row["ended_by"], row["why"]) == ("caller", "hung up")


async def test_twilio_never_asks_and_the_call_is_over_in_its_time(place: MakePlace) -> None:
    setup = place(script=script(TRANSFER), agent={"transfer": SALES})
    with trio.fail_after(60):
        async with open_stage(setup) as stage, a_phone(stage.via) as phone:
            first = await phone.ring()
            media = await phone.stream(first)
            await media.wait_sound()
            media.say("dtmf", track="inbound_track", digit="#")
            await phone.until_left(media)
            await stage.wait_no_calls()
            late = await phone.post(first.verb("Connect").attrib["action"])
            assert late.tags == ["Say", "Hangup"]
    (row,) = setup.calls()
    assert (row["ended_by"], row["why"]) == ("bridge", "Twilio did not ask what comes after the stream")


async def test_a_socket_that_does_not_answer_our_goodbye_is_let_go_and_the_next_one_taken(
    place: MakePlace,
) -> None:
    """Frames that an old socket still sends are nobody's."""
    setup = place(script=script(TRANSFER), agent={"transfer": SALES})
    with trio.fail_after(60):
        async with open_stage(setup) as stage, a_phone(stage.via) as phone:
            first = await phone.ring()
            media = await phone.stream(first)
            await media.wait_sound()
            media.is_deaf = True
            media.say("dtmf", track="inbound_track", digit="#")
            while not any(call.is_away for call in stage.daemon.switchboard.calls):  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.01)
            plan = await phone.post(first.verb("Connect").attrib["action"])
            back = await phone.post(plan.verb("Dial").attrib["action"], DialCallStatus="busy")
            again = await phone.stream(back)
            await again.wait_sound()
            (call,) = stage.daemon.switchboard.calls
            assert isinstance(call, LiveCall)
            assert call.is_streaming
            await trio.sleep(3)  # the old one goes on sending
            assert call.end is None
            again.say("stop")
            await stage.wait_recorded()
    (row,) = setup.calls()
    assert (row["ended_by"], row["why"]) == ("caller", "hung up")


async def test_somebody_elses_twiml_takes_a_caller_whom_the_model_can_not_answer(place: MakePlace) -> None:
    failure = {"steps": ["say:One moment.", "https://other.example.com/twiml"]}
    setup = place(script=Script(faults=Faults(refuse="http_401")), agent={"failure": failure})
    with trio.fail_after(60):
        async with open_stage(setup) as stage, a_phone(stage.via) as phone:
            first = await phone.ring()
            await stage.wait_no_calls()
            was_soon = first.tags[0] == "Say"  # the model refused before the webhook was answered
            over = first if was_soon else await phone.post(first.verb("Connect").attrib["action"])
    assert [(verb.tag, verb.text) for verb in over.verbs] == [
        ("Say", "One moment."), ("Redirect", "https://other.example.com/twiml"),
    ]  # fmt: skip


async def test_callers_who_leave_and_return_leave_nothing_behind(place: MakePlace) -> None:
    """One after the other, then many at once."""
    setup = place(script=script(TRANSFER), agent={"transfer": SALES})
    with trio.fail_after(120):
        async with open_stage(setup) as stage:
            await leave_and_return(stage, "CA" + "0" * 32)
            await stage.wait_recorded()
            before = living_tasks(), open_files()
            async with trio.open_nursery() as calls:
                for number in range(20):
                    calls.start_soon(leave_and_return, stage, f"CA{number + 1:032}")
            await stage.wait_recorded()
            with trio.move_on_after(5):
                while (living_tasks(), open_files()) != before:  # noqa: ASYNC110 - nobody tells
                    await trio.sleep(0.02)
            assert (living_tasks(), open_files()) == before
    rows = setup.calls()
    assert [(row["ended_by"], row["why"]) for row in rows] == [("caller", "hung up")] * 21


async def leave_and_return(stage: Stage, call_sid: str) -> None:
    """Make one call that leaves the stream, is back, and ends."""
    async with a_phone(stage.via, call_sid) as phone:
        plan, _ = await leave(phone)
        again = await phone.stream(
            await phone.post(plan.verb("Dial").attrib["action"], DialCallStatus="busy")
        )
        await again.wait_sound()
        again.say("stop")
        await phone.until_left(again)
