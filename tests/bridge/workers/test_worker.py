"""A worker as its supervisor's messages move it: another configuration, and calls that it can't have."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import trio
from attrs import define, evolve, field

from bridge.agents import Agent
from bridge.calls.knowledge import Origin
from bridge.calls.messages import Carry, Ends, Gone, Prepare, Ready, Renew, Renewed, Told
from bridge.calls.setup import CurrentSetup, make_setup
from bridge.config import Secrets, Settings, parse
from bridge.settings.trial import Trial
from bridge.settings.turn_detection import ServerVad
from bridge.tapes.recorder import Recorder
from bridge.workers.local import LocalHost
from bridge.workers.worker import Message, Worker

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
KEY = ("CA" + "1" * 32, "front-desk")
GOOD = "from bridge.tools import tool\n@tool\ndef look() -> int: return 1\n"


@define(eq=False)
class Supervisor:
    """What a worker tells, and how it is told things."""

    inbox: trio.MemorySendChannel[Message]
    told: list[Any] = field(factory=list)

    def send(self, message: Any) -> None:
        """Take a message of the worker's, as its end of the channel does."""
        self.told.append(message)

    def tell(self, message: Any) -> None:
        """Send the worker a message."""
        self.inbox.send_nowait((message, None))

    async def wait(self, is_it: Callable[[Any], bool]) -> Any:
        """Return the first message that is the one waited for."""
        with trio.fail_after(20):
            while True:
                for message in self.told:
                    if is_it(message):
                        return message
                await trio.sleep(0.005)


def settings_of(folder: Path, **agents: dict[str, Any]) -> Settings:
    return parse(
        {"agents": agents or {"front-desk": {}}, "realtime": {"url": "ws://127.0.0.1:9"}}, folder / "c.toml"
    )


def carry(agent: str = "front-desk") -> Carry:
    sid = KEY[0]
    form = {"CallSid": sid, "AccountSid": "AC1", "From": "+1", "To": "+2"}
    url, origin = f"https://x/voice/{agent}", Origin(NOON)
    return Carry((sid, agent), sid, "secret", form, url, Agent(name=agent), (), 1, origin)


@asynccontextmanager
async def a_worker(folder: Path, settings: Settings) -> AsyncIterator[tuple[Worker, Supervisor]]:
    inbox, messages = trio.open_memory_channel[Message](100)
    supervisor = Supervisor(inbox)
    host = LocalHost(Recorder(folder / "tapes", on_done=lambda path: None))
    worker = Worker(1, supervisor, CurrentSetup(make_setup(settings, Secrets())), host)  # type: ignore[arg-type]  # all of a channel it uses
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.run, messages)
        await supervisor.wait(lambda message: message == Ready())
        yield worker, supervisor
        inbox.close()


async def test_a_call_of_an_agent_that_a_worker_has_not_heard_of_ends_with_a_sentence(tmp_path: Path) -> None:
    async with a_worker(tmp_path, settings_of(tmp_path)) as (_, supervisor):
        supervisor.tell(carry("newcomer"))
        ends = await supervisor.wait(lambda message: isinstance(message, Ends))
        assert ends.key == (KEY[0], "newcomer")
        assert (ends.end.by, ends.end.say) == ("bridge", Agent().failure_sentence.text)
        assert "has not the configuration" in ends.end.why
        await supervisor.wait(lambda message: message == Gone(ends.key))
        supervisor.tell(evolve(carry(), call_id="another"))
        await supervisor.wait(lambda message: isinstance(message, Ends) and message.key == KEY)  # it lives on


async def test_a_call_knows_in_its_worker_what_the_supervisor_knew_of_it(tmp_path: Path) -> None:
    knowing = Agent(name="front-desk", instructions="{date}: {var.guest}", variables={"guest": "somebody"})
    origin = Origin(NOON, variables={"guest": "Anna"}, asked_agent="day", agent_why="day is closed")
    async with a_worker(tmp_path, settings_of(tmp_path)) as (worker, supervisor):
        supervisor.tell(evolve(carry(), agent=knowing, origin=origin))
        await supervisor.wait(lambda message: isinstance(message, Ends))
        header = worker.host.recorder.tapes[0].header
        assert header.settings["instructions"] == "27 November 2026: Anna"
        assert header.filled == {"date": "27 November 2026", "var.guest": "Anna"}
        assert (header.started_at, header.asked_agent) == ("2026-11-27T12:00:00.000+00:00", "day")


async def test_a_call_of_a_trial_has_its_arm_in_its_worker_and_on_its_tape(tmp_path: Path) -> None:
    tried = Trial("shorter", 0.999999, ServerVad(silence_duration_ms=300))
    async with a_worker(tmp_path, settings_of(tmp_path)) as (worker, supervisor):
        supervisor.tell(evolve(carry(), agent=Agent(name="front-desk", trial=tried)))
        await supervisor.wait(lambda message: isinstance(message, Ends))
        header = worker.host.recorder.tapes[0].header
        assert (header.trial, header.trial_arm) == ("shorter", "variant")
        assert header.agent_settings().turn_detection == ServerVad(silence_duration_ms=300)
        assert "trial" not in header.settings


async def test_a_call_that_cannot_begin_ends_with_a_sentence_and_no_other_with_it(tmp_path: Path) -> None:
    async with a_worker(tmp_path, settings_of(tmp_path)) as (worker, supervisor):

        def fail(*_: Any) -> None:
            raise RuntimeError("a bug")

        worker.host.on_begin = fail
        supervisor.tell(carry())
        ends = await supervisor.wait(lambda message: isinstance(message, Ends))
        assert (ends.end.by, ends.end.why, ends.end.say) == (
            "bridge",
            "crashed",
            Agent().failure_sentence.text,
        )
        await supervisor.wait(lambda message: message == Gone(KEY))


async def test_a_configuration_is_used_when_the_desk_says_so_and_not_when_it_is_loaded(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.py").write_text(GOOD)
    new = settings_of(tmp_path, newcomer={"tools": ["mine.py:look"]})
    async with a_worker(tmp_path, settings_of(tmp_path)) as (worker, supervisor):
        supervisor.tell(Prepare(1, new, Secrets()))
        assert await supervisor.wait(lambda message: isinstance(message, Told)) == Told(1)
        assert list(worker.current.setup.settings.agents) == ["front-desk"]
        supervisor.tell(Renew(2, new, Secrets()))
        await _until(lambda: list(worker.current.setup.settings.agents) == ["newcomer"])
        assert list(worker.current.setup.tools["newcomer"]) == ["look"]


async def test_a_configuration_that_a_worker_cannot_load_is_refused_with_the_fault(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise GeneratorExit\n")
    new = settings_of(tmp_path, newcomer={"tools": ["mine.py:look"]})
    async with a_worker(tmp_path, settings_of(tmp_path)) as (worker, supervisor):
        supervisor.tell(Prepare(1, new, Secrets()))
        told = await supervisor.wait(lambda message: isinstance(message, Told))
        assert told == Told(1, "mine.py:look: mine.py can't be imported: GeneratorExit: ")
        supervisor.tell(Renew(2, new, Secrets()))  # as to one that was started meanwhile
        (tmp_path / "mine.py").write_text(GOOD)
        supervisor.tell(Renew(3, new, Secrets()))
        assert await supervisor.wait(lambda message: isinstance(message, Renewed)) in (Renewed(2), Renewed(3))
        assert list(worker.current.setup.settings.agents) == ["newcomer"]


async def test_what_was_prepared_before_is_not_taken_for_what_is_prepared_now(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(GOOD)
    first = settings_of(tmp_path, first={})
    async with a_worker(tmp_path, settings_of(tmp_path)) as (worker, supervisor):
        supervisor.tell(Prepare(1, first, Secrets()))
        await supervisor.wait(lambda message: message == Told(1))
        (tmp_path / "mine.py").write_text("1 / 0\n")
        supervisor.tell(Prepare(2, settings_of(tmp_path, second={"tools": ["mine.py:look"]}), Secrets()))
        assert (
            await supervisor.wait(lambda message: isinstance(message, Told) and message.number == 2)
        ).fault
        assert worker._prepared is None


async def _until(is_so: Callable[[], bool]) -> None:
    with trio.fail_after(20):
        while not is_so():  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.005)
