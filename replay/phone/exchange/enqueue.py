"""<Enqueue>: wait in a queue, with music or a document, until somebody takes the call, or it leaves."""

import secrets
from collections.abc import Callable

import attrs
import trio

from replay.phone.actor import Actor
from replay.phone.exchange import speech
from replay.phone.exchange.dial import notes_words
from replay.phone.exchange.gather import gather
from replay.phone.exchange.program import Doer, End, Outcome, Program
from replay.phone.exchange.town import FarEnd
from replay.phone.instructions.verbs import Enqueue, Gather, Pause, Play, Say, Verb
from replay.phone.leg import Leg
from replay.phone.line import Line
from replay.phone.twiml import TwilioError
from replay.phone.web import Form
from replay.sound import tones

MAX_SIZE = 1_000

Over = Callable[[str], None]


async def enqueue(program: Program, verb: Enqueue) -> Outcome:
    """Wait in the queue of that name; who takes the call out of it is scripted as `queue:NAME`."""
    agent = program.town.far_end(f"queue:{verb.queue}")
    sid, began_ms = "QU" + secrets.token_hex(16), program.floor.now_ms
    if agent is not None and agent.result == "full":
        result = "queue-full"
    else:
        program.report.note("queued", queue=verb.queue)
        result = await _wait(program, verb, agent, sid)
    if result == "dequeued" and agent is not None:
        result = await _talk(program, verb, agent)
    waited_s = round((program.floor.now_ms - began_ms) / 1000)
    program.report.queues.append(result)
    program.report.note("queue_over", result=result)
    form: Form = [("QueueResult", result), ("QueueSid", sid), ("QueueTime", str(waited_s))]
    return Outcome(form, "hung_up" if result == "hung_up" else None)


async def _wait(program: Program, verb: Enqueue, agent: FarEnd | None, sid: str) -> str:
    """How the wait ended."""
    results: list[str] = []
    leg = program.leg
    leg.line.background = tones.music() if verb.wait_url is None else b""
    try:
        with leg.while_there():
            async with trio.open_nursery() as nursery:

                def over(result: str) -> None:
                    results.append(result)
                    nursery.cancel_scope.cancel(reason=f"the wait is over: {result}")

                nursery.start_soon(_be_taken, agent, over)
                if verb.wait_url:
                    nursery.start_soon(_listen, program, verb, sid, over)
    finally:
        leg.line.background = b""
    return results[0] if results else "hangup"


async def _be_taken(agent: FarEnd | None, over: Over) -> None:
    """Until somebody takes the call, if anybody ever does."""
    if agent is None or agent.result != "answers":
        await trio.sleep_forever()
    else:
        await trio.sleep(agent.answers_after_ms / 1000)
        over("dequeued")


async def _listen(program: Program, verb: Enqueue, sid: str, over: Over) -> None:
    """Run the document of the queue, again and again."""
    began_ms = program.floor.now_ms
    while True:
        waited_s = (program.floor.now_ms - began_ms) // 1000
        words = [("QueuePosition", "1"), ("QueueSid", sid), ("QueueTime", str(waited_s)), ("AvgQueueTime", "10"),
                 ("CurrentQueueSize", "1"), ("MaxQueueSize", str(MAX_SIZE))]  # fmt: skip
        own = attrs.evolve(program, doers=WAITING, more_form=words)
        try:
            end: End = await own.run(await own.fetch("wait", verb.wait_url or "", verb.wait_method, []))
        except TwilioError as error:
            program.report.fail(str(error))
            return over("error")
        if end in ("left", "hung_up"):
            return over("leave" if end == "left" else "hung_up")
        await program.floor.tick()  # a document that takes no time is not asked for without a pause


async def _talk(program: Program, verb: Enqueue, agent: FarEnd) -> str:
    """Somebody took the call: they talk until one hangs up."""
    caller, now_ms = program.leg, program.floor.now_ms
    leg = Leg(
        name=f"queue:{verb.queue}",
        call_sid="CA" + secrets.token_hex(16),
        actor=Actor(agent.script, Line()),
        note=program.report.note,
        rang_ms=now_ms,
        answered_ms=now_ms,
        now_ms=now_ms,
    )
    notes_words(program.report, leg)
    program.report.far_ends.append(leg)
    program.floor.legs.append(leg)
    caller.peer, leg.peer = leg, caller
    program.report.note("bridged", caller=caller.name, to=leg.name)
    with caller.while_there(), leg.while_there():
        await trio.sleep_forever()
    caller.peer = leg.peer = None
    leg.hang_up("the other side")
    return "bridged"


WAITING: dict[type[Verb], Doer] = {Say: speech.say, Play: speech.play, Pause: speech.pause, Gather: gather}
