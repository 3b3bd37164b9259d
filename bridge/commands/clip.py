"""`bridge clip`: have an agent's model speak a sentence, in the agent's own voice, and keep it as a sound file.

At a call's worst moment, when there is no session, nobody can speak it; so it is spoken before.
"""

import os
import wave
from array import array
from pathlib import Path
from typing import Final

import click
import trio
from attrs import define, evolve, field

from bridge import config
from bridge.agents import Agent
from bridge.calls.setup import model_address
from bridge.commands.options import CONFIG
from bridge.errors import BridgeError
from bridge.heart.effects import CreateResponse
from bridge.heart.events import (
    AgentWords,
    ModelErred,
    ModelSpoke,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
)
from bridge.heart.prompts import filler_instructions
from bridge.heart.session import Session, other_format
from bridge.heart.speaking.words import phrase_of
from bridge.links.model import ModelAddress, open_model
from bridge.screen.errors import explains_errors, quiet_interrupt
from bridge.settings.tool_speech import SENTENCE, ToolSpeech
from bridge.sound.clip_files import MOST_MS, RATE, read_clip
from bridge.sound.g711 import LINEAR
from bridge.wire import realtime

WAIT_SECONDS: Final = 30
TRIES: Final = 3
"""A model that is asked for exact words says them as a rule; else it is asked again."""


class SpeakError(BridgeError):
    """The sentence was not spoken; the message says what happened instead, and what to do."""


@click.command("clip")
@click.argument("agent")
@click.argument("sentence")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@CONFIG
@explains_errors
def clip_command(agent: str, sentence: str, file: Path, path: Path) -> None:
    """Have AGENT's model say SENTENCE in the agent's voice, and keep it as FILE, a WAV file that callers can be played.

    What the model says is written down by itself, and compared: FILE is written only if it said SENTENCE. It takes
    one session of some seconds, and costs a fraction of a cent.

    Exit 0 when FILE is there, 2 when it is not.
    """
    settings = config.load(path)
    if file.suffix.lower() != ".wav":
        raise SpeakError(f"{file}: give it a name that ends with .wav")
    if agent not in settings.agents:
        raise SpeakError(f"{agent}: no such agent; {path} has {', '.join(settings.agents)}")
    address = model_address(settings, config.read_secrets(settings, os.environ))
    with quiet_interrupt():
        sound = trio.run(spoken, address, settings.agents[agent], sentence)
    write_clip(file, sound)
    ms = len(read_clip(file)) * 1000 // RATE
    click.echo(f'{file}: {ms / 1000:.1f} s. Now [agents.{agent}.filler] clip = "{file}"')


@define
class _Speaker:
    """One session in which a sentence is to be said; `answer` returns what to tell the model next."""

    session: Session
    instructions: str
    sound: bytearray = field(factory=bytearray)
    said: str = ""
    is_over: bool = False

    def answer(self, message: str | bytes) -> str:
        match realtime.parse(message):
            case SessionCreated() if not self.session.event_id:
                return realtime.encode(self.session.ask("clip1"))
            case SessionUpdated() as granted:
                if other := other_format(granted):
                    raise SpeakError(f"the session speaks {other}, and not audio/pcmu")
                return realtime.encode(CreateResponse("say1", self.instructions))
            case ModelErred() as error if self.session.is_refused_by(error):
                return self._without(error)
            case ModelErred() as error:
                raise SpeakError(f"the model refuses ({error.code or error.kind}: {error.message[:200]})")
            case ModelSpoke() as piece:
                self.sound += piece.audio[: MOST_MS * RATE // 1000 + 1 - len(self.sound)]
            case AgentWords(is_whole=True) as words:
                self.said = f"{self.said} {words.text}".strip()
            case ResponseFinished():
                self.is_over = True
        return ""

    def _without(self, error: ModelErred) -> str:
        found = self.session.ask_without(error, f"clip{self.session.event_id}")
        if found is None:
            raise SpeakError(f"the model refuses the session ({error.message[:200]}): see `bridge doctor`")
        return realtime.encode(found[0])


async def spoken(address: ModelAddress, agent: Agent, sentence: str) -> bytes:
    """Return a sentence in an agent's voice, as µ-law. Raises `SpeakError` and `LinkError`."""
    said = ""
    for _ in range(TRIES):
        speaker = await _say(address, agent, sentence)
        said = speaker.said
        if phrase_of(said) == phrase_of(sentence) != ():
            return bytes(speaker.sound)
    raise SpeakError(f"the model said {said!r} instead: try again, or with other words")


async def _say(address: ModelAddress, agent: Agent, sentence: str) -> _Speaker:
    speech = evolve(ToolSpeech(), filler=SENTENCE, filler_sentence=sentence)
    plain = evolve(agent, tool_speech=speech, mcp={})
    speaker = _Speaker(Session(plain, ()), filler_instructions(plain))
    with trio.move_on_after(WAIT_SECONDS):
        async with open_model(address) as link:
            while not speaker.is_over and (message := await link.receive()) is not None:
                if answer := speaker.answer(message):
                    await link.send(answer)
    if not speaker.is_over:
        raise SpeakError(f"the model has not said it within {WAIT_SECONDS} s: see `bridge doctor`")
    return speaker


def write_clip(file: Path, sound: bytes) -> None:
    """Write µ-law as a WAV file of 16 bits, which everything plays."""
    with wave.open(str(file), "wb") as made:
        made.setnchannels(1)
        made.setsampwidth(2)
        made.setframerate(RATE)
        made.writeframes(array("h", (LINEAR[code] for code in sound)).tobytes())
