"""A live call alone in a test: no peer, no disk, and hearts with bugs to put into it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio
from attrs import define, field

from bridge.agents import Agent
from bridge.calls.live_call import LiveCall, ModelAddress
from bridge.heart.call import Call
from bridge.heart.effects import Effect
from bridge.heart.events import Event
from bridge.links.link import Closing
from bridge.tapes.header import Header
from bridge.tapes.tape import Line
from bridge.tapes.tape_writer import TapeWriter

FAR = 10**9


@define
class Deaf(Call):
    """A heart with a bug: no alarm of its own ever rings."""

    @property
    def deadline(self) -> int | None:
        return None if self.is_over else FAR


@define
class Broken(Deaf):
    """A heart that can't even be told to stop."""

    def handle(self, event: Event, now: int) -> list[Effect]:
        raise RuntimeError("a bug")


@define
class Silence:
    """A socket on which nothing comes and everything goes."""

    closing: Closing = Closing(1006, "")
    is_ready: bool = True
    on_waiting: Callable[[], object] = field(default=lambda: None)

    def trust(self) -> None: ...

    async def receive(self) -> str | bytes | None:
        await trio.sleep_forever()

    async def listen(self, hear: Callable[[str | bytes], None]) -> None:
        await trio.sleep_forever()

    def send_now(self, *messages: str) -> None: ...

    async def send(self, *messages: str) -> None: ...

    async def close(self, code: int, reason: str = "") -> None: ...


@define(eq=False)
class Watched:
    """A live call without a model, and its tape."""

    live: LiveCall
    lines: list[Line] = field(factory=list)

    @property
    def log(self) -> list[str]:
        return [line.note["text"] for line in self.lines if line.note and line.note["kind"] == "log"]


class ModelLess(LiveCall):
    """A live call that waits for its model for ever."""

    __slots__ = ()

    async def _meet_model(self) -> None:
        await trio.sleep_forever()


class Clinging(ModelLess):
    """A live call whose end takes for ever."""

    __slots__ = ()

    async def _hear_out(self) -> None:
        await trio.sleep_forever()


def a_call(agent: Agent, heart: type[Call] = Deaf, kind: type[LiveCall] = ModelLess) -> Watched:
    header: Any = dict.fromkeys(Header.__struct_fields__, "") | {
        "has_audio": True,
        "settings": {},
        "tools": [],
    }
    tape = TapeWriter(Path("none.jsonl"), Header(**header))
    live = kind(
        call_id="CA1", account_sid="AC1", agent=agent, address=ModelAddress("ws://x", "m", []), tools={},
        tape=tape, call=heart(agent),
    )  # fmt: skip
    call = Watched(live)
    tape.watch = call.lines.append
    return call
