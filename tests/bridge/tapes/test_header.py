"""A tape's first line: it says with which settings the call was made, and what is none is told so."""

import msgspec
import pytest
from heart import TOOLS, agent_with
from taped import header_of

from bridge.errors import TapeError
from bridge.tapes.header import BEFORE, decode_header, encode_header


def test_a_header_keeps_the_settings_in_force() -> None:
    agent = agent_with(interrupt=False, lead_ms=120)
    header = decode_header(encode_header(header_of(agent, list(TOOLS))))
    assert (header.agent_settings(), header.tools) == (agent, list(TOOLS))


@pytest.mark.parametrize("limit", list(BEFORE))
def test_what_there_was_no_setting_for_was_not_done(limit: str) -> None:
    header = header_of(agent_with(reconnects=3, stream_returns=3, quiet_goodbye_seconds=8), list(TOOLS))
    limits = {name: value for name, value in header.settings["limits"].items() if name != limit}
    older = msgspec.structs.replace(header, settings=header.settings | {"limits": limits})
    assert getattr(older.agent_settings().limits, limit) == 0
    assert getattr(header.agent_settings().limits, limit) > 0


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"t_ms":0,"leg":"note","from":"bridge"}', "its first line is no header"),
        (b"garbage", "its first line is no header"),
        (
            encode_header(header_of(agent_with(), [])).replace(b'"tape":1', b'"tape":9'),
            "a tape of format 9",
        ),
        (
            encode_header(header_of(agent_with(), [])).replace(b'"tape":1', b'"tape":0'),
            "a tape of format 0",
        ),
    ],
)
def test_what_is_no_header_is_said_to_be_none(line: bytes, problem: str) -> None:
    with pytest.raises(TapeError, match=problem):
        decode_header(line)
