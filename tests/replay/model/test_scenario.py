"""Scenario files: what they say comes out as scripts, and what is wrong in them is said in one go."""

import tomllib
import wave
from collections import Counter
from pathlib import Path
from re import escape
from typing import Any

import attrs
import pytest
from model_client import connected, running

from bridge.checks import Wrong
from bridge.errors import ConfigError
from bridge.extras import install_hint
from bridge.heart.audio import silence, to_pcm16
from replay.model.scenario import TABLES, engine, load_scenario, parse_scenario
from replay.model.script import CallTool, Delivery, Faults, Say, Script, Transcription
from replay.model.speech import cut_items
from replay.sound.clips import clip
from replay.sound.formats import murmur
from replay.sound.hearing import Hearing
from replay.sound.turn_detection import Ears, SpeechStarted

EXAMPLE = Path(__file__).parents[3] / "docs" / "scenarios" / "restaurant-model.toml"


def scripts(text: str, model: str = "any", count: int = 1) -> list[Script]:
    scenario = parse_scenario(tomllib.loads(text), Path("s.toml"))
    return [scenario.script_for(model, show) for show in range(1, count + 1)]


def words(script: Script) -> str:
    return " ".join(step.text for step in script.opening if isinstance(step, Say))


def faults(text: str, folder: Path = Path()) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_scenario(tomllib.loads(text), folder / "s.toml")
    return caught.value.faults


# ---------------------------------------------------------------- the example


def test_the_example_can_be_played() -> None:
    script = load_scenario(EXAMPLE).script_for("gpt-realtime-2.1", 1)
    assert [len(reply) for reply in script.turns] == [1, 2, 2]
    assert script.turns[1][1] == CallTool("check_table", {"day": "Friday", "people": 4, "time": "19:00"})
    assert script.answers == ((Say(clip("agent_table").audio, clip("agent_table").text),),)


def test_the_examples_greeting_differs_in_one_of_five_sessions() -> None:
    scenario = load_scenario(EXAMPLE)
    said = [words(scenario.script_for("gpt-realtime-2.1", show)) for show in range(1, 51)]
    for begin in range(0, 50, 5):
        assert sorted(Counter(said[begin : begin + 5]).values()) == [1, 4]
    assert said == [
        words(load_scenario(EXAMPLE).script_for("gpt-realtime-2.1", show)) for show in range(1, 51)
    ]


def test_the_examples_versions_differ_only_where_they_say_so() -> None:
    scenario = load_scenario(EXAMPLE)
    base, other = (scenario.script_for(model, 1) for model in ("gpt-realtime-2.1", "gpt-realtime-next"))
    assert other.delivery == attrs.evolve(base.delivery, items=2, speed=3.0)
    assert other.answers != base.answers
    assert (other.opening, other.turns, other.fallback) == (base.opening, base.turns, base.fallback)


async def test_a_client_chooses_a_version_by_its_model() -> None:
    text = 'opening = "agent_greeting"\n[versions.terse]\nopening = { text = "Yes?", ms = 100 }'
    cast = parse_scenario(tomllib.loads(text), Path("s.toml")).script_for
    said = []
    async with running(cast) as server:
        for model in ("terse", "gpt-realtime"):
            async with connected(server, query=f"?model={model}") as client:
                await client.ws.send_message('{"type": "response.create"}')
                session = await server.wait_session(len(said) + 1)
                await session.wait_until(lambda session: any(one.is_over for one in session.responses))
                said.append(session.responses[0].output[0]["content"][0]["transcript"])
    assert said == ["Yes?", clip("agent_greeting").text]


# ---------------------------------------------------------------- replies


def test_a_reply_is_a_step_or_a_list_of_steps() -> None:
    (script,) = scripts(
        'turns = ["agent_hours", ["agent_checking", { call = "look", arguments = "{broken" }], []]'
    )
    assert [len(reply) for reply in script.turns] == [1, 2, 0]
    assert script.turns[1][1] == CallTool("look", "{broken")


@pytest.mark.parametrize(("ms", "size"), [(", ms = 900", 7200), ("", 8 * 65 * 6)])
def test_words_without_a_sound_are_a_murmur_of_their_length(ms: str, size: int) -> None:
    (script,) = scripts(f'opening = {{ text = "Hello."{ms} }}')
    (said,) = script.opening
    assert isinstance(said, Say)
    assert (len(said.audio), said.text) == (size, "Hello.")


def test_a_murmur_is_speech_to_the_ears() -> None:
    heard = Ears().hear(silence(320) + murmur(1000) + silence(320))
    assert [type(event) for event in heard] == [SpeechStarted]


def test_a_sound_of_ones_own_is_a_wav_or_ulaw_file(tmp_path: Path) -> None:
    audio = clip("agent_checking").audio
    (tmp_path / "a.ulaw").write_bytes(audio)
    write_wav(tmp_path / "a.wav", 8000, audio)
    raw = {"opening": [{"say": "a.ulaw"}, {"say": "a.wav", "text": "One moment."}]}
    script = parse_scenario(raw, tmp_path / "s.toml").script_for("any", 1)
    assert script.opening[0] == Say(audio, "")
    assert isinstance(script.opening[1], Say)
    assert to_pcm16(script.opening[1].audio) == to_pcm16(audio)


def write_wav(path: Path, rate: int, audio: bytes) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(to_pcm16(audio))


@pytest.mark.parametrize("items", [1, 2, 3, 20])
def test_a_message_in_several_items_is_the_same_words_and_sound(items: int) -> None:
    (script,) = scripts(f'opening = "agent_checking"\n[delivery]\nitems = {items}')
    (said,) = script.opening
    assert isinstance(said, Say)
    parts = cut_items(said, script.delivery.items)
    assert len(parts) == items
    assert "".join(part.text for part in parts) == said.text
    assert b"".join(part.audio for part in parts) == said.audio


# ---------------------------------------------------------------- sometimes, and seeds


def test_sometimes_is_exactly_so_often() -> None:
    text = "[delivery]\nspeed = 4.0\n[[sometimes]]\none_in = 4\ndelivery = { response_delay_ms = 2500 }"
    slow = [script.delivery.response_delay_ms == 2500 for script in scripts(text, count=40)]
    assert [sum(slow[begin : begin + 4]) for begin in range(0, 40, 4)] == [1] * 10
    assert all(script.delivery.speed == 4 for script in scripts(text, count=40))


def test_another_seed_deals_to_other_sessions() -> None:
    text = '{ one_of = [ { reply = { text = "A" } }, { reply = { text = "B" } } ] }'
    dealt = {"".join(map(words, scripts(f"seed = {seed}\nopening = {text}", count=12))) for seed in range(5)}
    assert len(dealt) == 5


def test_faults_of_the_first_sessions_are_counted_for_each_model() -> None:
    text = "[versions.bad.faults]\nnever_answer = true\nfirst_sessions_only = 2"
    faulty = [script.faults_of(100).never_answer for script in scripts(text, "bad", 3)]
    assert faulty == [True, True, False]
    assert not scripts(text, "good")[0].faults.never_answer


# ---------------------------------------------------------------- hearing


def test_a_version_hears_like_the_others_but_for_what_it_says() -> None:
    text = '[hearing]\nengine = "silero"\nlag_ms = 64\n[versions.deaf.hearing]\nthreshold_shift = 0.2'
    assert scripts(text)[0].hearing == Hearing(engine="silero", lag_ms=64)
    assert scripts(text, "deaf")[0].hearing == Hearing(engine="silero", lag_ms=64, threshold_shift=0.2)
    assert scripts("heard = []")[0].hearing == Hearing()


def test_a_detector_that_is_not_installed_is_refused_with_the_remedy() -> None:
    def not_installed(policy: str) -> Any:
        raise ModuleNotFoundError("No module named 'soxr'")

    assert engine(not_installed)("level") == "level"
    with pytest.raises(Wrong, match=rf"\"level\", or .*{escape(install_hint('vad'))}.*'soxr'"):
        engine(not_installed)("silero")


# ---------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("name", "cls"),
    [("delivery", Delivery), ("faults", Faults), ("hearing", Hearing), ("transcription", Transcription)],
)
def test_every_field_of_a_script_can_be_written(name: str, cls: type[attrs.AttrsInstance]) -> None:
    assert set(TABLES[name]) == {field.name for field in attrs.fields(cls)}


WRONG: dict[str, str] = {
    "openings = []": "openings: unknown key; did you mean opening?",
    'opening = "agent_greting"': 'opening = "agent_greting": use a clip or the path of a .wav or .ulaw file;'
    " did you mean agent_greeting?",
    "opening = 7": "opening = 7: use a clip such as",
    'turns = "agent_hours"': 'turns = "agent_hours": use a list of replies, such as turns = [ ["agent_hours"] ]',
    'turns = [[{ say = "agent_hours", volume = 3 }]]': "turns[0][0].volume: unknown key; known here: say, text",
    'turns = [{ call = "x", arguments = 3 }]': "use arguments as a table, or as a string that is sent as it is",
    'opening = { text = "Hi", ms = 0 }': "use a whole number from 1 to 600000",
    'opening = { say = "none.wav" }': "use a file that can be read (none.wav: No such file or directory)",
    "opening = { one_of = [] }": "opening = { one_of = [] }: use { one_of = [ { weight = 4, reply = [...] }",
    "opening = { one_of = [{ weight = 0, reply = [] }] }": "opening.one_of[0].weight = 0: use a whole number from 1",
    "opening = { one_of = [{ wait = 1 }] }": "opening.one_of[0] = { wait = 1 }: use { weight = 4, reply = [...] }",
    "heard = 3": 'heard = 3: use a list such as ["A table, please."]',
    "seed = -1": "seed = -1: use a whole number from 0 to 2147483648",
    "delivery = 3": "[delivery] = 3: use a table",
    "[delivery]\nspeed = 0": "[delivery] speed = 0: use a number from 0.1 to 1000",
    "[delivery]\nspeeed = 1": "[delivery] speeed: unknown key; did you mean speed?",
    '[hearing]\nengine = "loud"': '[hearing] engine = "loud": use "level" or "silero"',
    '[hearing]\npolicy = "forget"': '[hearing] policy = "forget": use "carry" or "reset"',
    "[hearing]\nthreshold_shif = 0.5": "[hearing] threshold_shif: unknown key; did you mean threshold_shift?",
    "[hearing]\nthreshold_shift = 2": "[hearing] threshold_shift = 2: use a number from -1 to 1",
    "[hearing]\nstart_windows = 0": "[hearing] start_windows = 0: use a whole number from 1 to 100",
    "[hearing]\nlag_ms = -32": "[hearing] lag_ms = -32: use a whole number from 0 to 10000",
    "[versions.a]\nhearing = { hysteresis = 3 }": "[versions.a.hearing] hysteresis = 3: use a number from 0 to 1",
    '[faults]\nrefuse = "no"': '[faults] refuse = "no": use "http_401" or "invalid_api_key" or "model_not_found"',
    '[faults]\ndoor = ["http_404"]': '[faults] door = ["http_404"]: use "http_500" or',
    '[faults]\ngarbage = ["mess"]': '[faults] garbage = ["mess"]: use "binary_frame" or',
    "[faults]\nclose_code = 1006": "[faults] close_code = 1006: use a code for a close frame",
    "[faults]\nclose_code = []": "[faults] close_code = []: use a code for a close frame",
    "versions = 3": "versions = 3: use a table for each version, written [versions.NAME]",
    "[versions.a]\nseed = 3": "[versions.a] seed: unknown key;",
    "[versions.a.delivery]\nspeed = 0": "[versions.a.delivery] speed = 0: use a number from 0.1 to 1000",
    "[sometimes]\none_in = 5": "sometimes = { one_in = 5 }: use tables, each written [[sometimes]], with one_in = 5",
    "[[sometimes]]\nheard = []": "sometimes[0] one_in: missing; write one_in = 5 for one of every five sessions",
    "[[sometimes]]\none_in = 0": "sometimes[0] one_in = 0: use a whole number from 1 to 10000",
    "[[sometimes]]\none_in = 2\nsometimes = []": "sometimes[0] sometimes: unknown key;",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_fault_says_where_what_and_what_to_write(text: str) -> None:
    (fault,) = faults(text)
    assert fault.startswith("s.toml: ")
    assert WRONG[text] in fault


def test_a_wav_of_another_kind_is_refused_with_the_remedy(tmp_path: Path) -> None:
    write_wav(tmp_path / "hello.wav", 44100, silence(20))
    (tmp_path / "fake.wav").write_bytes(b"ID3 no wav")
    for name in ("hello.wav", "fake.wav"):
        (fault,) = faults(f'opening = {{ say = "{name}" }}', tmp_path)
        assert f"ffmpeg -i {name} -ar 8000 -ac 1 -c:a pcm_mulaw" in fault


def test_all_faults_are_told_at_once() -> None:
    assert len(faults('opening = 1\nturns = [2, "x"]\n[faults]\nrefuse = 3\n[versions.a]\nheard = 4')) == 5


@pytest.mark.parametrize("content", [None, b"\xff", b"opening = ", b"a = " + b"[" * 5000])
def test_a_file_that_is_no_scenario_is_one_fault(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "s.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_scenario(path)
    assert len(caught.value.faults) == 1
    assert caught.value.faults[0].startswith(str(path))


@pytest.mark.parametrize(
    "faults",
    [
        Faults(silence="pauses", silent_from=1, silent_for=1, pause_ms=1500),
        Faults(silence="cut_short"), Faults(silence="filtered"),
        Faults(idle_timeout_ms=4000), Faults(door=("http_401", "http_429")),
        Faults(close_after_ms=9000, shut_ms=800), Faults(drop_after_ms=9000, shut_ms=800),
    ],
)  # fmt: skip
def test_whatever_goes_wrong_can_be_written_in_a_scenario(faults: Faults) -> None:
    changed = {
        field.name: value
        for field in attrs.fields(Faults)
        if (value := getattr(faults, field.name)) != field.default
    }
    scenario = parse_scenario(
        {"faults": {name: list(v) if isinstance(v, tuple) else v for name, v in changed.items()}}, Path("s")
    )
    assert scenario.script_for("any", 1).faults == attrs.evolve(faults, first_sessions_only=None)
