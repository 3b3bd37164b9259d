"""What holds for every call of an agent with speaking rules, whatever its peers send and whenever."""

from collections import Counter, defaultdict

from courses import History
from heart import of
from hypothesis import given, settings
from hypothesis import strategies as st
from talks import talk_of

from bridge.heart.effects import ClearPlayback, PlayAudio, TruncateItem, UpdateSession, WriteNote
from bridge.heart.events import ClockRang, ModelSpoke
from bridge.wire import realtime

some = settings(max_examples=80, database=None)
numbers = st.integers(0, 2**32)
Part = tuple[str, int]
SETTLED = ("barge_in", "false_interruption", "left_stream", "stream_lost")
"""What ends the time in which it isn't known whether the agent was interrupted."""


def lived(number: int) -> History:
    talk = talk_of(number)
    return History(talk.agent).live(talk.course)


@some
@given(numbers)
def test_the_same_events_give_the_same_effects_and_the_next_deadline_lies_ahead(number: int) -> None:
    course = lived(number)
    assert course.wanted == lived(number).wanted
    for one in course.told:
        assert one.deadline is None or one.deadline > one.at


@some
@given(numbers)
def test_what_is_played_was_generated_and_nothing_of_it_is_left_out(number: int) -> None:
    generated: dict[Part, bytes] = defaultdict(bytes)
    played: Counter[Part] = Counter()
    for one in lived(number).told:
        if isinstance(one.event, ModelSpoke):
            generated[one.event.item_id, one.event.content_index] += one.event.audio
        for piece in of(one.wanted, PlayAudio):
            part, end = (piece.item_id, piece.content_index), piece.start + len(piece.audio)
            assert piece.start <= played[part]
            assert piece.audio == generated[part][piece.start : end] != b""
            played[part] = max(played[part], end)


@some
@given(numbers)
def test_sound_is_played_again_only_after_a_clear_took_it_back(number: int) -> None:
    played: Counter[Part] = Counter()
    is_cleared = False
    for effect in lived(number).wanted:
        if isinstance(effect, ClearPlayback):
            is_cleared = True
        if isinstance(effect, PlayAudio):
            part = effect.item_id, effect.content_index
            assert is_cleared or effect.start == played[part]
            played[part] = max(played[part], effect.start + len(effect.audio))


@some
@given(numbers)
def test_what_the_model_was_told_is_what_was_heard_in_the_end(number: int) -> None:
    truncated: dict[Part, int] = {}
    sent: Counter[Part] = Counter()
    for effect in lived(number).wanted:
        match effect:
            case PlayAudio():
                part = effect.item_id, effect.content_index
                assert part not in truncated
                sent[part] = max(sent[part], effect.start + len(effect.audio))
            case TruncateItem():
                part = effect.item_id, effect.content_index
                assert part not in truncated
                assert 0 <= effect.audio_end_ms <= sent[part] / 8
                truncated[part] = effect.audio_end_ms
            case WriteNote("item", data):
                part = data["item_id"], data["content_index"]
                assert 0 <= data["heard_ms"] <= data["sent_ms"] <= data["generated_ms"]
                assert truncated.get(part, data["heard_ms"]) == data["heard_ms"]


@some
@given(numbers)
def test_the_server_is_asked_to_interrupt_and_to_answer_nothing(number: int) -> None:
    for update in of(lived(number).wanted, UpdateSession):
        assert '"create_response":false,"interrupt_response":false' in realtime.encode(update)


@some
@given(numbers)
def test_who_was_held_goes_on_or_was_interrupted_but_never_stays_so(number: int) -> None:
    course = lived(number).live([(20_000, ClockRang())])
    names = [note.data.get("name") for note in of(course.wanted, WriteNote) if note.kind == "milestone"]
    last = [name for name in names if name in SETTLED or name == "barge_in_possible"][-1:]
    assert course.call.is_over or last != ["barge_in_possible"]
