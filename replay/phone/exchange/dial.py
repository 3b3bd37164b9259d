"""<Dial>: telephones are rung, whoever answers may hear a whisper first, and two of them talk until one hangs up."""

import secrets

import attrs
import trio

from replay.phone.actor import Actor
from replay.phone.exchange import record, speech
from replay.phone.exchange.gather import gather
from replay.phone.exchange.program import Document, Doer, Outcome, Program
from replay.phone.exchange.status import IN_PROGRESS, StatusCallbacks
from replay.phone.exchange.town import FarEnd
from replay.phone.instructions.orders import Order, Redirection
from replay.phone.instructions.verbs import Dial, Gather, Noun, Pause, Play, Say, Verb
from replay.phone.leg import CALLER, Leg
from replay.phone.line import BYTES_PER_MS, Line
from replay.phone.report import CallReport, Dialled, Words
from replay.phone.script import Press
from replay.phone.script import Say as Speak
from replay.phone.twiml import TwilioError
from replay.phone.web import Courier, Form
from replay.sound import tones

TWILIO = "twilio"
GRACE_S = 5  # Twilio rings so much longer than it was told
FAILED_AFTER_S = 0.5
STATUS = {
    "busy": "busy",
    "no_answer": "no-answer",
    "failed": "failed",
    "canceled": "canceled",
    "full": "failed",
}


@attrs.define(eq=False)
class Child:
    """One telephone that is rung, and what is told of it."""

    noun: Noun
    far_end: FarEnd | None
    leg: Leg
    program: Program
    callbacks: StatusCallbacks
    status: str = "no-answer"
    is_bridged: bool = False
    is_redirected: bool = False


def notes_words(report: CallReport, leg: Leg) -> None:
    """Have the report keep what the holder of a telephone says off the stream, and to whom."""

    def heard(leg: Leg, act: Speak | Press) -> None:
        if isinstance(act, Speak):
            to = leg.peer.name if leg.peer is not None else TWILIO
            report.words.append(Words(leg.name, to, act.text, leg.now_ms, len(act.audio) // BYTES_PER_MS))

    leg.listener = heard


async def dial(program: Program, verb: Dial) -> Outcome:
    """Ring, let one of them talk, and tell how it went."""
    caller, began_ms = program.leg, program.floor.now_ms
    caller.line.background = tones.ringing()
    child: Child | None = None
    last: Child | None = None
    try:
        for nouns in [(noun,) for noun in verb.nouns] if verb.is_sequential else [verb.nouns]:
            last, child = await _ring(program, verb, nouns)
            if child is not None or caller.is_gone:
                break
        if child is not None:
            await _answered(program, verb, child)
    finally:
        caller.line.background = b""
        if child is not None:
            _end(program, child)
    status = "canceled" if caller.is_gone and child is None else (child or last).status  # type: ignore[union-attr]
    return _told(program, verb, child, status, began_ms)


# ---------------------------------------------------------------- ringing


async def _ring(program: Program, verb: Dial, nouns: tuple[Noun, ...]) -> tuple[Child, Child | None]:
    """The last of those that were rung, and who answered first: all others stop ringing then."""
    children = [_child(program, verb, noun) for noun in nouns]
    first: list[Child] = []
    try:
        with program.leg.while_there(), trio.move_on_after(verb.timeout_s + GRACE_S):
            await _first_answer(children, first)
    finally:
        for child in children:
            if child not in first:
                _give_up(program, child, is_won=bool(first) or program.leg.is_gone)
    return children[-1], first[0] if first else None


async def _first_answer(children: list[Child], first: list[Child]) -> None:
    """Ring them all; over when one answers, or none can any more."""
    async with trio.open_nursery() as nursery:

        async def one(child: Child) -> None:
            child.status = await _outcome(child)
            if child.status == IN_PROGRESS and not first:
                first.append(child)
                nursery.cancel_scope.cancel(reason="somebody answered")

        for child in children:
            nursery.start_soon(one, child, name=f"phone: ring {child.noun.place}")


def _child(program: Program, verb: Dial, noun: Noun) -> Child:
    far_end = program.town.far_end(noun.place)
    report, call_sid = program.report, "CA" + secrets.token_hex(16)
    account = program.courier.account
    leg = Leg(
        name=noun.place,
        call_sid=call_sid,
        actor=Actor((far_end or FarEnd()).script, Line()),
        note=report.note,
        rang_ms=program.floor.now_ms,
        now_ms=program.floor.now_ms,
    )
    notes_words(report, leg)
    report.far_ends.append(leg)
    courier = program.courier.for_leg(
        call_sid, attrs.evolve(account, caller=verb.caller_id or account.caller, number=noun.to)
    )
    callbacks = StatusCallbacks(
        courier=courier,
        report=report,
        nursery=program.nursery,
        behaviour=program.town.behaviour,
        url=noun.status_callback,
        method=noun.status_callback_method,
        events=frozenset(noun.status_callback_events),
    )
    report.note("dialled", to=noun.place, is_there=far_end is not None)
    own = attrs.evolve(program, leg=leg, courier=courier, doers=WHISPER, more_form=[])
    return Child(noun, far_end, leg, own, callbacks)


async def _outcome(child: Child) -> str:
    """How it ends when one telephone is rung: the status of its leg."""
    child.callbacks.tell("initiated")
    far_end = child.far_end
    if far_end is None or far_end.result == "failed":
        await trio.sleep(FAILED_AFTER_S)
        return "failed"
    child.callbacks.tell("ringing")
    if far_end.result == "no_answer":
        await trio.sleep_forever()
    await trio.sleep(far_end.answers_after_ms / 1000)
    return STATUS.get(far_end.result, IN_PROGRESS)


def _give_up(program: Program, child: Child, *, is_won: bool) -> None:
    if child.status == "no-answer" and is_won:
        child.status = "canceled"
    child.leg.now_ms = program.floor.now_ms
    child.leg.hang_up(TWILIO)
    child.callbacks.tell(child.status, [("CallDuration", "0")])


# ---------------------------------------------------------------- answered


async def _answered(program: Program, verb: Dial, child: Child) -> None:
    """Screen whoever answered and let them talk; REST can end or redirect their leg meanwhile."""
    with program.knows(child.leg.call_sid) as orders:
        with orders.abandonable():
            if await _accepts(program.leg, child):
                program.leg.line.background = b""
                await _talk(program, verb, child)
        order = orders.take()
    if order == ():
        child.leg.hang_up("rest")
    elif order is not None:
        child.is_redirected = True
        program.nursery.start_soon(_go_elsewhere, child, order, name="phone: a redirected leg")


async def _go_elsewhere(child: Child, order: Order) -> None:
    """What REST gave a leg to do in place of the conversation it was in."""
    program = child.program
    try:
        if isinstance(order, Redirection):
            await program.run(await program.fetch("rest", order.url, order.method, []))
        else:
            await program.run(Document(order))
    except TwilioError as error:
        program.report.fail(str(error))
    child.leg.now_ms = program.floor.now_ms
    child.leg.hang_up(TWILIO)
    child.callbacks.tell("completed", [("CallDuration", str(_seconds(child.leg)))])


async def _accepts(caller: Leg, child: Child) -> bool:
    """Whether whoever answered is to be connected: they heard the whisper and its document ran out."""
    leg, program = child.leg, child.program
    leg.answered_ms = leg.now_ms = program.floor.now_ms
    program.floor.legs.append(leg)
    program.report.note("answered", by=leg.name)
    child.callbacks.tell(IN_PROGRESS)
    if child.noun.machine_detection and child.far_end is not None and child.far_end.tells_verdict:
        program.nursery.start_soon(_tell_verdict, child, child.far_end, name="phone: detection")
    end = "gone"
    with caller.while_there():
        await speech.press(program, child.noun.send_digits)
        end = "ran_out" if child.noun.url is None else await _whisper(child, child.noun.url)
    program.report.note("screened", by=leg.name, end=end)
    return end == "ran_out" and not leg.is_gone and not caller.is_gone


async def _tell_verdict(child: Child, far_end: FarEnd) -> None:
    """What detection found, beside the call: on a dialled leg it never holds anything up."""
    with child.leg.while_there():
        await trio.sleep(far_end.verdict_after_ms / 1000)
        url, report = child.noun.amd_status_callback, child.program.report
        report.note("answered_by", found=far_end.answered_by)
        if url is not None:
            status = await child.program.courier.tell(url, verdict_form(child.program.courier, far_end))
            report.callbacks.append((f"answered by {far_end.answered_by}", status))


def verdict_form(courier: Courier, far_end: FarEnd, found: str = "") -> Form:
    """What is told of who answered, or of what."""
    return [
        ("AccountSid", courier.account.account_sid),
        ("CallSid", courier.call_sid),
        ("AnsweredBy", found or far_end.answered_by),
        ("MachineDetectionDuration", str(far_end.verdict_after_ms)),
    ]


async def _whisper(child: Child, url: str) -> str:
    try:
        return await child.program.run(await child.program.fetch("whisper", url, child.noun.method, []))
    except TwilioError as error:
        child.program.report.fail(str(error))
        return "failed"


async def _talk(program: Program, verb: Dial, child: Child) -> None:
    """Until one side hangs up, the time is over, or the caller presses the star that ends it."""
    caller, leg = program.leg, child.leg
    child.is_bridged, caller.peer, leg.peer = True, leg, caller
    program.report.note("bridged", caller=caller.name, to=leg.name)
    try:
        caller.forget_keys()
        with caller.while_there(), leg.while_there(), trio.move_on_after(verb.time_limit_s):
            while not (verb.hangup_on_star and caller.key_pressed() == "*"):
                await program.floor.tick()
    finally:
        caller.peer = leg.peer = None


def _end(program: Program, child: Child) -> None:
    """The leg of whoever answered is over, however it came to that."""
    child.status = "completed"
    if child.is_redirected:
        return
    child.leg.hang_up(CALLER if program.leg.is_gone else TWILIO)
    child.callbacks.tell("completed", [("CallDuration", str(_seconds(child.leg)))])


def _seconds(leg: Leg) -> int:
    return round(((leg.ended_ms or 0) - (leg.answered_ms or 0)) / 1000)


# ---------------------------------------------------------------- told


def _told(program: Program, verb: Dial, child: Child | None, status: str, began_ms: int) -> Outcome:
    is_bridged = child is not None and child.is_bridged
    is_conference = any(noun.kind == "conference" for noun in verb.nouns)
    if is_conference and child is not None:
        status = "answered"
    talked_ms = _seconds(child.leg) * 1000 if child is not None else 0
    program.report.dials.append(Dialled(verb.numbers, status, is_bridged, began_ms, talked_ms))
    program.report.note("dial_over", status=status, is_bridged=is_bridged)
    form: Form = [("DialCallStatus", status)]
    if not is_conference:
        leg = child.leg if child is not None else program.report.far_ends[-1]
        form.append(("DialCallSid", leg.call_sid))
    if child is not None and not is_conference and not child.is_redirected:
        form.append(("DialCallDuration", str(_seconds(child.leg))))
    form += _bridged(program, is_bridged)
    if verb.is_recorded and child is not None:
        form += _recording(program, verb, child.leg)
    return Outcome(form)


def _bridged(program: Program, is_bridged: bool) -> Form:
    match program.town.behaviour.dial_bridged:
        case "absent":
            return []
        case "wrong":
            return [("DialBridged", str(not is_bridged).lower())]
        case _:
            return [("DialBridged", str(is_bridged).lower())]


def _recording(program: Program, verb: Dial, leg: Leg) -> Form:
    said = bytes(leg.line.said[(leg.answered_ms or 0) * BYTES_PER_MS :])
    made = record.keep(program, said, "hang_up")
    program.nursery.start_soon(record.tell, program, made, verb.recording_callback, ("completed",))
    return [("RecordingUrl", made.url)]


WHISPER: dict[type[Verb], Doer] = {  # never <Dial>, never a stream
    Say: speech.say,
    Play: speech.play,
    Pause: speech.pause,
    Gather: gather,
}
