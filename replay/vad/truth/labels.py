"""Label files: what a person heard in a recorded caller, as Audacity writes it, a line a label.

`start<TAB>end<TAB>label`, in seconds of the file that `replay wav` writes. `replay vad labels` writes one to begin
with. Nothing is worked out here: what the file says is checked, and taken.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from attrs import define, evolve, field, frozen

from bridge.errors import BridgeError
from replay.tapes.beside import written_beside
from replay.vad.truth.recording import Recording
from replay.vad.truth.truth import Source, Span, Truth, Turn

COMPOSED: Final = "# composed"
"""The first line of labels that came with a recording put together from known parts."""

UNCHECKED: Final = "not checked"
NOTICE: Final = f"comment: {UNCHECKED}: worked out from the call; delete this label once you have listened"
"""Stands in files that nobody has listened to yet: a label, because Audacity shows it and complains of `#` lines."""

CHECKED: Final = "checked"
ASK: Final = "ask"
"""Labels of a file that tells of moments alone: what a person listened to, and what one is asked to listen to."""

WORDS: Final = ("turn", "pause", "unsure", "agent", "noise", "comment", CHECKED, ASK)
KNOWN_OTHERWISE: Final = frozenset({"agent", "noise", "comment", ASK})
"""Labels for people: the tape knows when the agent was heard, and where no turn is, nobody spoke."""

ADVICE: Final = "use turn, pause, unsure, agent, noise: ... or comment: ..."

SLACK_MS: Final = 500
"""A label drawn by hand may end so far outside the recording: more than that, and it is another call's."""

SUFFIXES: Final = (".labels.txt", ".labels.tsv")
TAPE_SUFFIXES: Final = (".jsonl.gz", ".jsonl")

NUMBER: Final = re.compile(r"[+-]?[0-9]{1,9}(\.[0-9]*)?")
COMMA: Final = re.compile(r"[+-]?[0-9]{1,9},[0-9]*")
HEADINGS: Final = (["start", "end"], ["start_s", "end_s"])


class LabelError(BridgeError):
    """A label file can't be used; `faults` has one complete sentence per fault, with file and line."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def labels_beside(tape_path: Path) -> Path | None:
    """Return the label file that lies beside a tape: <call id>.labels.txt, or else .labels.tsv."""
    return _labels_in(tape_path.parent, tape_path)


def find_labels(tape_path: Path, folder: Path | None) -> Path | None:
    """Return a tape's label file: the one in this folder if there is one, or else the one beside the tape."""
    inside = _labels_in(folder, tape_path) if folder is not None else None
    return inside or labels_beside(tape_path)


def default_path(tape_path: Path) -> Path:
    """Return where a tape's label file is written unless told."""
    return tape_path.with_name(_call_id(tape_path) + SUFFIXES[0])


def _labels_in(folder: Path, tape_path: Path) -> Path | None:
    paths = (folder / (_call_id(tape_path) + suffix) for suffix in SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def _call_id(tape_path: Path) -> str:
    name = tape_path.name
    return next((name.removesuffix(end) for end in TAPE_SUFFIXES if name.endswith(end)), name)


# ---------------------------------------------------------------- writing


def write_labels(path: Path, truth: Truth, recording: Recording) -> None:
    """Write what is known about a recording, over whatever stood there. Raises `OSError`.

    `read_labels` gives the same truth back, to the ms; where two frames carry one timestamp, to the frame.
    """
    lines = lines_of(truth, recording)
    if truth.source == "composed":
        lines.insert(0, COMPOSED)
    if truth.source == "derived" and truth.checked is None:
        lines.insert(0, f"0.000\t0.000\t{NOTICE}")
    with written_beside(path) as part:
        part.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")


def write_questions(path: Path, recording: Recording, truth: Truth, spans: Sequence[Span]) -> None:
    """Write a label file that asks about these moments, with what is worked out of them and when the agent was heard.

    Raises `OSError`.
    """
    inside = evolve(
        truth,
        turns=tuple(one for one in truth.turns if _is_in(one.span, spans)),
        unsure=tuple(one for one in truth.unsure if _is_in(one, spans)),
        checked=None,
    )
    asks = [
        f"{_wav_seconds(recording, span)}\t{ASK}: put this right, and call me {CHECKED}" for span in spans
    ]
    with written_beside(path) as part:
        part.write_text(
            "".join(f"{line}\n" for line in [*asks, *lines_of(inside, recording)]), encoding="utf-8"
        )


def _is_in(span: Span, others: Iterable[Span]) -> bool:
    return any(one.start_ms <= span.start_ms and span.end_ms <= one.end_ms for one in others)


def lines_of(truth: Truth, recording: Recording) -> list[str]:
    """Return what is known about a recording as the lines of a label file, in order."""
    rows = sorted(_rows(truth), key=lambda row: (row[0].start_ms, -row[0].end_ms))
    return [f"{_wav_seconds(recording, span)}\t{label}" for span, label in rows]


def _rows(truth: Truth) -> Iterator[tuple[Span, str]]:
    for turn in truth.turns:
        words = " ".join(turn.words.split())
        yield turn.span, f"turn: {words}" if words else "turn"
        yield from ((pause, "pause") for pause in turn.pauses)
    yield from ((span, "unsure") for span in truth.unsure)
    yield from ((span, "agent") for span in truth.agent)
    yield from ((span, CHECKED) for span in truth.checked or ())


def _wav_seconds(recording: Recording, span: Span) -> str:
    """Return both ends; the second follows the last ms that is in the span, not the next one given to the model."""
    start_ms, end_ms = recording.wav_ms(span.start_ms), recording.wav_ms(span.end_ms - 1) + 1
    return f"{start_ms / 1000:.3f}\t{end_ms / 1000:.3f}"


# ---------------------------------------------------------------- reading


@frozen
class Label:
    """One line of a label file, in ms of the file that `replay wav` writes."""

    line: int
    start_ms: int
    end_ms: int
    word: str
    text: str = ""

    def __str__(self) -> str:
        return f"{self.word} {self.start_ms / 1000:.3f} to {self.end_ms / 1000:.3f} s"


def read_labels(path: Path, recording: Recording) -> Truth:
    """Return what a label file says about this recording. Raises `LabelError` with everything that is wrong in it.

    The source is "labels"; "composed" when the first line says so; "derived" while the notice stands in it that
    nobody has checked what was worked out, and where it tells of moments alone: then `checked` says which, and only
    what lies in them is told.
    """
    return read_lines(text_of(path), path, recording)


def read_lines(lines: Sequence[str], path: Path, recording: Recording) -> Truth:
    """Return what the lines of a label file say, as `read_labels` does; complaints name this path."""
    if not any(map(str.strip, lines)):
        advice = "export the labels again; for a call in which nobody speaks write: # nobody speaks"
        raise LabelError([f"{path}: there is nothing in it: {advice}"])
    reader = _Reader(path, recording)
    for number, line in enumerate(lines, start=1):
        reader.take(number, line)
    truth = reader.truth("composed" if lines[0].strip() == COMPOSED else "labels")
    if reader.faults:
        raise LabelError(reader.faults)
    return truth


def text_of(path: Path) -> list[str]:
    """Return a file's lines. Raises `LabelError`."""
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise LabelError([f"{path}: can't be read: {error.strerror or error}"]) from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise LabelError([f"{path}:{line}: this is not UTF-8 text: save the labels as UTF-8"]) from None
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


@define
class _Reader:
    """Takes a file line by line; `faults` is all that is wrong so far."""

    path: Path
    recording: Recording
    faults: list[str] = field(factory=list)
    _labels: list[Label] = field(factory=list)
    _is_unchecked: bool = False
    _asks: bool = False

    def take(self, number: int, line: str) -> None:
        """Take in one line."""
        if not line.strip() or line.lstrip().startswith("#") or line.startswith("\\"):
            return  # a backslash begins Audacity's line of frequencies
        cells = [cell.strip() for cell in line.split("\t", 2)]
        if [cell.lower() for cell in cells[:2]] in HEADINGS:
            return
        if len(cells) < 3:
            self._complain(number, f"found {line.strip()!r}: write start, end and label with a tab between")
            return
        start_ms, end_ms = (self._ms(number, cell) for cell in cells[:2])
        word, _, text = cells[2].partition(":")
        if start_ms is not None and end_ms is not None:
            self._add(Label(number, start_ms, end_ms, word.strip().lower(), " ".join(text.split())))

    def truth(self, source: Source) -> Truth:
        """Return what all lines say together."""
        turns, pauses, unsure, checked = (self._called(word) for word in ("turn", "pause", "unsure", CHECKED))
        self._check_overlaps(turns)
        self._check_overlaps(pauses)
        self._check_pauses(pauses, turns)
        is_partial = bool(checked or self._asks)
        if is_partial:
            turns, unsure = ([*self._inside(labels, checked)] for labels in (turns, unsure))
        return Truth(
            turns=tuple(turn for label in turns if (turn := self._turn(label, pauses))),
            source="derived" if self._is_unchecked or is_partial else source,
            length_ms=self.recording.length_ms,
            agent=self.recording.agent,
            unsure=tuple(_joined(self._given((label.start_ms, label.end_ms) for label in unsure))),
            checked=tuple(_joined(self._given((one.start_ms, one.end_ms) for one in checked)))
            if is_partial
            else None,
        )

    def _inside(self, labels: Iterable[Label], checked: Sequence[Label]) -> Iterator[Label]:
        """Yield the labels in what was checked; complain of those that are there in part."""
        for label in labels:
            near = [one for one in checked if one.start_ms < label.end_ms and label.start_ms < one.end_ms]
            if any(one.start_ms <= label.start_ms and label.end_ms <= one.end_ms for one in near):
                yield label
            elif near:
                self._complain(
                    label.line,
                    f"{label} is only in part inside {near[0]} (line {near[0].line}): widen the latter",
                )

    def _complain(self, number: int, fault: str) -> None:
        self.faults.append(f"{self.path}:{number}: {fault}")

    def _ms(self, number: int, cell: str) -> int | None:
        if NUMBER.fullmatch(cell):
            return round(float(cell) * 1000)
        if COMMA.fullmatch(cell):
            self._complain(number, f"found {cell}: seconds have a decimal point, {cell.replace(',', '.')}")
        else:
            self._complain(number, f"found {cell!r} where seconds should stand: write them as 12.345")
        return None

    def _add(self, label: Label) -> None:
        if label.word not in WORDS:
            self._complain(label.line, f"found the label {label.word!r}: {ADVICE}")
        elif label.end_ms < label.start_ms:
            self._complain(label.line, f"{label} ends before it starts: exchange the two")
        elif label.word in KNOWN_OTHERWISE:
            self._asks |= label.word == ASK
            self._is_unchecked |= label.word == "comment" and label.text.lower().startswith(UNCHECKED)
        elif label.end_ms == label.start_ms:
            self._complain(label.line, f"{label} has no length: drag its end to where the {label.word} ends")
        elif self._is_near(label):
            self._labels.append(label)

    def _is_near(self, label: Label) -> bool:
        """Complain when a label lies outside of what the model was given to hear."""
        begin_ms, over_ms = self._limits()
        if begin_ms - SLACK_MS <= label.start_ms and label.end_ms <= over_ms + SLACK_MS:
            return True
        self._complain(
            label.line,
            f"{label} is outside the recording: the model was given the caller from {begin_ms / 1000:.3f}"
            f" to {over_ms / 1000:.3f} s; correct or delete it, or find the labels of this call",
        )
        return False

    def _limits(self) -> tuple[int, int]:
        """Return where in the wav the recording begins, and the moment after its last ms."""
        return self.recording.wav_ms(0), self.recording.wav_ms(max(0, self.recording.length_ms - 1)) + 1

    def _called(self, word: str) -> list[Label]:
        chosen = (label for label in self._labels if label.word == word)
        return sorted(chosen, key=lambda label: (label.start_ms, label.end_ms, label.line))

    def _check_overlaps(self, labels: Sequence[Label]) -> None:
        for before, label in pairwise(labels):
            if label.start_ms < before.end_ms:
                self._complain(
                    label.line,
                    f"{label} begins before the {before.word} of line {before.line} is over"
                    f" ({before.end_ms / 1000:.3f} s): end that one earlier, or make one of the two",
                )

    def _check_pauses(self, pauses: Iterable[Label], turns: Sequence[Label]) -> None:
        for pause in pauses:
            if not any(_holds(turn, pause) for turn in turns):
                self._complain(
                    pause.line,
                    f"{pause} is not inside a turn: a pause has speech of the same turn on both sides;"
                    " draw one turn over all of it, or delete the pause",
                )

    def _turn(self, label: Label, pauses: Iterable[Label]) -> Turn | None:
        """Return the turn as the model was given it; None when none of it was."""
        inside = [pause for pause in pauses if _holds(label, pause)]
        edges = [
            label.start_ms,
            *(ms for pause in inside for ms in (pause.start_ms, pause.end_ms)),
            label.end_ms,
        ]
        speech = list(self._given(zip(edges[0::2], edges[1::2], strict=True)))
        return Turn.of_speech(speech, label.text) if speech else None

    def _given(self, spans: Iterable[tuple[int, int]]) -> Iterator[Span]:
        """Yield spans of the wav on the clock of the audio, as far as the model was given them."""
        begin_ms, over_ms = self._limits()
        for start_ms, end_ms in spans:
            first = self.recording.audio_ms(max(start_ms, begin_ms))
            last = self.recording.audio_ms(min(end_ms, over_ms))
            if first < last:
                yield Span(first, last)


def _holds(turn: Label, pause: Label) -> bool:
    return turn.start_ms < pause.start_ms and pause.end_ms < turn.end_ms


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order, those that overlap as one."""
    joined: list[Span] = []
    for span in spans:
        if joined and span.start_ms < joined[-1].end_ms:
            span = Span(joined[-1].start_ms, max(joined.pop().end_ms, span.end_ms))
        joined.append(span)
    return joined
