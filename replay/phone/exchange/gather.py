"""<Gather>: keys, collected while and after a prompt is heard."""

import trio

from replay.phone.exchange import speech
from replay.phone.exchange.program import Outcome, Program
from replay.phone.instructions.verbs import Gather
from replay.phone.leg import Leg


async def gather(program: Program, verb: Gather) -> Outcome:
    """Collect keys until there are enough, one ends them, or none comes any more."""
    leg, typed = program.leg, ""
    leg.forget_keys()
    with leg.while_there():
        key = await _first_key(program, verb)
        while key is not None and key not in verb.finish_on_key:
            typed += key
            if len(typed) == verb.num_digits:
                break
            key = await _next_key(leg, verb.timeout_s)
    program.report.gathered.append(typed)
    program.report.note("gathered", who=leg.name, keys=len(typed))
    return Outcome([("Digits", typed)]) if typed or verb.action_on_empty_result else Outcome()


async def _first_key(program: Program, verb: Gather) -> str | None:
    """The key that ends the prompts, or comes within the time-out after them."""
    key: str | None = None
    async with trio.open_nursery() as nursery:

        async def speak() -> None:
            for one in verb.prompts:
                await speech.prompt(program, one)
            await trio.sleep(verb.timeout_s)
            nursery.cancel_scope.cancel(reason="no key came")

        nursery.start_soon(speak, name="phone: the prompt")
        key = await program.leg.next_key()
        nursery.cancel_scope.cancel(reason="a key ends the prompt")
    return key


async def _next_key(leg: Leg, timeout_s: float) -> str | None:
    with trio.move_on_after(timeout_s):
        return await leg.next_key()
    return None
