"""Listening in: what of both sides is heard together, what was taken back, and a listener who is slow."""

from itertools import pairwise

import trio

from bridge.calls.legs.ears import MOST_BLOCKS, OVER, SIDE_BYTES, Ear, Ears
from bridge.heart.audio import SILENCE
from bridge.heart.effects import ClearPlayback, Effect, PlayAudio
from bridge.heart.events import CallerSpoke, ClockRang

FRAME = SIDE_BYTES // 5


def heard(ears: Ears) -> list[bytes]:
    """Return what a new listener is given from now on."""
    blocks = list[bytes]()
    ears.add(1, blocks.append)
    return blocks


def speak(ears: Ears, frames: int, *effects: Effect, sound: bytes = b"\x11" * FRAME) -> None:
    """Let the caller's frames come; with the first of them the agent says this."""
    for number in range(frames):
        ears.take(CallerSpoke("MZ1", number, sound), list(effects) if number == 0 else [])


def says(audio: bytes) -> PlayAudio:
    return PlayAudio("MZ1", "i1", 0, 0, audio)


def test_both_sides_are_heard_as_the_caller_hears_them() -> None:
    ears = Ears()
    blocks = heard(ears)
    speak(ears, 10, says(b"\x22" * 2 * FRAME))
    caller, silence = b"\x11" * SIDE_BYTES, SILENCE * SIDE_BYTES
    assert blocks == [caller + b"\x22" * 2 * FRAME + silence[2 * FRAME :], caller + silence]


def test_what_was_taken_back_from_the_caller_is_not_heard() -> None:
    ears = Ears()
    blocks = heard(ears)
    speak(ears, 2, says(b"\x22" * 5 * FRAME))
    speak(ears, 3, ClearPlayback("MZ1"))
    assert blocks == [b"\x11" * SIDE_BYTES + b"\x22" * 2 * FRAME + SILENCE * 3 * FRAME]


def test_frames_of_any_size_come_out_as_blocks_of_one() -> None:
    ears = Ears()
    blocks = heard(ears)
    for number, size in enumerate((1, 7, 3 * SIDE_BYTES, 0, SIDE_BYTES - 8)):
        ears.take(CallerSpoke("MZ1", number, b"\x11" * size), [])
    assert blocks == [b"\x11" * SIDE_BYTES + SILENCE * SIDE_BYTES] * 4


def test_what_an_agent_says_to_a_line_without_frames_is_bounded() -> None:
    ears = Ears()
    for _ in range(1000):
        ears.take(ClockRang(), [says(b"\x22" * SIDE_BYTES)])
    assert len(ears._sent) == 30 * SIDE_BYTES


async def test_a_slow_listener_loses_the_oldest_sound_and_then_hears_what_is_now() -> None:
    ear, ears = Ear(), Ears()
    ears.add(1, ear.hear)
    for number in range(MOST_BLOCKS + 9):
        speak(ears, 5, sound=bytes([number]) * FRAME)
    taken = await ear.take()
    first = [taken[place] for place in range(0, len(taken), 2 * SIDE_BYTES)]
    assert len(first) == MOST_BLOCKS
    assert first[-1] == MOST_BLOCKS + 8
    assert all(later - sooner == 1 for sooner, later in pairwise(first))


async def test_a_listener_waits_for_sound_and_is_told_when_no_more_will_come(autojump_clock: object) -> None:
    ear, told = Ear(), list[bytes]()

    async def listen() -> None:
        while (sound := await ear.take()) != OVER:
            told.append(sound)

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            await trio.testing.wait_all_tasks_blocked()
            ear.hear(b"a block")
            await trio.testing.wait_all_tasks_blocked()
            ear.hear(OVER)
    assert told == [b"a block"]
