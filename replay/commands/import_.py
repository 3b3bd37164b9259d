"""`replay import`: a recording of any phone call becomes a tape, for people who have recordings and no tapes yet."""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

import click

from bridge import __version__
from bridge.agents import Agent
from bridge.errors import BridgeError
from bridge.heart.audio import FRAME_BYTES
from bridge.screen.errors import complain, explains_errors
from bridge.tapes.header import Header, encode_header, settings_of
from bridge.tapes.tape import NOTE, Line, decode
from bridge.text.wording import counted, seconds
from replay.commands.options import complain_of_file
from replay.simulation.rehearsal import FRAME_MS, Rehearsal
from replay.sound.recordings import Recording, RecordingError, Turn, give_words, read_recording, turns_of
from replay.tapes.rewrite import write_tape

STARTED_MS: Final = 100
"""When the media stream starts: the model is ready by then."""

LONGEST_MS: Final = 3500 * 1000
"""A call can last 59 minutes; the rest is for its beginning and end."""

NOTICED_MS: Final = 50
"""How long after the caller's last sound the turn is over: as short as turn detection can be set."""

ANSWERED_MS: Final = 50_000
"""A turn of the caller's that nobody answers in this time was no turn: the heart would give up waiting at 60 s."""


@click.command(name="import")
@click.argument(
    "recording", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="RECORDING"
)
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), required=True,
              help="The tape to write; compressed when its name ends in .gz.")  # fmt: skip
@click.option("--transcript", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="FILE",
              help="What was said: a line each, SECONDS caller|agent: WORDS.")  # fmt: skip
@explains_errors
def import_(recording: Path, output: Path, transcript: Path | None) -> None:
    """Make a tape of a recorded call: left the caller, right the agent.

    RECORDING is a WAV file at any rate, as phone systems write them (integers, floating point, µ-law, A-law), whole
    or written to a pipe.

    The caller's side comes as Twilio's media frames would; the agent's side as a Realtime model would deliver
    it, a response each time somebody speaks after half a second of quiet. Between those lies silence on the
    tape. Everything the bridge itself does is today's bridge hearing all that.

    The tape says that it is imported, in the place of the code's version and in its log. Its agent is called
    "imported" and never interrupted, because the recording already ends where the caller cut in. Turns are
    found by level, so their times are good to a few frames of 20 ms.

    \b
    replay import call.wav -o call.jsonl.gz
    replay import call.wav --transcript call.txt -o call.jsonl.gz
    replay show call.jsonl.gz; replay wav call.jsonl.gz -o again.wav

    \b
    A transcript:
      0.4 agent: Hello, this is Harbour Table. How can I help you?
      4.1 caller: Are you open on Sunday?
    """
    sound = read_recording(recording)
    caller, agent = turns_of(sound.caller), turns_of(sound.agent)
    if transcript:
        give_words(transcript, caller, agent)
    started = datetime.fromtimestamp(recording.stat().st_mtime, UTC)
    lines = imported(sound, caller, agent, recording.name, started)
    try:
        write_tape(output, lines)
    except OSError as error:
        complain_of_file(output, error)
    except BridgeError as error:
        complain(str(error))
    length = seconds(len(sound.caller) // FRAME_BYTES * FRAME_MS)
    turns = f"the caller speaks {counted(len(caller), 'time')}, the agent {len(agent)}"
    click.echo(f"{output}: {length}, {turns}")


def imported(
    sound: Recording, caller: list[Turn], agent: list[Turn], name: str, started: datetime
) -> list[bytes]:
    """Return the tape's lines, its header first. Raises `RecordingError` for a call that can't be one."""
    length_ms = len(sound.caller) // FRAME_BYTES * FRAME_MS
    if not sound.caller or length_ms > LONGEST_MS:
        raise RecordingError(f"{name} lasts {length_ms // 1000} s: a call lasts up to {LONGEST_MS // 1000} s")
    header = _header(sound, name, started)
    rehearsal = Rehearsal(header)
    note = {"kind": "imported", "file": name, "call_s": length_ms // 1000}
    rehearsal.put(Line(t_ms=0, leg=NOTE, sender=IMPORTER, note=note))
    rehearsal.opens()
    rehearsal.streams(STARTED_MS, sound.caller, header.call_sid, header.account_sid)
    for number, turn in enumerate(agent):
        audio = sound.agent[turn.first * FRAME_BYTES : turn.end * FRAME_BYTES]
        rehearsal.agent_turn(f"item_agent_{number}", _ms(turn.first), audio, turn.words)
    for number, turn in enumerate(caller):
        _add_caller_turn(rehearsal, f"item_caller_{number}", turn, agent)
    lines = rehearsal.run()
    ends = [line for line in map(decode, lines) if line.end is not None]
    if not ends or ends[0].t_ms < STARTED_MS + length_ms:
        when = f"at {ends[0].t_ms / 1000:.1f} s: {ends[0].end}" if ends else "never"
        raise RecordingError(
            f"{name}: today's bridge would have ended this call {when}; cut the recording there"
        )
    return [encode_header(header), *lines]


IMPORTER: Final = "import"
"""Who says that a tape is imported: neither a peer nor the bridge, so that no replay waits for it."""


def _ms(frame: int) -> int:
    return STARTED_MS + frame * FRAME_MS


def _add_caller_turn(rehearsal: Rehearsal, name: str, turn: Turn, agent: list[Turn]) -> None:
    """Make a turn of it if the agent answered; else only its words are known to the conversation."""
    began, end = _ms(turn.first), _ms(turn.end) + NOTICED_MS
    is_answered = any(end <= _ms(answer.first) <= end + ANSWERED_MS for answer in agent)
    if is_answered:
        rehearsal.caller_turn(name, began, end, turn.words)
    else:
        rehearsal.caller_item(name, end, turn.words)


def _header(sound: Recording, name: str, started: datetime) -> Header:
    settings = settings_of(Agent()) | {
        "instructions": f"Imported from {name}.",
        "turn_detection": {
            "type": "server_vad",
            "silence_duration_ms": NOTICED_MS,
            "interrupt_response": False,
        },
        "limits": {
            "max_call_seconds": 3540,
            "quiet_seconds": 3540,
            "answer_timeout_ms": 60_000,
            "max_turn_seconds": 3540,
        },
    }
    number = sha256(sound.caller + sound.agent).hexdigest()[:32]
    return Header(
        call_id=f"CA{number}", call_sid=f"CA{number}", account_sid=f"AC{'0' * 32}", agent="imported",
        started_at=started.isoformat(timespec="milliseconds"), model="imported",
        code=f"imported by {__version__}", settings=settings,
    )  # fmt: skip
