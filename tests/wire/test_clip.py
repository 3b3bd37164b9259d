"""A sentence in an agent's voice, spoken by the stand-in and kept as a clip."""

from pathlib import Path

import pytest
import trio
from attrs import evolve
from click.testing import CliRunner

from bridge.agents import Agent
from bridge.calls.setup import model_address
from bridge.cli import main
from bridge.commands.clip import SpeakError, spoken, write_clip
from bridge.config import Realtime, Secrets, Settings
from bridge.sound.clip_files import read_clip
from replay.model.script import Delivery, Faults, Script
from replay.model.script import Say as Words
from replay.model.server import ModelServer, serve_model
from replay.sound.formats import murmur

SENTENCE = "One moment, please."
SAYS = Script(opening=(Words(murmur(900), "One moment, please!"),), delivery=Delivery(response_delay_ms=0))
AGENT = Agent(name="front-desk", voice="cedar")


async def said_by(script: Script) -> tuple[bytes, ModelServer]:
    async with trio.open_nursery() as nursery:
        model = await nursery.start(serve_model, script)
        with trio.fail_after(60):
            settings = Settings(realtime=Realtime(url=model.url), agents={AGENT.name: AGENT})
            sound = await spoken(model_address(settings, Secrets((), "sk-none")), AGENT, SENTENCE)
        nursery.cancel_scope.cancel()
    return sound, model


async def test_a_sentence_is_spoken_in_the_agents_voice_and_is_a_clip(tmp_path: Path) -> None:
    sound, model = await said_by(SAYS)
    assert sound == murmur(900)
    (session,) = model.sessions
    assert session.settings["audio"]["output"]["voice"] == "cedar"
    write_clip(tmp_path / "one.wav", sound)
    assert read_clip(tmp_path / "one.wav") == sound


async def test_other_words_than_those_are_no_clip() -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(SpeakError, match="'Hello, how can I help.' instead")):
        await said_by(evolve(SAYS, opening=(Words(murmur(900), "Hello, how can I help?"),)))


async def test_a_setting_that_the_model_refuses_is_left_out_and_a_model_that_never_answers_is_told() -> None:
    sound, model = await said_by(evolve(SAYS, faults=Faults(refuse_settings=("audio.output.voice",))))
    assert (sound, model.sessions[0].settings["audio"]["output"]["voice"] != "cedar") == (murmur(900), True)
    with pytest.RaisesGroup(pytest.RaisesExc(SpeakError, match="has not said it within 30 s")):
        await said_by(evolve(SAYS, faults=Faults(never_answer=True)))


def test_what_can_not_be_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[agents.front-desk]\n")
    told = ["--config", str(tmp_path / "config.toml")]
    for agent, file, why in (("nobody", "a.wav", "no such agent"), ("front-desk", "a.mp3", "ends with .wav")):
        result = CliRunner().invoke(main, ["clip", agent, SENTENCE, file, *told])
        assert (result.exit_code, why in result.output) == (2, True), result.output
