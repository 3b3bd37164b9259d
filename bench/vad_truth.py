"""How far truth that is worked out from calls is off from what is true of them: the last part of bench/vad.md.

    OPENBLAS_NUM_THREADS=1 uv run python -m bench.vad_truth          (about a minute)

Composed calls, whose truth is known as a person's labels would tell it, are heard by a server of the local engine's
kind and given the transcripts that a good transcriber would make. What is derived from them is held to what is true, as
it was (by the server's own ear, ends where that lets go), and as it is.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from unittest.mock import patch

from bench.sections import put_section
from replay.sound.ears import Ear, groups, listened
from replay.sound.silero_network import Floats
from replay.vad.compose.compose import ComposedCall, Recipe, composed_calls
from replay.vad.compose.composed_tape import heard_turns
from replay.vad.engine.machine import Hearing, Setting
from replay.vad.study.sweep import Grid, Sweep, sweep
from replay.vad.study.unknown import unknown_to
from replay.vad.truth import derive as deriving
from replay.vad.truth.corpus import Corpus
from replay.vad.truth.derive import WITNESS, derive
from replay.vad.truth.recording import Heard, Recording, ServerTurn
from replay.vad.truth.truth import Truth

REPORT: Final = Path(__file__).with_name("vad.md")
TITLE: Final = "Derived truth and known truth"
CALLS: Final = 60
SEED: Final = 78
"""Not the calls on which it was measured how late the ear is."""
IN_FORCE: Final = Setting(0.6, 500, 300)
SERVERS: Final = {
    "its memory kept": Hearing(Ear(), shift=-0.1, hysteresis=0.2, lag_ms=40),
    "its memory emptied": Hearing(WITNESS, shift=-0.1, hysteresis=0.2, lag_ms=40),
}
SHOWN: Final = {
    "turns_cut": "turns cut off", "pauses_cut": "pauses cut", "short_missed": "short replies missed",
    "false_per_hour": "false starts an hour", "onset_clipped": "beginnings clipped", "not_ended": "turns not ended",
    "delay_mean_ms": "delay, mean", "delay_p90_ms": "delay, P90",
}  # fmt: skip


def main() -> None:
    page = "\n".join(written())
    put_section(REPORT, TITLE, page)
    print(page)


def written() -> Iterator[str]:
    calls = list(composed_calls(Recipe(), SEED, calls=CALLS))
    told = heard_by(calls)
    yield (
        f"`bench/vad_truth.py`: {CALLS} composed calls, the server at threshold {IN_FORCE.threshold:g}, silence"
        f" {IN_FORCE.silence_duration_ms} ms, with transcripts. As it was: by the server's own ear, ends where that"
        " lets go. As it is: by another ear, what that notices late taken off."
    )
    for name, hearing in SERVERS.items():
        recordings = [recording_of(call, hearing) for call in calls]
        before = as_it_was(recordings, [one[hearing.ear] for one in told])
        after = [derive(one, own[WITNESS]) for one, own in zip(recordings, told, strict=True)]
        heard = [one[hearing.ear] for one in told]
        columns = [
            measured(calls, heard, truths, hearing)
            for truths in ([one.truth for one in calls], before, after)
        ]
        unknown = unknown_to(after, recordings, hearing.ear)
        yield f"\n| a server of Silero's, {name} | true | derived, as it was | derived, as it is |\n|---|---|---|---|"
        for metric, title in SHOWN.items():
            cells = [shown(metric, one.at(metric, 0, 0).value) for one in columns]
            cells[2] += ", told to be unknown" if metric in unknown else ""
            yield f"| {title} | {' | '.join(cells)} |"


def heard_by(calls: Sequence[ComposedCall]) -> list[dict[Ear, Floats]]:
    found: list[dict[Ear, Floats]] = [{} for _ in calls]
    for group in groups(len(one.audio) for one in calls):
        heard = listened([calls[n].audio for n in group], [Ear(), WITNESS])
        for number, one in zip(group, heard, strict=True):
            found[number] = one
    return found


def recording_of(call: ComposedCall, hearing: Hearing) -> Recording:
    turns = tuple(read(call, turn) for turn in heard_turns(call, IN_FORCE, hearing))
    return Recording(
        call.call_id, "", "front-desk", call.audio, "none", (Heard(IN_FORCE, turns),), call.truth.agent
    )


def read(call: ComposedCall, turn: tuple[int, int | None]) -> ServerTurn:
    """Return a turn of the server's with its transcript: words where somebody spoke, else nothing."""
    over_ms = call.truth.length_ms if turn[1] is None else turn[1] - IN_FORCE.silence_duration_ms
    start_ms = turn[0] + IN_FORCE.prefix_padding_ms
    spoken = any(one.span.start_ms < over_ms and start_ms < one.span.end_ms + 100 for one in call.truth.turns)
    return ServerTurn(*turn, words="words" if spoken else "")


def as_it_was(recordings: Sequence[Recording], heard: Sequence[Floats]) -> list[Truth]:
    with patch.object(deriving, "STARTS_LATE_MS", 0), patch.object(deriving, "ENDS_LATE_MS", 0):
        return [derive(one, own) for one, own in zip(recordings, heard, strict=True)]


def measured(
    calls: Sequence[ComposedCall], heard: Sequence[Floats], truths: Sequence[Truth], hearing: Hearing
) -> Sweep:
    corpus = Corpus.of([one.call_id for one in calls], heard, truths)
    grid = Grid((IN_FORCE.threshold,), (IN_FORCE.silence_duration_ms,), (IN_FORCE.prefix_padding_ms,))
    return sweep(corpus, grid, hearing, resamples=2)


def shown(metric: str, value: float) -> str:
    if metric.endswith("_ms"):
        return f"{value:.0f} ms"
    return f"{value:.0f}" if metric == "false_per_hour" else f"{value * 100:.1f} %"


if __name__ == "__main__":
    main()
