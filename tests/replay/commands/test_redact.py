"""`replay redact`: the same call without its words, sounds and digits; it still replays and keeps every rule."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from wire_checker import check_wire

from bridge.agents import Agent
from bridge.errors import TapeError
from bridge.heart.audio import SILENCE
from bridge.settings.limits import Limits
from bridge.tapes.header import Header, encode_header, settings_of
from bridge.tapes.reader import Tape, read_tape
from bridge.tapes.tape import Line, decode, encode
from replay.cli import main
from replay.commands.redact import redacted_tape
from replay.model.script import Say as Words
from replay.model.script import Script
from replay.phone.script import Caller, HangUp, Wait
from replay.simulation.simulate import simulate
from replay.sound.formats import murmur
from replay.tapes.pages import page_of, spoken
from replay.tapes.player import decisions, replay_tape
from replay.tapes.scrub import Scrub, parting
from replay.tapes.wav import sound_of
from replay.tapes.wire import wire_lines

TAPES = Path(__file__).parents[2] / "tapes"
PATHS = [*sorted(TAPES.glob("*.jsonl.gz")), TAPES / "formats" / "format1.jsonl"]
INTERRUPTED = TAPES / "interrupted.jsonl.gz"
GO_BY_WORDS = {"spoken_over.jsonl.gz"}
"""Calls by speaking rules, which count the words of an interruption: without them the bridge decides otherwise."""

WORD = re.compile(r"[^\W\d_]{3,}")
PROTOCOL = frozenset({"xxx", "true", "false", "null", "day", "people", "time", "free", "table", "reason"})
"""Words that may stand where people's words were: placeholders, and the names of a tool's properties."""


def replay(*args: str | Path) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def redacted(path: Path, tmp_path: Path, *options: str) -> Path:
    output = tmp_path / "redacted.jsonl.gz"
    result = replay("redact", path, "-o", output, *options)
    assert result.exit_code == 0
    assert ("Warning" in result.output) == (path.name in GO_BY_WORDS)
    return output


def words_of(path: Path) -> set[str]:
    """Every word of three letters or more that somebody said, asked, answered or set on a tape."""
    tape = read_tape(path)
    texts = [text for _, who, text in spoken(tape) if who != "log"]
    texts += [tape.header.settings[name] for name in ("instructions", "greeting", "failure_sentence")]
    texts += [str(tool["description"]) for tool in tape.header.tools]
    return {word for text in texts for word in WORD.findall(text)}


def texts_in(value: Any) -> Iterator[str]:
    """Every text of a JSON value but audio."""
    if isinstance(value, dict):
        for part in value.values():
            yield from texts_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts_in(part)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_a_redacted_tape_replays_without_a_difference(path: Path, tmp_path: Path) -> None:
    output = redacted(path, tmp_path)
    assert replay_tape(output).difference is None
    parts_at = parting(decisions(read_tape(path)), decisions(read_tape(output)))
    assert (parts_at is None) == (path.name not in GO_BY_WORDS)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_no_word_of_the_call_is_left(path: Path, tmp_path: Path) -> None:
    tape = read_tape(redacted(path, tmp_path))
    left = {word for _, who, text in spoken(tape) if who != "log" for word in WORD.findall(text)}
    names = {"check", "table", "hang", "None", "timeout", "transfer", "call", "sales"}
    names |= set(
        WORD.findall('{"place", "reason", "summary"}')
    )  # of a built-in tool's arguments, and what it answers:
    names |= set(WORD.findall('{"status": "not transferred", "why": "busy", "caller": "is back with you"}'))
    assert {word for word in left if set(word) != {"x"}} <= PROTOCOL | names


def test_the_scan_finds_nothing_anywhere_on_the_tape(tmp_path: Path) -> None:
    """Every sentence said in the call, searched in every text of the whole file."""
    data = gzip.decompress(redacted(INTERRUPTED, tmp_path).read_bytes())
    texts = " ".join(text for line in data.splitlines() for text in texts_in(msgspec.json.decode(line)))
    found = set(WORD.findall(texts))
    distinct = {word for word in words_of(INTERRUPTED) if len(word) > 4}
    assert len(distinct) > 20
    # What is left of them are words of the protocols, of the bridge's own, and in the names of tools.
    own = {"assistant", "check", "conversation", "first", "heard", "nothing", "people", "phone", "table"}
    assert distinct & found <= own
    for name in ("Zoë", "Söhne", "Friday", "Harbour", "bridge.example", "friendly"):
        assert name not in texts


def test_no_phone_number_is_left(tmp_path: Path) -> None:
    for path in PATHS:
        data = gzip.decompress(redacted(path, tmp_path).read_bytes())
        assert b"5550" not in data
        assert re.search(rb'"(From|To|from|to)":"\+[0-9]*[1-9]', data) is None


def test_no_sound_is_left_and_it_is_as_long(tmp_path: Path) -> None:
    before, after = (sound_of(read_tape(path)) for path in (INTERRUPTED, redacted(INTERRUPTED, tmp_path)))
    for was, now in ((before.caller, after.caller), (before.agent, after.agent)):
        assert was.strip(SILENCE)
        assert now == SILENCE * len(was)


def test_the_redacted_call_keeps_every_rule_of_both_protocols(tmp_path: Path) -> None:
    tape = read_tape(redacted(INTERRUPTED, tmp_path))
    assert check_wire.check_file(list(wire_lines(tape)), tape=True) == []


def test_lengths_of_words_and_times_stay(tmp_path: Path) -> None:
    was, now = (page_of(read_tape(path)) for path in (INTERRUPTED, redacted(INTERRUPTED, tmp_path)))
    for before, after in zip(was["transcript"], now["transcript"], strict=True):
        assert len(before["said"]) == len(after["said"])
        assert len(before["heard"]) == len(after["heard"])
        assert before["began_ms"] == after["began_ms"]
    assert was["turns"] == now["turns"]
    assert was["milestones"] == now["milestones"]


def test_one_kind_alone_can_be_taken_out(tmp_path: Path) -> None:
    silent = read_tape(redacted(INTERRUPTED, tmp_path, "--audio"))
    assert not silent.header.has_audio
    assert "Wait, stop." in [text for _, _, text in spoken(silent)]
    numberless = read_tape(redacted(INTERRUPTED, tmp_path, "--numbers"))
    assert numberless.header.has_audio
    assert numberless.header.caller == "+00000000000"
    assert "Wait, stop." in [text for _, _, text in spoken(numberless)]
    wordless = read_tape(redacted(INTERRUPTED, tmp_path, "--text"))
    assert wordless.header.caller == "+15550123456"
    assert "xxxx, xxxx." in [text for _, _, text in spoken(wordless)]


def test_a_call_that_goes_by_its_sound_says_from_when_on_it_is_another(tmp_path: Path) -> None:
    """Silence is no answer: the caller has waited for one second, and the model is asked again."""
    agent = Agent(name="front-desk", limits=Limits(answer_timeout_ms=1000))
    script = Script(opening=(Words(murmur(3000), "Hello."),))
    heard = simulate(Caller(steps=(Wait(4000), HangUp())), script, agent)
    path = tmp_path / "heard.jsonl"
    path.write_bytes(b"".join([encode_header(heard.header), *heard.lines]))
    result = replay("redact", path, "-o", tmp_path / "shared.jsonl")
    assert result.exit_code == 0
    assert re.search(r"Warning: from \d\.\d\d s on the bridge decides otherwise .* sound", result.stderr)
    assert replay_tape(tmp_path / "shared.jsonl").difference is None
    result = replay("redact", path, "-o", tmp_path / "heard_still.jsonl", "--text", "--numbers")
    assert "Warning" not in result.stderr


def with_line(line: Line) -> Tape:
    tape = read_tape(TAPES / "formats" / "format1.jsonl")
    return Tape(tape.path, tape.header, [*tape.lines, encode(line)], is_torn=False)


@pytest.mark.parametrize(
    "fields",
    [
        {"leg": "openai_ws", "sender": "openai", "text": "Zanzibar"},
        {"leg": "openai_ws", "sender": "openai", "refused": "no Zanzibar"},
        {"leg": "openai_ws", "sender": "openai", "close": {"code": 1000, "reason": "Zanzibar"}},
        {"leg": "openai_ws", "sender": "openai", "msg": msgspec.Raw(b'{"type":"new.event","new":["Zanzibar"]}')},
        {"leg": "openai_ws", "sender": "openai", "msg": msgspec.Raw(b'{"type":"x.delta","delta":"Zanzibar"}')},
        {"leg": "openai_ws", "sender": "openai", "msg": msgspec.Raw(b'["Zanzibar"]')},
        {"leg": "tool", "sender": "tool", "tool": {"call_id": "c", "output": '{"name":"Zanzibar","a":["Zanzibar"]}'}},
        {"leg": "tool", "sender": "tool", "tool": {"call_id": "c", "output": "Zanzibar, not JSON"}},
        {"leg": "tool", "sender": "tool", "tool": {"call_id": "c", "kind": "failed", "message": "Zanzibar"}},
        {"leg": "note", "sender": "operator", "stopped": {"by": "operator", "why": "Zanzibar"}},
        {"leg": "twilio_http", "sender": "twilio", "http": {"url": "https://zanzibar.com/", "form": {"C": "Zanzibar"}}},
        {"leg": "twilio_http", "sender": "bridge", "resp": {"status": 200, "body": "<Say a='1'>Zanzibar</Say>"}},
        {"leg": "twilio_ws", "sender": "twilio", "binary": b"Zanzibar"},
    ],
    ids=lambda fields: next(key for key in fields if key not in ("leg", "sender")),
)  # fmt: skip
def test_words_are_taken_out_wherever_they_stand(fields: dict[str, Any]) -> None:
    tape = with_line(Line(t_ms=900, **fields))
    (*_, last) = redacted_tape(tape, Scrub()).lines
    assert b"anzibar" not in last.lower()
    assert decode(last).leg == fields["leg"]
    if binary := decode(last).binary:
        assert binary == bytes(8)


def test_what_a_quiet_caller_is_asked_is_taken_out_too() -> None:
    agent = Agent(name="a", still_there_sentences=("Mrs Jones?", "Is Anna there?"))
    header = Header(
        call_id="c", call_sid="c", account_sid="", agent="a", started_at="2026-01-01T00:00:00Z",
        settings=settings_of(agent),
    )  # fmt: skip
    assert Scrub().header(header).settings["still_there_sentences"] == ["xxx xxxxx?", "xx xxxx xxxxx?"]


def test_what_an_operator_said_is_taken_out_and_decided_on_as_before(tmp_path: Path) -> None:
    path = redacted(TAPES / "formats" / "format1_an_operator.jsonl", tmp_path)
    lines = [decode(raw) for raw in read_tape(path).lines]
    asked = [line.asked for line in lines if line.asked is not None]
    assert [one["wish"] for one in asked] == ["listen", "whisper", "transfer", "transfer", "leave"]
    assert not {"ada", "terrace", "Ann"} & set(re.findall(r"\w+", repr(asked)))
    assert [line.told for line in lines if line.told is not None][2].endswith("sales, anna, line")
    assert replay_tape(path).difference is None


def test_keys_lose_their_digits_but_still_end_where_they_did() -> None:
    assert [Scrub().value({"digit": digit})["digit"] for digit in "5#*A"] == ["0", "#", "*", "0"]


def test_json_in_a_text_stays_json_of_the_same_length() -> None:
    text = r'{ "n": [1.5e3, -20, 0], "Ann":"a\n\u00e9\"7:", "b" : null }'
    scrubbed = Scrub().value({"output": text})["output"]
    assert len(scrubbed) == len(text)
    assert msgspec.json.decode(scrubbed) == {"n": [1.1e1, -11, 1], "Ann": 'x\nxxxxxx"0:', "b": None}


def test_a_number_in_a_tools_arguments_is_a_number_still() -> None:
    scrubbed = Scrub().value({"arguments": '{"people":12,"ok":true,"name":"Ann 7"}'})
    assert scrubbed == {"arguments": '{"people":11,"ok":true,"name":"xxx 0"}'}


def test_a_line_that_lacks_what_it_needs_is_an_error_and_no_crash(tmp_path: Path) -> None:
    line = Line(t_ms=900, leg="twilio_ws", sender="twilio", close={})
    tape = with_line(line)
    (tmp_path / "x.jsonl").write_bytes((TAPES / "formats" / "format1.jsonl").read_bytes() + encode(line))
    with pytest.raises(TapeError):
        redacted_tape(tape, Scrub())
    assert replay("redact", tmp_path / "x.jsonl", "-o", tmp_path / "y.jsonl").exit_code == 2
    assert not (tmp_path / "y.jsonl").exists()
