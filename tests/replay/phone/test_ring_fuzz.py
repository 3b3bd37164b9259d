"""The Twilio stand-in against any behaviour at all: no call raises, none hangs."""

import base64
import json
from typing import Any

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from phone_strangers import a_call_to, a_webhook_that_answers, frame, http, says, with_sid

from bench import patient_clock
from replay.phone.network import Network
from replay.phone.ring import CallReport

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
MESSAGES = st.one_of(
    st.binary(max_size=40),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(
        {"event": st.sampled_from(["media", "mark", "clear", "stop", ""]), "streamSid": JSON},
        optional={"media": JSON, "mark": JSON},
    ).map(lambda value: json.dumps(value).encode()),
)
PARTS = st.one_of(
    st.binary(max_size=60),
    st.builds(frame, st.integers(0, 15), MESSAGES, fin=st.booleans()),
    st.builds(frame, st.just(1), MESSAGES),
    st.builds(frame, st.just(8), st.binary(max_size=4)),
    st.builds(frame, st.just(1), st.just(b""), length=st.sampled_from([1, 200, 70_000, 2**31, 2**63])),
)
PAYLOADS = st.binary(max_size=400).map(lambda audio: base64.b64encode(audio).decode())
NETWORKS = st.sampled_from([Network(), Network(loss=0.5), Network(latency_ms=10, jitter_ms=20, stall_ms=30)])


@given(parts=st.lists(PARTS, max_size=5), stay=st.booleans(), network=NETWORKS)
@settings(max_examples=60)
def test_nothing_a_media_server_does_raises_or_hangs(
    parts: list[bytes], stay: bool, network: Network
) -> None:
    async def main() -> CallReport:
        return await a_call_to(says(*parts, stay=stay), network=network)

    report = patient_clock.run(main)
    assert report.closed_by in ("caller", "bridge")
    assert report.started_ms is not None


@given(
    raw=st.binary(max_size=80)
    | st.builds(http, st.sampled_from(["101 Hi", "200 OK", "99 x"]), st.binary(max_size=20))
)
@settings(max_examples=40)
def test_nothing_that_is_answered_to_an_upgrade_raises_or_hangs(raw: bytes) -> None:
    async def talk(stream: trio.SocketStream) -> None:
        await stream.receive_some(65_536)
        await stream.send_all(raw)

    async def main() -> CallReport:
        return await a_call_to(talk)

    assert patient_clock.run(main).error is not None


ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        ["url", "action", "method", "name", "value", "length", "track", "digits", "statusCallback"]
    ),
    st.text(st.characters(exclude_characters='<>&"', exclude_categories=["Cs", "Cc"]), max_size=12)
    | st.sampled_from(
        ["wss://127.0.0.1/x", "wss://[", "http://:0", "//", "ws://a", "\u00b2", "wss://a..b/", "/x y"]
    ),
    max_size=3,
).map(lambda found: "".join(f' {name}="{value}"' for name, value in found.items()))
ELEMENTS = st.recursive(
    st.builds(lambda tag, found: f"<{tag}{found}/>", st.sampled_from(
        ["Stream", "Parameter", "Hangup", "Pause", "Say", "Play", "Number", "Redirect", "Sing"]), ATTRIBUTES),
    lambda inner: st.builds(
        lambda tag, found, parts: f"<{tag}{found}>{''.join(parts)}</{tag}>",
        st.sampled_from(["Connect", "Stream", "Dial", "Redirect", "Say"]), ATTRIBUTES,
        st.lists(inner | st.sampled_from(["x", "http://[", "\u00e9"]), max_size=3)),
    max_leaves=5,
)  # fmt: skip


@given(elements=st.lists(ELEMENTS, max_size=3))
@settings(max_examples=60)
def test_no_twiml_raises_or_hangs(elements: list[str]) -> None:
    body = f"<Response>{''.join(elements)}</Response>".encode()
    report = patient_clock.run(a_webhook_that_answers, http(body=body))
    assert report.webhook_status == 200


EVENTS = st.one_of(
    st.fixed_dictionaries({"event": st.just("mark"), "mark": st.fixed_dictionaries({"name": JSON}) | JSON}),
    st.fixed_dictionaries(
        {"event": st.just("media"), "media": st.fixed_dictionaries({"payload": JSON | PAYLOADS}) | JSON}
    ),
    st.fixed_dictionaries({"event": st.just("clear")}),
)


@given(events=st.lists(EVENTS, max_size=6), network=NETWORKS)
@settings(max_examples=40)
def test_no_message_of_the_stream_raises_or_ends_it(events: list[dict[str, Any]], network: Network) -> None:
    async def main() -> CallReport:
        said = [json.dumps(event)[1:] for event in events]
        return await with_sid(lambda sid: [f'{{"streamSid":"{sid}",{text}' for text in said], network=network)

    report = patient_clock.run(main)
    assert (report.closed_by, report.error) == ("caller", None)
    assert {warned.code for warned in report.warnings} <= {31951}
