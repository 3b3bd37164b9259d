"""What parsers and the heart must never do, whatever they are sent: random bytes, mutated messages, old findings."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench import fuzz, fuzz_targets
from bench.fault_words import golden
from bench.fuzz_targets import TARGETS
from bridge.wire.twiml import NOT_IN_XML

some = settings(max_examples=60, database=None)
WEIRD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20),
    st.lists(st.integers(), max_size=3), st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)  # fmt: skip
PHONE, MODEL = golden("twilio_ws", "twilio"), golden("openai_ws", "openai")


@st.composite
def nearly(draw: st.DrawFn, examples: list[dict[str, Any]]) -> bytes:
    """Draw a golden message with one field of another kind."""
    import json

    message = json.loads(json.dumps(draw(st.sampled_from(examples))))
    place = message
    while True:
        key = draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or not place[key] or draw(st.booleans()):
            break
        place = place[key]
    place[key] = draw(WEIRD)
    return json.dumps(message).encode()


@some
@given(st.one_of(st.binary(max_size=200), nearly(PHONE)))
def test_no_message_of_the_phone_breaks_its_parser(data: bytes) -> None:
    TARGETS["phone"](data)


@some
@given(st.one_of(st.binary(max_size=200), nearly(MODEL)))
def test_no_message_of_the_model_breaks_its_parser(data: bytes) -> None:
    TARGETS["model"](data)


@some
@given(st.lists(st.one_of(nearly(PHONE), nearly(MODEL)), max_size=6))
def test_no_messages_keep_a_call_from_ending_once_and_being_stored(data: list[bytes]) -> None:
    TARGETS["heart"](b"\n".join(data))


@some
@given(st.sampled_from(sorted(set(TARGETS) - {"phone", "model", "heart"})), st.binary(max_size=200))
def test_nothing_else_that_others_send_breaks_who_reads_it(target: str, data: bytes) -> None:
    TARGETS[target](data)


@some
@given(st.text())
@example("\x01 & <b> \x0b")
def test_words_in_twiml_are_found_there_again(text: str) -> None:
    TARGETS["twiml"](text.encode("utf-8", "surrogatepass"))
    assert NOT_IN_XML.sub("", "a\x00b\ud800\t\n") == "ab\t\n"


def test_the_corpus_has_no_finding_left() -> None:
    inputs = list(fuzz.corpus_inputs())
    assert {target for target, _ in inputs} == set(TARGETS)
    assert sum(path.stat().st_size for _, path in inputs) < 200 * 1024
    for target, path in inputs:
        assert fuzz.problem_of(target, path.read_bytes()) == "", path.name


def test_a_finding_is_saved_with_the_way_to_see_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(data: bytes) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(fuzz_targets.TARGETS, "phone", broken)  # type: ignore[arg-type]
    done = CliRunner().invoke(fuzz.main, ["--target", "phone", "--messages", "5"])
    (path,) = tmp_path.iterdir()
    assert done.exit_code == 1
    assert f"--target phone --input {path.name}" in done.stdout
    again = CliRunner().invoke(fuzz.main, ["--target", "phone", "--input", path.name])
    assert isinstance(again.exception, ZeroDivisionError)
