"""Composed calls as tapes, which the lab reads as it reads real calls, and what is true of them as label files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import asdict, evolve

from bridge import __version__
from bridge.agents import Agent
from bridge.heart.audio import bytes_of
from bridge.tapes.header import Header, encode_header, settings_of
from bridge.tapes.tape import NOTE, Line, decode
from replay.simulation.rehearsal import Rehearsal
from replay.sound.ears import listened, smoothed
from replay.sound.silero_network import WINDOW_MS
from replay.tapes.rewrite import write_tape
from replay.vad.compose.compose import ComposedCall, ComposeError
from replay.vad.engine.machine import Hearing, Setting, naive_segments
from replay.vad.truth.labels import COMPOSED
from replay.vad.truth.truth import Span, Truth

AGENT: Final = "composed"
COMPOSER: Final = "compose"
"""Who says that a tape is composed: neither a peer nor the bridge, so that no replay waits for it."""

STARTED_MS: Final = 100
"""When the media stream starts: the model is ready by then, and is given every frame as it comes. So audio, stream
and `replay wav` have one clock, and what is at x ms of the audio happens x ms after this."""

STARTED_AT: Final = "2000-01-01T00:00:00.000+00:00"
"""The same call is the same tape, whenever it is written; and nobody takes it for a recorded one."""

DEFAULT: Final = Setting(0.5, 500, 300)
"""What turn detection is set to unless told, the API's own defaults."""

ANSWERED_MS: Final = 50_000
"""Whoever waits longer for the model is given an answer without a sound: the heart would give up at 60 s."""

ServerTurn: TypeAlias = tuple[int, int | None]
OFF: Final[dict[str, Any]] = {"audio": {"input": {"turn_detection": None}}}


def tape_of(
    composed: ComposedCall,
    *,
    setting: Setting | None = None,
    hearing: Hearing | None = None,
    server_turns: Sequence[ServerTurn] = (),
    noise_reduction: str = "none",
) -> list[bytes]:
    """Return the call as a tape's lines, its header first. Raises `ComposeError` for events that can't be.

    setting: what turn detection was asked for on it; with none, and no events, the tape says that it was off.
    server_turns: the server's events, as (audio_start_ms, audio_end_ms): prefix taken off, silence included, in order;
    None for an end that never came.
    hearing: in their place the events that the local engine and machine would make with that setting.
    noise_reduction: what the tape says was asked for; nothing is done about it.
    """
    if hearing is not None:
        server_turns = heard_turns(composed, setting or DEFAULT, hearing)
    _check(server_turns, composed.truth.length_ms)
    header = _header(composed, setting or DEFAULT, noise_reduction)
    rehearsal = Rehearsal(header)
    note = {"kind": COMPOSER + "d", "seed": composed.seed, "number": composed.number}
    rehearsal.put(Line(t_ms=0, leg=NOTE, sender=COMPOSER, note=note))
    rehearsal.opens()
    if setting is None and not server_turns:
        rehearsal.model(STARTED_MS // 2, "session.updated", session={"type": "realtime", **OFF})
    rehearsal.streams(STARTED_MS, composed.audio, header.call_sid, header.account_sid)
    _add_agent(rehearsal, composed)
    _add_server_turns(rehearsal, server_turns, (setting or DEFAULT).prefix_padding_ms)
    _add_silent_answers(rehearsal, composed.truth, server_turns)
    lines = rehearsal.run()
    _check_end(lines, composed.truth.length_ms)
    return [encode_header(header), *lines]


def heard_turns(composed: ComposedCall, setting: Setting, hearing: Hearing) -> list[ServerTurn]:
    """Return the turns that the local engine makes of it; the last may have no end before the call does."""
    (heard,) = listened([composed.audio], [hearing.ear])
    windows = smoothed(heard[hearing.ear], hearing.smoothing)
    before_ms, last_ms = hearing.lag_ms - setting.prefix_padding_ms, composed.truth.length_ms
    return [
        (
            max(0, (one.first + 1) * WINDOW_MS + before_ms),
            None if one.stop is None else min((one.stop + 1) * WINDOW_MS + hearing.lag_ms, last_ms),
        )
        for one in naive_segments(windows, setting, hearing)
    ]


def write_composed(folder: Path, composed: ComposedCall, **asked: Any) -> Path:
    """Write a call as `CALLID.jsonl.gz` and `CALLID.labels.txt`; return the tape's path. `asked` is as for `tape_of`.

    Raises `OSError` and `ComposeError`.
    """
    path = folder / f"{composed.call_id}.jsonl.gz"
    write_tape(path, tape_of(composed, **asked))
    path.with_name(f"{composed.call_id}.labels.txt").write_text(labels_of(composed), encoding="utf-8")
    return path


def labels_of(composed: ComposedCall) -> str:
    """Return what is true of it in Audacity's label format: seconds of the audio, and of what `replay wav` writes."""
    truth = composed.truth
    labels = [(turn.span, f"turn: {turn.words}" if turn.words else "turn") for turn in truth.turns]
    labels += [(pause, "pause") for turn in truth.turns for pause in turn.pauses]
    labels += [(span, "unsure") for span in truth.unsure]
    labels += [(span, f"noise: {kind}") for kind, span in composed.events]
    return f"{COMPOSED}\n" + "".join(_label(span, label) for span, label in sorted(labels))


def _label(span: Span, label: str) -> str:
    """Return one line; white space within words would end it."""
    return f"{span.start_ms / 1000:.3f}\t{span.end_ms / 1000:.3f}\t{' '.join(label.split())}\n"


# ---------------------------------------------------------------- the tape's parts


def _header(composed: ComposedCall, setting: Setting, noise_reduction: str) -> Header:
    settings = settings_of(evolve(Agent(), noise_reduction=noise_reduction)) | {
        "instructions": f"Composed with seed {composed.seed}, call {composed.number}.",
        # Nobody is interrupted, and no answer is asked for: what the agent says was decided before.
        "turn_detection": {
            "type": "server_vad", **asdict(setting), "create_response": False, "interrupt_response": False,
        },
        "limits": {
            "max_call_seconds": 3540, "quiet_seconds": 3540, "answer_timeout_ms": 60_000, "max_turn_seconds": 3540,
        },
    }  # fmt: skip
    number = composed.call_id
    return Header(
        call_id=number, call_sid=number, account_sid=f"AC{'0' * 32}", agent=AGENT, started_at=STARTED_AT,
        model=AGENT, code=f"composed by {__version__}", settings=settings,
    )  # fmt: skip


def _add_agent(rehearsal: Rehearsal, composed: ComposedCall) -> None:
    for number, (span, words) in enumerate(zip(composed.truth.agent, composed.agent_words, strict=True)):
        audio = composed.agent_audio[bytes_of(span.start_ms) : bytes_of(span.end_ms)]
        rehearsal.agent_turn(f"item_agent_{number}", STARTED_MS + span.start_ms, audio, words)


def _add_server_turns(rehearsal: Rehearsal, turns: Sequence[ServerTurn], prefix_ms: int) -> None:
    """Let the server say when it heard the caller begin and end, each as soon as it can know."""
    for number, (start_ms, end_ms) in enumerate(turns):
        buffer, item = "input_audio_buffer", {"item_id": f"item_caller_{number}"}
        known_ms = start_ms + prefix_ms if end_ms is None else min(start_ms + prefix_ms, end_ms)
        rehearsal.model(STARTED_MS + known_ms, f"{buffer}.speech_started", audio_start_ms=start_ms, **item)
        if end_ms is not None:
            over_ms = STARTED_MS + end_ms
            rehearsal.model(over_ms, f"{buffer}.speech_stopped", audio_end_ms=end_ms, **item)
            rehearsal.model(over_ms, f"{buffer}.committed", previous_item_id=None, **item)
            rehearsal.caller_item(item["item_id"], over_ms)


def _add_silent_answers(rehearsal: Rehearsal, truth: Truth, turns: Sequence[ServerTurn]) -> None:
    """Let the model say nothing, at once, where nobody is going to speak in time: at the start, or after a turn."""
    spoken = [span.start_ms for span in truth.agent]
    for number, over_ms in enumerate((0, *(end_ms for _, end_ms in turns if end_ms is not None))):
        if not any(over_ms <= start_ms <= over_ms + ANSWERED_MS for start_ms in spoken):
            _answer_with_nothing(rehearsal, f"item_nothing_{number}", STARTED_MS + over_ms + 1)


def _answer_with_nothing(rehearsal: Rehearsal, name: str, t_ms: int) -> None:
    response = f"resp_{name}"
    part = {"response_id": response, "item_id": name, "output_index": 0, "content_index": 0}
    rehearsal.model(t_ms, "response.created", response={"id": response, "status": "in_progress"})
    rehearsal.model(t_ms, "response.output_audio.delta", **part, delta="")
    rehearsal.model(t_ms, "response.output_audio.done", **part)
    done: dict[str, Any] = {"id": response, "status": "completed", "status_details": None, "output": []}
    rehearsal.model(t_ms, "response.done", response=done)


def _check(turns: Sequence[ServerTurn], length_ms: int) -> None:
    over_ms = 0
    for number, (start_ms, end_ms) in enumerate(turns, 1):
        until_ms = end_ms if end_ms is not None else length_ms
        is_last_or_over = end_ms is not None or number == len(turns)
        if not 0 <= start_ms < until_ms <= length_ms or until_ms <= over_ms or not is_last_or_over:
            raise ComposeError(
                f"a server turn from {start_ms} to {end_ms} ms: give them in order, within the {length_ms} ms"
            )
        over_ms = until_ms


def _check_end(lines: Sequence[bytes], length_ms: int) -> None:
    """Make sure that the heart did not end the call before its caller did."""
    ends = [line for line in map(decode, lines[-20:]) if line.end is not None]
    if not ends or ends[0].t_ms < STARTED_MS + length_ms:
        when = f"at {ends[0].t_ms / 1000:.1f} s ({ends[0].end})" if ends else "never"
        raise ComposeError(
            f"today's bridge would end this call {when}: use fewer server turns, or shorter music"
        )
