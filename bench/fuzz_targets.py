"""What is fuzzed: every parser of what others send, and the heart behind them.

Each takes bytes, and raises when something happens that must not: an error of a kind that nobody expects, a value that
no record can hold, a call that does not end.
"""

import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from bridge import config
from bridge.agents import Agent
from bridge.checks import SHA256, SharedKey
from bridge.errors import ConfigError, TapeError, ToolArgumentsError
from bridge.heart.call import Call
from bridge.heart.effects import EndCall
from bridge.heart.events import Event
from bridge.heart.wishes import Stopped
from bridge.settings.languages import Sentence
from bridge.store.records import Row, records_of
from bridge.tapes import tape
from bridge.tapes.header import FORMAT, Header, decode_header
from bridge.tapes.line_reading import check_lines
from bridge.tapes.reader import Tape
from bridge.tapes.recovery import closing_lines
from bridge.tapes.tape import MODEL, OPENAI, PHONE, TWILIO, Leg, Line, carry_out
from bridge.tools import tool
from bridge.web.app import ROUTES, _form_of
from bridge.wire import realtime, signatures, twilio
from bridge.wire.twiml import NOT_IN_XML, connect_twiml, hangup_twiml, refusal_twiml

SECRET: Final = "golden-test-auth-token-000000000"
URL: Final = "https://bridge.example.com/voice/a"
HEADER: Final = msgspec.convert(  # of no call there is
    {each.name: "x" for each in msgspec.structs.fields(Header) if each.type is str}
    | {"tape": FORMAT, "started_at": "2026-11-23"},
    Header,
)
MOST_INTEGER: Final = 2**31
STREAM_SID: Final = "MZ1"
OPENING: Final[tuple[tuple[Leg, bytes], ...]] = (
    (PHONE, b'{"event":"connected","protocol":"Call","version":"1.0.0"}'),
    (
        PHONE,
        b'{"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1","accountSid":"AC1",'
        b'"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},"customParameters":{}}}',
    ),
    (MODEL, b'{"type":"session.created","session":{"expires_at":1}}'),
    (MODEL, b'{"type":"session.updated","session":{}}'),
)
"""So that what follows falls into a call that goes on."""


def _text_of(data: bytes) -> str | bytes:
    """Return what a WebSocket would hand over: text, or bytes of a binary frame."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data


def phone(data: bytes) -> None:
    """Parse a message of Twilio's."""
    message = _text_of(data)
    twilio.parse(message)
    if isinstance(message, str):
        twilio.credentials_of(message)


def model(data: bytes) -> None:
    """Parse a message of the model's."""
    realtime.parse(_text_of(data))


def heart(data: bytes) -> None:
    """Let a call live through lines, in turn from both legs; its record can be stored, and it ends once."""
    call, lines, ends, now = Call(Agent(name="a"), []), list[Line](), 0, 0
    effects = list(call.begin())
    told: list[tuple[Leg, bytes]] = [
        *OPENING,
        *((PHONE if number % 2 else MODEL, line) for number, line in enumerate(data.split(b"\n"))),
    ]
    for leg, raw in told:
        now += 20
        message = _text_of(raw)
        event: Event = (twilio if leg == PHONE else realtime).parse(message)
        lines.append(tape.received(now, leg, TWILIO if leg == PHONE else OPENAI, message, event))
        effects += call.handle(event, now)
    effects += call.handle(Stopped("operator", "enough"), now)
    for effect in effects:
        lines.append(carry_out(now, effect)[0])
        ends += isinstance(effect, EndCall)
    assert ends == 1, f"{ends} ends"
    assert call.deadline is None
    _hold(records_of(HEADER, [tape.decode(tape.encode(line)) for line in lines]))


def _hold(records: Any) -> None:
    """Assert that the database can hold what a record says."""
    rows: list[Row] = [records.call]
    for table in ("transcript", "tool_calls", "milestones", "items", "turns", "log", "legs"):
        rows += getattr(records, table)
    for row in rows:
        for name, value in row.items():
            assert not isinstance(value, int) or -MOST_INTEGER <= value < MOST_INTEGER, f"{name} = {value}"


def tape_line(data: bytes) -> None:
    """Read lines as a tape, and close it as if its process had died."""
    header, _, rest = data.partition(b"\n")
    with suppress(TapeError):
        decode_header(header)
    with suppress(TapeError):
        lines = [line + b"\n" for line in rest.split(b"\n") if line]
        check_lines(lines, first=2)
        list(closing_lines(Tape(Path("x"), HEADER, lines, is_torn=False)))
        _hold(records_of(HEADER, [tape.decode(line) for line in lines]))


SIGNERS = signatures.Signers((SECRET,), (KEY := SharedKey("SK" + "1" * 32, "a-shared-secret", SHA256),))


def signatures_of(pairs: list[tuple[str, str]]) -> list[signatures.Proof]:
    """Return what each of them signs a form with: the auth token, and the shared key."""
    return [
        signatures.proof_of([head[signatures.SIGNATURE]], [head.get(signatures.SETTINGS, "")])
        for head in (signatures.proven(one, URL, pairs) for one in SIGNERS.one_by_one())
    ]


def form(data: bytes) -> None:
    """Read a form, and check a signature over it."""
    pairs = _form_of(data)
    text = data.decode("latin-1")
    proofs = (signatures.Proof(text[:40]), signatures.Proof(text[:40], text[40:200]))
    assert not any(signatures.request_is_signed(SIGNERS, URL, pairs or [], proof) for proof in proofs)
    assert not any(signatures.upgrade_is_signed(SIGNERS, URL + text, proof) for proof in proofs)
    for proof in signatures_of(pairs or []):
        assert signatures.request_is_signed(SIGNERS, URL, pairs or [], proof)
    ROUTES.fullmatch(data)


def twiml(data: bytes) -> None:
    """Put words into TwiML, and find them there again."""
    text = data.decode("utf-8", "replace")
    kept = NOT_IN_XML.sub("", text)
    said = ElementTree.fromstring(hangup_twiml(Sentence(text))).find("Say")
    assert said is None or (said.text or "").split() == kept.split()
    for page in (
        connect_twiml(stream_url="wss://x/" + kept, action_url="https://x/" + kept, token=kept),
        refusal_twiml("queue:" + kept),
    ):
        ElementTree.fromstring(page)


@tool
def book(day: str, people: int, name: str | None = None, wishes: list[str] | None = None) -> str:
    """Book a table."""
    return day


def arguments(data: bytes) -> None:
    """Check the arguments of a tool call."""
    with suppress(ToolArgumentsError):
        book.check(data.decode("utf-8", "replace"))


def configuration(data: bytes) -> None:
    """Read a configuration; what is wrong with it is told in sentences."""
    try:
        raw = tomllib.loads(data.decode("utf-8", "replace"))
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    with suppress(ConfigError):
        config.parse(raw, Path("config.toml"))


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "phone": phone,
    "model": model,
    "heart": heart,
    "tape": tape_line,
    "form": form,
    "twiml": twiml,
    "arguments": arguments,
    "config": configuration,
}
