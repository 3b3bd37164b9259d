"""<Say>, <Play> and <Pause>: what Twilio lets somebody hear. Words that nobody has spoken here are a murmur."""

import re

import trio

from replay.phone.exchange.program import Outcome, Program
from replay.phone.instructions.verbs import Pause, Play, Prompt, Say
from replay.phone.line import BYTES_PER_MS, FRAME_MS, SILENCE
from replay.phone.report import Words
from replay.sound import tones
from replay.sound.clips import clip_saying
from replay.sound.formats import murmur

TWILIO = "twilio"
FILE_MS = 3_000  # how long a file plays that nobody has here
MAX_ROUNDS = 1_000
PAUSES_MS = {"w": 500, "W": 1_000}
BAD_LANGUAGE, BAD_KEYS = 13512, 13510


async def say(program: Program, verb: Say) -> Outcome:
    """Let the words be heard, and go on."""
    if verb.language is not None and not re.fullmatch(r"[a-z]{2,3}-[A-Z0-9]{2,4}", verb.language):
        program.report.warn(BAD_LANGUAGE, f"<Say language={verb.language!r}>: a code like en-US")
    audio = _spoken(verb.text, program.town.behaviour.speech_ms_per_character)
    ms = len(audio) // BYTES_PER_MS
    for _ in range(_rounds(verb.loop)):
        _note(program, verb.text, ms)
        await _play(program, audio)
        if program.leg.is_gone or not ms:
            break
    return Outcome()


def _spoken(words: str, ms_per_character: int) -> bytes:
    """Return how these words sound; none take no time."""
    known = clip_saying(words) if ms_per_character else None
    ms = len(words) * ms_per_character // FRAME_MS * FRAME_MS
    return known.audio if known is not None else murmur(ms) if ms else b""


async def play(program: Program, verb: Play) -> Outcome:
    """Let a file be heard, or keys."""
    if verb.digits:
        await press(program, verb.digits)
        return Outcome()
    for _ in range(_rounds(verb.loop)):
        _note(program, verb.url, FILE_MS)
        await _play(program, murmur(FILE_MS))
        if program.leg.is_gone:
            break
    return Outcome()


async def pause(program: Program, verb: Pause) -> Outcome:
    """Let nothing be heard."""
    with program.leg.while_there():
        await trio.sleep(verb.length_s if program.town.behaviour.pauses else 0)
    return Outcome()


async def prompt(program: Program, verb: Prompt) -> None:
    """Let one of these be heard."""
    match verb:
        case Say():
            await say(program, verb)
        case Play():
            await play(program, verb)
        case Pause():
            await pause(program, verb)


async def press(program: Program, digits: str) -> None:
    """Press keys towards whoever is on the line, at Twilio's pace."""
    leg = program.leg
    with leg.while_there():
        for digit in digits:
            if digit in PAUSES_MS:
                await trio.sleep(PAUSES_MS[digit] / 1000)
            elif digit.upper() in tones.KEYS:
                program.report.note("key_played", to=leg.name, digit=digit)
                leg.line.sound(tones.key(digit) + SILENCE * (tones.KEY_PAUSE_MS * 8))
                await trio.sleep(tones.KEY_MS / 1000)
                leg.hear_keys(digit.upper())
                await trio.sleep(tones.KEY_PAUSE_MS / 1000)
            else:
                program.report.warn(BAD_KEYS, f"{digit!r} is no key")


async def _play(program: Program, audio: bytes) -> None:
    leg = program.leg
    with leg.while_there():
        try:
            leg.line.sound(audio)
            await leg.played()
        finally:
            leg.line.hush()


def _note(program: Program, text: str, ms: int) -> None:
    leg = program.leg
    program.report.words.append(Words(TWILIO, leg.name, text, program.floor.now_ms, ms))
    program.report.note("twilio_says", to=leg.name, text=text, ms=ms)


def _rounds(loop: int) -> int:
    return loop or MAX_ROUNDS
