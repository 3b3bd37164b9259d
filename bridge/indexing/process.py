"""The indexer's process as its daemon holds it: how it is started, asked, and ended; it is told one thing at a time."""

import socket
from typing import Any, Final

import trio
from attrs import define, field

from bridge.links.channel import Channel
from bridge.machine import child
from bridge.store.messages import (
    Answered,
    Asked,
    Asking,
    Failed,
    Fault,
    Job,
    Prepare,
    Ready,
    Reply,
    Rows,
)

JOB_SECONDS: Final = 600
"""What one job may take: indexing an hour of talk takes ten, looking through a hundred thousand tapes a minute."""

END_SECONDS: Final = 0.5
"""What the process may take to end what it does once its daemon is gone; nothing is lost when it is cut off."""

READ_SECONDS: Final = 10
"""What a question may wait for those before it, and take."""

Replies = tuple[trio.MemorySendChannel[Any], trio.MemoryReceiveChannel[Any]]


class ProcessDied(Exception):
    """The process could not be started, or died. `had_begun`: over the job it had; `has_left`: of its own accord."""

    def __init__(self, how: str, *, had_begun: bool = False, has_left: bool = False) -> None:
        super().__init__(how)
        self.how, self.had_begun, self.has_left = how, had_begun, has_left


def _replies() -> Replies:
    return trio.open_memory_channel[Any](1)


@define(eq=False)
class IndexerProcess:
    """A process that answers jobs with replies."""

    process: trio.Process
    _post: Channel
    _is_ready: bool = False
    _replies: Replies = field(factory=_replies)
    _is_over: trio.Event = field(factory=trio.Event)
    _asked: dict[int, trio.Event] = field(factory=dict)
    _answers: dict[int, Rows | Failed] = field(factory=dict)
    _count: int = 0

    @property
    def pid(self) -> int:
        """Return its number."""
        return self.process.pid

    @property
    def is_gone(self) -> bool:
        """Say whether it can't be asked any more."""
        return self._post.is_gone

    async def wait_ready(self) -> None:
        """Return when it can be asked. Raises `ProcessDied`."""
        if not self._is_ready:
            reply = await self._receive()
            assert isinstance(reply, Ready)
            self._is_ready = True

    async def ask(self, job: Job) -> Reply:
        """Return what came of a job. Raises `ProcessDied`."""
        self._post.send(job)
        with trio.move_on_after(JOB_SECONDS):
            reply: Reply = await self._receive()
            return reply
        self.process.kill()
        await self._is_over.wait()
        raise ProcessDied(f"it took more than {JOB_SECONDS} s", had_begun=True)

    async def read(self, question: Asking) -> Rows | Failed:
        """Return what came of a question, which waits for no job. Raises `ProcessDied`."""
        self._count += 1
        number, told = self._count, trio.Event()
        self._asked[number] = told
        self._post.send(Asked(number, question))
        try:
            with trio.move_on_after(READ_SECONDS):
                await told.wait()
        finally:
            del self._asked[number]
        if number in self._answers:
            return self._answers.pop(number)
        if self.is_gone:
            raise ProcessDied("while it was asked a question", had_begun=True, has_left=True)
        return Failed(
            Fault.QUESTION, f"no answer in {READ_SECONDS} s: others ask too, or the machine is busy"
        )

    def _take(self, message: Any) -> None:
        if not isinstance(message, Answered):
            return self._replies[0].send_nowait(message)
        if message.number in self._asked:  # whoever asked may have left
            self._answers[message.number] = message.answer
            self._asked[message.number].set()

    async def _receive(self) -> Any:
        try:
            return await self._replies[1].receive()
        except trio.EndOfChannel:
            await self._is_over.wait()
        status = self.process.returncode
        raise ProcessDied(
            f"status {status}", had_begun=self._is_ready, has_left=self._is_ready and status == 0
        )

    async def carry(self, prepare: Prepare) -> None:
        """Carry messages until the process is gone; cancelled, let it end what it does, for a moment."""
        self._post.send(prepare)
        try:
            await self._post.run(lambda message, _: self._take(message))
        finally:
            self._replies[0].close()
            for told in self._asked.values():
                told.set()
            with trio.CancelScope(shield=True):
                with trio.move_on_after(END_SECONDS if self._is_ready else 0):
                    await self.process.wait()
                self.process.kill()
                await self.process.wait()
            self._is_over.set()


async def start_indexer(
    nursery: trio.Nursery, prepare: Prepare, module: str = "bridge.indexing.worker"
) -> IndexerProcess:
    """Start a process whose standard input is the channel to it. Raises `ProcessDied` when the system lets us not."""
    try:
        ours, theirs = socket.socketpair()
    except OSError as error:
        raise ProcessDied(f"it can't be started: {error}") from None
    with theirs:
        try:
            process = await trio.lowlevel.open_process(child(module), stdin=theirs)
        except OSError as error:
            ours.close()
            raise ProcessDied(f"it can't be started: {error}") from None
    it = IndexerProcess(process, Channel.on(ours))
    nursery.start_soon(it.carry, prepare, name=f"process {module}")
    return it
