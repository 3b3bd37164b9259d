"""The sound of a call that goes on: given to whoever may have it, for as long as they take it."""

from contextlib import aclosing
from pathlib import Path

import trio
from attrs import evolve
from consoles import site
from lone_calls import Watched, a_call

from bridge.agents import Agent
from bridge.calls.legs.ears import OVER
from bridge.console.event_streams import LONGEST_SECONDS
from bridge.console.operator.listening import END, MOST_LISTENERS, Listening
from bridge.heart.call import Call
from bridge.tapes import tape
from bridge.tapes.tape import Line

WEBHOOK = Line(t_ms=0, leg=tape.HTTP, sender=tape.TWILIO, http={})


def a_live_call(*, listen_in: bool = True) -> Watched:
    call = a_call(evolve(Agent(), listen_in=listen_in), Call)
    call.live.begin(WEBHOOK)
    return call


def wishes(call: Watched) -> list[str]:
    return [line.asked["wish"] for line in call.lines if line.asked is not None]


async def test_sound_comes_until_the_call_is_over_and_then_a_byte_that_says_so() -> None:
    call = a_live_call()
    async with aclosing(Listening().sound(call.live, "anna")) as sound:
        assert await anext(sound) == b""
        assert call.live.ears is not None
        for hear in call.live.ears._hearing.values():
            hear(b"a block")
        assert await anext(sound) == b"a block"
        call.live.stop("operator", "enough")
        assert [rest async for rest in sound] == [END]
    assert wishes(call) == ["listen"]


async def test_whoever_leaves_is_heard_of_and_given_nothing_more() -> None:
    call, listening = a_live_call(), Listening()
    async with aclosing(listening.sound(call.live, "anna")) as sound:
        await anext(sound)
    assert wishes(call) == ["listen", "leave"]
    assert call.live.ears is None


async def test_an_answer_ends_after_a_time_so_that_whoever_may_listen_no_more_does_not(
    autojump_clock: trio.testing.MockClock,
) -> None:
    call = a_live_call()
    async with aclosing(Listening().sound(call.live, "anna")) as sound:
        await anext(sound)
        autojump_clock.jump(LONGEST_SECONDS + 1)
        assert call.live.ears is not None
        for hear in call.live.ears._hearing.values():
            hear(b"a block")
        assert await anext(sound, OVER) == OVER
    assert wishes(call) == ["listen", "leave"]


async def test_so_many_listen_at_once_and_the_next_is_refused_with_a_sentence(tmp_path: Path) -> None:
    call = a_live_call()
    console = site(tmp_path, live=(call.live,))
    async with trio.open_nursery() as nursery:
        for _ in range(MOST_LISTENERS):
            nursery.start_soon(console.post, "/console/calls/CA1/listen")
        await trio.testing.wait_all_tasks_blocked()
        answer = await console.post("/console/calls/CA1/listen", Accept="text/plain")
        assert answer.status_code == 503
        assert await answer.get_data(as_text=True) == "8 people listen in already."
        nursery.cancel_scope.cancel()
    assert call.live.ears is None


async def test_who_may_not_hear_it_takes_nobodys_place(tmp_path: Path) -> None:
    call = a_live_call(listen_in=False)
    console = site(tmp_path, live=(call.live,))
    for _ in range(MOST_LISTENERS + 1):
        answer = await console.post("/console/calls/CA1/listen", Accept="text/plain")
        assert answer.status_code == 409
