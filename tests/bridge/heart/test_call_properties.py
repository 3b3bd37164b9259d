"""What holds for every call, whatever its peers send and whenever: tried on random and hostile events."""

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import msgspec
from courses import ALL_TOOLS, PRICES, RULES, Course, agents, courses, everybody, history, steps
from heart import agent_with, of
from hypothesis import example, given, settings
from hypothesis import strategies as st
from taped import header_of, line_of, tape_of

from bridge.agents import Agent
from bridge.heart.call import Call
from bridge.heart.effects import (
    AnswerTool,
    AppendAudio,
    CancelResponse,
    ClearPlayback,
    EndCall,
    OpenSession,
    PlayAudio,
    ReturnToStream,
    RunTool,
    TruncateItem,
    WriteNote,
)
from bridge.heart.events import (
    Event,
    ModelSpoke,
    SessionUpdated,
    StreamStarted,
)
from bridge.heart.playout import CLIP
from bridge.tapes.header import encode_header
from bridge.tapes.tape import carry_out, decode, encode, event_of
from bridge.wire import realtime, twilio
from replay.tapes.player import decisions

some = settings(max_examples=80, database=None)

# ---------------------------------------------------------------- what holds for the heart


@some
@given(agents, courses)
def test_the_same_events_at_the_same_times_give_the_same_effects(agent: Agent, course: Course) -> None:
    assert history(agent, course).wanted == history(agent, course).wanted


@some
@given(agents, courses)
def test_the_next_deadline_lies_ahead_until_the_call_is_over(agent: Agent, course: Course) -> None:
    for one in history(agent, course).told:
        assert (one.deadline is None) == one.is_over
        assert one.deadline is None or one.deadline > one.at


@some
@given(agents, courses)
def test_a_call_ends_at_most_once_and_wants_no_more_after_it_than_that_nothing_is_answered(
    agent: Agent, course: Course
) -> None:
    wanted = history(agent, course).wanted
    ends = [place for place, effect in enumerate(wanted) if isinstance(effect, EndCall)]
    assert len(ends) <= 1
    assert all(isinstance(effect, CancelResponse) for place in ends for effect in wanted[place + 1 :])


@some
@given(agents, courses)
def test_never_more_is_heard_than_sent_and_never_more_sent_than_generated(
    agent: Agent, course: Course
) -> None:
    notes = [note.data for note in of(history(agent, course).wanted, WriteNote) if note.kind == "item"]
    for item in notes:
        assert 0 <= item["heard_ms"] <= item["sent_ms"] <= item["generated_ms"]
    assert len({(item["item_id"], item["content_index"]) for item in notes}) == len(notes)


@some
@given(agents, courses)
def test_what_is_played_is_what_was_generated_byte_for_byte(agent: Agent, course: Course) -> None:
    generated: dict[tuple[str, int], bytes] = defaultdict(bytes)
    played: Counter[tuple[str, int]] = Counter()
    streams: dict[tuple[str, int], str] = {}
    for one in history(agent, course).told:
        if isinstance(one.event, ModelSpoke):
            generated[one.event.item_id, one.event.content_index] += one.event.audio
        for piece in of(one.wanted, PlayAudio):
            part = piece.item_id, piece.content_index
            if agent.limits.say_again and streams.get(part, piece.stream_sid) != piece.stream_sid:
                assert piece.start <= played[part]  # what a stream took with it is said again on the next one
                played[part] = piece.start
            streams[part] = piece.stream_sid
            assert piece.start == played[part]
            played[part] += len(piece.audio)
            whole = agent.filler.clip.sound if part[0].startswith(CLIP) else generated[part]
            assert piece.audio == whole[piece.start : played[part]] != b""


@some
@given(agents, courses)
def test_the_model_is_told_nothing_of_a_clip_and_neither_waits_behind_the_other(
    agent: Agent, course: Course
) -> None:
    wanted = history(agent, course).wanted
    assert not [one for one in of(wanted, TruncateItem) if one.item_id.startswith(CLIP)]
    pieces = [one for one in wanted if isinstance(one, PlayAudio | ClearPlayback | ReturnToStream)]
    for before, piece in pairwise(pieces):
        if isinstance(before, PlayAudio) and before.item_id.startswith(CLIP) and isinstance(piece, PlayAudio):
            is_over = before.start + len(before.audio) == len(agent.filler.clip.sound)
            assert piece.item_id == before.item_id or is_over


@some
@given(agents, courses)
def test_no_truncation_claims_more_than_was_sent(agent: Agent, course: Course) -> None:
    sent: Counter[tuple[str, int]] = Counter()
    truncated: Counter[tuple[str, int]] = Counter()
    for effect in history(agent, course).wanted:
        if isinstance(effect, PlayAudio):
            sent[effect.item_id, effect.content_index] += len(effect.audio)
        if isinstance(effect, TruncateItem):
            assert 0 <= effect.audio_end_ms <= sent[effect.item_id, effect.content_index] / 8
            truncated[effect.item_id, effect.content_index] += 1
    assert set(truncated.values()) <= {1}


@some
@given(agents, courses)
def test_after_a_clear_only_what_was_generated_later_is_played(agent: Agent, course: Course) -> None:
    generated: Counter[tuple[str, int]] = Counter()
    cleared: dict[tuple[str, int], int] = {}
    for one in history(agent, course).told:
        before = dict(generated)  # a clip of ours is cut by what is spoken, and that is played
        if isinstance(one.event, ModelSpoke):
            generated[one.event.item_id, one.event.content_index] += len(one.event.audio)
        if isinstance(one.event, StreamStarted) and agent.limits.say_again:
            cleared = {}  # what the stream before took with it may be said again
        for effect in one.wanted:
            if isinstance(effect, ClearPlayback):
                cleared = before
            if isinstance(effect, PlayAudio):
                assert effect.start >= cleared.get((effect.item_id, effect.content_index), 0)


@some
@given(agents, courses)
def test_no_audio_is_sent_to_a_peer_that_is_not_ready_for_it(agent: Agent, course: Course) -> None:
    happened: set[type[Event]] = set()
    for one in history(agent, course).told:
        happened.add(type(one.event))
        assert StreamStarted in happened or not of(one.wanted, PlayAudio)
        assert SessionUpdated in happened or not of(one.wanted, AppendAudio)


@some
@given(agents, courses)
def test_the_callers_frames_are_passed_on_in_order_and_none_twice(agent: Agent, course: Course) -> None:
    last = 0
    for append in of(history(agent, course).wanted, AppendAudio):
        assert last < append.first <= append.last
        last = append.last


@some
@given(agents, courses)
def test_a_tool_is_run_and_answered_at_most_once(agent: Agent, course: Course) -> None:
    wanted = history(agent, course).wanted
    runs = Counter(run.call_id for run in of(wanted, RunTool))
    answers: Counter[tuple[int, str]] = Counter()
    session = 1
    for effect in wanted:
        session = effect.number if isinstance(effect, OpenSession) else session
        if isinstance(effect, AnswerTool):
            answers[session, effect.call_id] += 1
    assert set(runs.values()) | set(answers.values()) <= {1}


# ---------------------------------------------------------------- what holds for tapes and parsers


@some
@given(steps)
def test_an_event_survives_the_tape(step: tuple[int, Event]) -> None:
    at, event = step
    line = line_of(at, event)
    assert decode(encode(line)) == line
    assert event_of(decode(encode(line))) == event


@some
@given(everybody, courses)
def test_a_replay_makes_the_same_decisions(agent: Agent, course: Course) -> None:
    past = history(agent, course)
    said = [encode(carry_out(0, effect)[0]) for effect in past.first]
    lines = said[:]
    for one in past.told:
        lines.append(encode(line_of(one.at, one.event)))
        answers = [encode(carry_out(one.at, effect)[0]) for effect in one.wanted]
        lines += answers
        said += answers
    written = msgspec.structs.replace(header_of(agent, ALL_TOOLS, RULES), prices=PRICES)
    header = msgspec.json.decode(encode_header(written), type=type(written))
    assert header.agent_settings() == agent
    assert list(decisions(tape_of(header, lines))) == said


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
kinds = st.sampled_from(["media", "start", "mark", "dtmf", "stop", "connected", *sorted(realtime.IGNORED)[:3],
                         "session.created", "response.created", "response.output_audio.delta", "response.done",
                         "response.output_item.done", "error", "input_audio_buffer.speech_started"])  # fmt: skip
keys = st.sampled_from(["media", "start", "mark", "dtmf", "streamSid", "session", "response", "item", "error",
                        "delta", "item_id", "response_id", "content_index", "audio_start_ms"])  # fmt: skip
messages = st.builds(
    lambda kind, rest: {**rest, "event": kind, "type": kind},
    kinds,
    st.dictionaries(keys, json_values, max_size=5),
)


@some
@given(st.one_of(st.text(), st.binary(), messages.map(lambda m: msgspec.json.encode(m).decode())))
@example('{"event": "media", "streamSid": "MZ1", "media": {"chunk": 1e999, "payload": "AAAA"}}')
@example('{"event": "start", "streamSid": "MZ1", "start": {"callSid": "CA1", "mediaFormat": []}}')
@example('{"type": "response.output_audio.done", "item_id": "x", "content_index": 1e300}')
@example("[" * 100_000)
@example('"\\ud800"')
@example("\ud800")
def test_whatever_a_peer_sends_is_an_event(text: str | bytes) -> None:
    for parse in (twilio.parse, realtime.parse):
        Call(agent_with()).handle(parse(text), 0)
