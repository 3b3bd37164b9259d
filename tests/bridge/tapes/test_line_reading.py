"""Lines of a tape are checked together, which is quicker; and refused, or not, as each by itself would be."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd import LINES

from bridge.errors import TapeError
from bridge.tapes import line_reading
from bridge.tapes.line_reading import AT_ONCE, check_lines

NOTED = b'{"t_ms":5,"leg":"note","from":"bridge","note":'
SAID = b'{"t_ms":5,"leg":"openai_ws","from":"openai","msg":'
DEEP = b"[" * 120 + b"]" * 120
USUAL = [
    b'{"t_ms":5,"leg":"openai_ws","from":"bridge","append":[7,7]}',
    b'{"t_ms":5,"leg":"twilio_ws","from":"bridge","audio":{"item":"i","part":0,"at":0,"bytes":800}}',
    b'{"t_ms":5,"leg":"note","from":"clock","rang":true}',
    NOTED + b'{"kind":"milestone","name":"x","at_ms":5}}',
    SAID + b'{"type":"x","n":[1,-2.5e3,true,null,"\xc3\xa9\\n"],"o":{"a":{"b":[{"c":"]}"}]}}}}',
]
RARE = [
    b'{"t_ms":5,"leg":"note","from":"bridge","end":{"by":"caller","why":"hung up"}}',
    b' {"t_ms":5,"leg":"note","from":"clock","rang":true}\t',
    SAID + b"[" * 60 + b"]" * 60 + b"}",
    SAID + b'1,"later":{"than":"today"}}',
    b'{"t_ms":5,"leg":"openai_ws","from":"openai","text":"' + b"[" * 200 + b'"}',
    b"",
]
ODD = [
    b'{"t_ms":5,"leg":"openai_ws","from":"bridge","append":[7,5]}',
    b'{"t_ms":-5,"leg":"openai_ws","from":"bridge","append":[7,7]}',
    NOTED + b'{"kind":"log"}}',
    NOTED + b'{"kind":"x","y":' + DEEP + b"}}",
    SAID + DEEP + b"}",
    SAID + b'1,"later":' + DEEP + b"}",
    b'{"t_ms":5,"leg":"twilio_ws","from":"bridge","audio":{"item":"i","part":0,"at":0,"bytes":8,"x":' + DEEP + b"}}",
    SAID + b"1e999}",
    SAID + b'"\xff"}',
    SAID + b"{}}{}",
    b'{"t_ms":5,"leg":"tool","from":"tool","tool":{"call_id":"c"}}',
    b"5",
    b"}",
    b"{",
]  # fmt: skip


def fault_of(lines: Sequence[bytes], *, together: bool) -> str:
    """Return what is said of lines, "" for nothing."""
    try:
        check_lines(lines, first=2) if together else line_reading._check_each(lines, 2)
    except TapeError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("line", USUAL, ids=range(len(USUAL)))
def test_what_is_usual_is_checked_together(line: bytes) -> None:
    assert line_reading._are_usual([line + b"\n"] * 3)


def test_nearly_all_of_a_call_is_usual() -> None:
    assert sum(not line_reading._are_usual([line]) for line in LINES[1:]) < len(LINES) // 50


@pytest.mark.parametrize("line", [*USUAL, *RARE], ids=range(len(USUAL) + len(RARE)))
def test_what_is_rare_is_no_fault(line: bytes) -> None:
    check_lines([line + b"\n"] * (AT_ONCE + 1), first=2)


@pytest.mark.parametrize("line", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("place", [0, 1, AT_ONCE - 1, AT_ONCE, 2 * AT_ONCE])
def test_what_is_odd_is_found_in_its_place(line: bytes, place: int) -> None:
    lines = [USUAL[number % len(USUAL)] + b"\n" for number in range(2 * AT_ONCE)]
    lines.insert(place, line + b"\n")
    assert fault_of(lines, together=True).startswith(f"line {place + 2}: ")


pieces = st.sampled_from([*USUAL, *RARE, *ODD])


@st.composite
def torn_apart(draw: st.DrawFn) -> list[bytes]:
    """Lines of which some end where they shouldn't: what is left of one begins the next."""
    text = b"".join(
        piece + draw(st.sampled_from([b"\n", b"\n", b"", b" "])) for piece in draw(st.lists(pieces))
    )
    for at in draw(st.lists(st.integers(0, len(text)), max_size=4)):
        text = text[:at] + b"\n" + text[at:]
    return [line + b"\n" for line in text.split(b"\n")]


@settings(max_examples=400)
@given(torn_apart())
def test_together_as_one_by_one(lines: list[bytes]) -> None:
    assert fault_of(lines, together=True) == fault_of(lines, together=False)


def test_a_value_on_two_lines_is_not_made_up_for_by_two_on_one() -> None:
    whole = USUAL[0]
    head, tail = whole[:20], whole[20:]
    assert fault_of([whole + whole + b"\n", head + b"\n", tail + b"\n"], together=True).startswith("line 2: ")
    assert fault_of([head + b"\n", tail + whole + b"\n"], together=True).startswith("line 2: ")
    audio = USUAL[1]
    at = audio.index(b"}}") + 1
    assert fault_of([whole + audio[:at] + b"\n", audio[at:] + b"\n"], together=True).startswith("line 2: ")
