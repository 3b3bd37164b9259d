"""A phone network made by hand: it posts what Twilio posts, opens the media sockets that it is told to, echoes marks.

It runs no TwiML: the test reads what comes, and says what happens next. It shares no code with the stand-in but the
socket and the signature.
"""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

import httpx2
import trio
from attrs import define, field, frozen
from strangers import TOKEN

from bench.stage import AGENT, PUBLIC
from replay.phone.signing import sign
from replay.phone.socket import MediaSocket, Target, open_media_socket
from replay.phone.stream import MEDIA_FORMAT

ACCOUNT = "AC" + "0" * 32
CALL = "CA" + "7" * 32
CHILD = "CA" + "8" * 32
WEBHOOK = f"/voice/{AGENT}"
SILENCE = base64.b64encode(b"\xff" * 160).decode()
FRAME_SECONDS = 0.1
"""Five times as seldom as Twilio: whoever says nothing need not say it often."""


@frozen
class Answer:
    """What the bridge answered: its status, and the verbs of its TwiML."""

    status: int
    text: str

    @property
    def verbs(self) -> list[ElementTree.Element]:
        return list(ElementTree.fromstring(self.text)) if self.text else []

    @property
    def tags(self) -> list[str]:
        return [verb.tag for verb in self.verbs]

    def verb(self, tag: str) -> ElementTree.Element:
        """Return the only verb of this name."""
        (found,) = [verb for verb in self.verbs if verb.tag == tag]
        return found


@define
class Media:
    """One leg: a media socket, what came on it, and its close code once it is closed."""

    socket: MediaSocket
    stream_sid: str
    got: list[dict[str, Any]] = field(factory=list)
    close_code: int | None = None
    closed: trio.Event = field(factory=trio.Event)
    chunk: int = 0
    is_deaf: bool = False
    """It reads no more, and so answers no goodbye, but goes on sending."""

    @property
    def sound(self) -> list[dict[str, Any]]:
        """What was played."""
        return [message for message in self.got if message["event"] == "media"]

    def say(self, event: str, **body: Any) -> None:
        """Send a message of this stream."""
        words = {event: body} if body else {}
        self.socket.send(json.dumps({"event": event, "streamSid": self.stream_sid, **words}))

    async def wait_sound(self) -> None:
        """Return when something is played."""
        while not self.sound and not self.closed.is_set():  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.01)


@define
class HandPhone:
    """One call's side of Twilio."""

    via: str
    nursery: trio.Nursery
    call_sid: str = CALL
    legs: list[Media] = field(factory=list)
    posts: list[tuple[str, bytes, str]] = field(factory=list)
    """Everything that was posted, so that it can be posted again."""

    def form(self, **more: str) -> dict[str, str]:
        """Return the parameters of a request about the caller's call."""
        return {
            "AccountSid": ACCOUNT, "ApiVersion": "2010-04-01", "CallSid": self.call_sid, "CallStatus": "in-progress",
            "Direction": "inbound", "From": "+15550123456", "To": "+15550100100",
        } | more  # fmt: skip

    async def post(self, url: str, **more: str) -> Answer:
        """Post a form, signed, to an address that the bridge gave us, or to a path of it."""
        target = url.removeprefix(PUBLIC)
        form = self.form(**more)
        signature = sign(PUBLIC + target, form, TOKEN)
        self.posts.append((target, urlencode(form).encode(), signature))
        return await self.repeat(-1)

    async def repeat(self, index: int) -> Answer:
        """Post again, byte for byte, what was posted before."""
        target, body, signature = self.posts[index]
        head = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature}
        async with httpx2.AsyncClient(trust_env=False, timeout=20) as client:
            answer = await client.post(self.via + target, content=body, headers=head)
        return Answer(answer.status_code, answer.text)

    async def ring(self) -> Answer:
        """Post the first webhook."""
        return await self.post(WEBHOOK, CallStatus="ringing")

    async def far_end(self, url: str, **more: str) -> Answer:
        """Post a request about the call to whoever is rung."""
        return await self.post(url, CallSid=CHILD, ParentCallSid=self.call_sid, **more)

    async def stream(self, answer: Answer) -> Media:
        """Do what `<Connect>` says: open the media socket, and let it live beside the test."""
        (stream,) = answer.verb("Connect")
        token = {one.attrib["name"]: one.attrib["value"] for one in stream}
        return await self.open(stream.attrib["url"], token)

    async def open(self, url: str, parameters: dict[str, str]) -> Media:
        """Open a media socket and say `start`."""
        return await self.nursery.start(self._live, url, parameters)  # type: ignore[no-any-return]

    async def _live(self, url: str, parameters: dict[str, str], task_status: trio.TaskStatus[Media]) -> None:
        target = Target("127.0.0.1", urlsplit(self.via).port or 0, False, url, urlsplit(PUBLIC).netloc)
        async with open_media_socket(target, [("x-twilio-signature", sign(url, (), TOKEN))]) as socket:
            media = Media(socket, f"MZ{len(self.legs) + 1}")
            self.legs.append(media)
            start = {
                "callSid": self.call_sid, "accountSid": ACCOUNT, "mediaFormat": MEDIA_FORMAT,
                "customParameters": parameters,
            }  # fmt: skip
            media.say("start", **start)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(socket.write)
                nursery.start_soon(_breathe, media)
                task_status.started(media)
                await _hear(media)
                nursery.cancel_scope.cancel()
            await socket.finish()
            media.close_code = socket.closed.code
            media.closed.set()

    async def until_left(self, media: Media) -> int | None:
        """Return the close code with which the bridge leaves this leg."""
        await media.closed.wait()
        return media.close_code


async def _hear(media: Media) -> None:
    """Take what comes; whatever was to be played is played at once."""
    while (message := await media.socket.receive()) is not None:
        media.got.append(json.loads(message))
        if media.is_deaf:
            await trio.sleep_forever()
        if media.got[-1]["event"] == "mark":
            media.say("mark", name=media.got[-1]["mark"]["name"])


async def _breathe(media: Media) -> None:
    while True:
        media.chunk += 1
        media.say("media", track="inbound", chunk=str(media.chunk), timestamp="0", payload=SILENCE)
        await trio.sleep(FRAME_SECONDS)


@asynccontextmanager
async def a_phone(via: str, call_sid: str = CALL) -> AsyncIterator[HandPhone]:
    """Have a phone for one call; its sockets end with the block."""
    async with trio.open_nursery() as nursery:
        yield HandPhone(via, nursery, call_sid)
        nursery.cancel_scope.cancel(reason="the test is over")
