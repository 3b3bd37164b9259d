"""What a request about a call can open, when it comes twice, late, from elsewhere, or for a call that is over."""

import pytest
import trio
from hand_phone import CHILD, WEBHOOK, Answer, HandPhone, a_phone
from structlog.testing import capture_logs
from test_leaving import SALES, TRANSFER, WARM, leave, press, script

from bench.stage import MakePlace, Stage, open_stage
from bridge.tapes.reader import read_tape
from replay.model.script import CallTool
from replay.tapes.player import replay_tape

OTHER = "CA" + "9" * 32
FAILURE = {"steps": ["say:Our line is out of order.", "dial:sales", "say:Nobody is there.", "hang_up"]}


async def away(stage: Stage, phone: HandPhone) -> tuple[Answer, str]:
    """Have the caller away, with a place ringing: return the plan, and where Twilio asks when that is over."""
    plan, _ = await leave(phone)
    return plan, plan.verb("Dial").attrib["action"]


# ---------------------------------------------------------------- within one call


async def test_the_same_request_has_the_same_answer_and_its_token_opens_one_socket(place: MakePlace) -> None:
    async with open_stage(place(script=script(TRANSFER), agent={"transfer": SALES})) as stage:
        with trio.fail_after(60):
            async with a_phone(stage.via) as phone:
                plan, action = await away(stage, phone)
                assert await phone.repeat(-1) == plan
                back = await phone.post(action, DialCallStatus="busy")
                assert [await phone.repeat(-1) for _ in range(3)] == [back] * 3
                again = await phone.stream(back)
                second = await phone.stream(back)
                assert await phone.until_left(second) == 1008
                await again.wait_sound()
                assert stage.daemon.switchboard.live == 1


async def test_no_token_of_before_opens_the_next_stream(place: MakePlace) -> None:
    async with open_stage(place(script=script(TRANSFER), agent={"transfer": SALES})) as stage:
        with trio.fail_after(60):
            async with a_phone(stage.via) as phone:
                _, action = await away(stage, phone)
                replayed = await phone.repeat(0)  # of the first webhook
                assert await phone.until_left(await phone.stream(replayed)) == 1008
                back = await phone.post(action, DialCallStatus="busy")
                again_replayed = await phone.repeat(0)
                assert again_replayed.text == replayed.text != back.text
                assert await phone.until_left(await phone.stream(again_replayed)) == 1008
                await (await phone.stream(back)).wait_sound()


async def test_a_request_about_a_stream_of_before_ends_nothing(place: MakePlace) -> None:
    async with open_stage(place(script=script(TRANSFER), agent={"transfer": SALES})) as stage:
        with trio.fail_after(60), capture_logs() as logs:
            async with a_phone(stage.via) as phone:
                _, action = await away(stage, phone)
                asked_next = len(phone.posts) - 1
                await (await phone.stream(await phone.post(action, DialCallStatus="busy"))).wait_sound()
                for index in (asked_next, -1):
                    stale = await phone.repeat(index)
                    assert "Stream" not in stale.text or index == -1
                assert stage.daemon.switchboard.live == 1
    assert "request about a stream of before: refused" in [entry["event"] for entry in logs]


async def test_a_late_request_about_an_excursion_that_is_over_opens_nothing(place: MakePlace) -> None:
    setup = place(script=script(TRANSFER, TRANSFER, answers=2), agent={"transfer": SALES})
    async with open_stage(setup) as stage:
        with trio.fail_after(60):
            async with a_phone(stage.via) as phone:
                _, action = await away(stage, phone)
                back = await phone.post(action, DialCallStatus="busy")
                first_back = len(phone.posts) - 1
                await press(phone, back, await phone.stream(back))
                assert (await phone.repeat(first_back)).tags == ["Hangup"]
                assert (await phone.post(action, DialCallStatus="completed")).tags == ["Hangup"]
                assert stage.daemon.switchboard.live == 1


FOREIGN = {
    "no nonce": lambda action: action.partition("?")[0],
    "a wrong nonce": lambda action: action[:-1] + ("A" if action[-1] != "A" else "B"),
    "a longer one": lambda action: action + "A",
    "another query": lambda action: action.replace("?n=", "?a=1&n="),
    "another excursion": lambda action: action.replace("/away/1/", "/away/2/"),
    "none yet": lambda action: action.replace("/away/1/", "/away/0/"),
}


@pytest.mark.parametrize("forge", FOREIGN.values(), ids=list(FOREIGN))
async def test_a_request_without_the_secret_of_its_excursion_opens_nothing(
    place: MakePlace, forge: object
) -> None:
    async with open_stage(place(script=script(TRANSFER), agent={"transfer": WARM})) as stage:
        with trio.fail_after(60):
            async with a_phone(stage.via) as phone:
                _, action = await away(stage, phone)
                forged: str = forge(action)  # type: ignore[operator]
                answer = await phone.post(forged, DialCallStatus="completed", DialBridged="true")
                assert answer.tags == ["Hangup"]
                key = forged.replace("/back", "/key")
                assert (await phone.far_end(key, Digits="1")).tags == ["Hangup"]
                assert (
                    await phone.far_end(forged.replace("/back", "/leg"), CallStatus="in-progress")
                ).status == 204
                assert stage.model.sessions[0].close_code is None
                assert (await phone.post(action, DialCallStatus="busy")).tags == ["Connect", "Redirect"]


async def test_the_secret_of_one_calls_excursion_is_worth_nothing_for_another(place: MakePlace) -> None:
    async with open_stage(place(script=script(TRANSFER), agent={"transfer": WARM})) as stage:
        with trio.fail_after(60):
            async with a_phone(stage.via) as one, a_phone(stage.via, OTHER) as other:
                _, action = await away(stage, one)
                _, others = await away(stage, other)
                assert (await one.post(others, DialCallStatus="busy")).tags == ["Hangup"]
                key = others.replace("/back", "/key")
                assert (await one.far_end(key, Digits="1")).tags == [
                    "Hangup"
                ]  # its ParentCallSid is the wrong one
                assert (await other.post(others, DialCallStatus="busy")).tags == ["Connect", "Redirect"]
                assert (await one.post(action, DialCallStatus="busy")).tags == ["Connect", "Redirect"]


async def test_the_first_key_of_whoever_answers_decides(place: MakePlace) -> None:
    async with open_stage(place(script=script(TRANSFER), agent={"transfer": WARM})) as stage:
        with trio.fail_after(60):
            async with a_phone(stage.via) as phone:
                _, action = await away(stage, phone)
                key = action.replace("/back", "/key")
                assert (await phone.far_end(key, Digits="9")).tags == ["Hangup"]
                assert (await phone.far_end(key, Digits="1")).tags == ["Hangup"]
                assert stage.model.sessions[0].close_code is None


async def test_twilio_could_not_do_what_it_was_told_and_asks_our_webhook(place: MakePlace) -> None:
    """The number's fallback URL is the webhook: the request names the address whose answer could not be done."""
    async with open_stage(place(script=script(TRANSFER), agent={"transfer": SALES})) as stage:
        with trio.fail_after(60):
            async with a_phone(stage.via) as phone:
                await away(stage, phone)
                url = f"https://bridge.example.com{phone.posts[-1][0]}"
                refused = await phone.post(WEBHOOK, ErrorCode="13214", ErrorUrl=url)
                assert refused.tags == ["Connect", "Redirect"]
                assert await phone.repeat(-1) == refused
                again = await phone.stream(refused)
                await again.wait_sound()
                (session,) = stage.model.sessions
                assert "not transferred" in str(session.tool_outputs)


# ---------------------------------------------------------------- a call that is over, or nobody's


async def test_a_caller_who_comes_back_too_late_hears_a_sentence_and_is_offered_the_plan(
    place: MakePlace,
) -> None:
    setup = place(script=script(TRANSFER), agent={"transfer": SALES, "failure": FAILURE})
    async with open_stage(setup) as stage:
        with trio.fail_after(200):
            async with a_phone(stage.via) as phone:
                _, action = await away(stage, phone)
                await stage.wait_no_calls()
                late = await phone.post(action, DialCallStatus="no-answer")
    assert late.tags == ["Say", "Dial"]
    (row,) = setup.calls()
    assert (row["ended_by"], row["why"]) == ("bridge", "the caller did not come back from dial")


async def test_the_plan_of_a_call_that_is_gone_goes_on_step_by_step(place: MakePlace) -> None:
    setup = place(agent={"transfer": SALES, "failure": FAILURE})
    async with open_stage(setup) as stage, a_phone(stage.via, OTHER) as phone:
        with trio.fail_after(60):
            lost = await phone.post(f"{WEBHOOK}/away/1/back?n={'A' * 43}", DialCallStatus="busy")
            assert lost.tags == ["Say", "Dial"]
            more = await phone.post(lost.verb("Dial").attrib["action"], DialCallStatus="busy")
            assert more.tags == ["Say", "Hangup"]
            done = await phone.post(lost.verb("Dial").attrib["action"], DialCallStatus="completed")
            assert done.tags == ["Hangup"]
            assert stage.daemon.switchboard.live == 0


# ---------------------------------------------------------------- a CallSid that comes back by itself

ELSEWHERE = {"DialCallStatus": "no-answer", "DialCallSid": CHILD}


async def goes_elsewhere(phone: HandPhone, stage: Stage) -> None:
    """Have a call whose stream is over: Twilio goes on with the user's own TwiML."""
    first = await phone.ring()
    media = await phone.stream(first)
    await media.wait_sound()
    media.say("stop")
    await phone.until_left(media)
    await stage.wait_no_calls()


async def test_a_call_that_comes_back_from_the_users_own_twiml_is_a_call_of_its_own(place: MakePlace) -> None:
    setup = place()
    async with open_stage(setup) as stage, a_phone(stage.via) as phone:
        with trio.fail_after(60):
            await goes_elsewhere(phone, stage)
            back = await phone.post(WEBHOOK, **ELSEWHERE)
            media = await phone.stream(back)
            await media.wait_sound()
            assert await phone.repeat(-1) == back
            assert (await phone.repeat(0)).tags == ["Hangup"]  # the webhook that began the first
            assert (await phone.post(f"{WEBHOOK}/next")).tags == [
                "Hangup"
            ]  # what came after the first's stream
            assert stage.daemon.switchboard.live == 1
            media.say("stop")
            await phone.until_left(media)
            await stage.wait_recorded()
    assert [(row["call_id"], row["call_sid"]) for row in setup.calls()] == [
        (phone.call_sid, phone.call_sid),
        (f"{phone.call_sid}-2", phone.call_sid),
    ]


async def test_no_request_that_opened_a_call_opens_another_however_it_is_cut_and_after_a_restart_too(
    place: MakePlace,
) -> None:
    async with open_stage(place()) as stage, a_phone(stage.via) as phone:
        with trio.fail_after(60):
            await goes_elsewhere(phone, stage)
            media = await phone.stream(await phone.post(WEBHOOK, **ELSEWHERE))
            await media.wait_sound()
            media.say("stop")
            await phone.until_left(media)
            await stage.wait_no_calls()
            posts = [phone.posts[0], phone.posts[-1]]
            assert [(await phone.repeat(index)).tags for index in (0, -1)] == [["Hangup"]] * 2
    async with open_stage(place()) as stage, a_phone(stage.via) as phone:
        with trio.fail_after(60):
            phone.posts = posts
            recut = posts[1][1].replace(b"&DialCallStatus=no-answer", b"&DialCallStatusno=-answer")
            assert recut != posts[1][1]
            phone.posts.append((posts[1][0], recut, posts[1][2]))
            assert [(await phone.repeat(index)).tags for index in range(3)] == [["Hangup"]] * 3
            assert stage.daemon.switchboard.live == 0


@pytest.mark.parametrize("status", ["ringing", "completed", "queued", ""])
async def test_only_a_call_that_goes_on_comes_back(place: MakePlace, status: str) -> None:
    async with open_stage(place()) as stage, a_phone(stage.via) as phone:
        with trio.fail_after(60):
            await goes_elsewhere(phone, stage)
            assert (await phone.post(WEBHOOK, CallStatus=status, **ELSEWHERE)).tags == ["Hangup"]


async def test_nobody_comes_back_more_often_than_there_may_be_calls_under_one_name(place: MakePlace) -> None:
    async with open_stage(place(limits={"waiting_seconds": 1})) as stage, a_phone(stage.via) as phone:
        with trio.fail_after(60):
            await goes_elsewhere(phone, stage)
            tags = []
            for number in range(10):
                answer = await phone.post(WEBHOOK, **ELSEWHERE | {"DialCallSid": f"CA{number:032}"})
                tags.append(answer.tags[0])
                await stage.wait_no_calls()
    assert tags == ["Connect"] * 8 + ["Hangup"] * 2


async def test_whatever_whoever_is_rung_is_called_steers_nothing(place: MakePlace) -> None:
    """Their call's parameters are theirs to choose: a name, a SIP address with a CallSid in it."""
    names = {
        "CallerName": "1",
        "From": f"sip:x{OTHER}@evil.example.com",
        "SpeechResult": "1",
        "msg": "Digits1",
    }
    async with open_stage(place(script=script(TRANSFER), agent={"transfer": WARM})) as stage:
        with trio.fail_after(60):
            async with a_phone(stage.via) as phone:
                _, action = await away(stage, phone)
                await phone.far_end(action.replace("/back", "/whisper"), **names)
                assert (await phone.far_end(action.replace("/back", "/key"), **names)).tags == ["Hangup"]
                assert stage.model.sessions[0].close_code is None
                assert (await phone.post(action, DialCallStatus="completed")).tags == ["Connect", "Redirect"]


# ---------------------------------------------------------------- after the end


async def test_what_is_told_of_a_message_after_the_end_is_in_the_record_once(place: MakePlace) -> None:
    message = CallTool("take_message", {"reason": "closed"})
    setup = place(script=script(message), agent={"voicemail": {}})
    async with open_stage(setup) as stage:
        with trio.fail_after(60):
            async with a_phone(stage.via) as phone:
                plan, _ = await leave(phone)
                record = plan.verb("Record").attrib
                await phone.post(
                    record["action"], CallStatus="completed", RecordingUrl="https://r", Digits="hangup"
                )
                await stage.wait_recorded()
                there = {"RecordingSid": "RE1", "RecordingUrl": "https://r", "RecordingStatus": "completed"}
                told = await phone.post(record["recordingStatusCallback"], **there)
                assert (told.status, (await phone.repeat(-1)).status) == (204, 204)
                forged = record["recordingStatusCallback"].replace("/away/1/", "/away/2/")
                assert (await phone.post(forged, **there)).status == 204
                rows = setup.store.query("select data from legs where part = 'excursion'")
                while "RE1" not in rows[0]["data"]:
                    await trio.sleep(0.05)
                    await stage.wait_recorded()
                    rows = setup.store.query("select data from legs where part = 'excursion'")
    (tape,) = setup.tapes
    assert sum(b"RE1" in line for line in read_tape(tape).lines) == 1
    assert replay_tape(tape).difference is None
