"""From recordings to advice: listen, calibrate, find what is true, sweep, recommend. It prints and writes nothing."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final, TypeAlias

from attrs import evolve, field, frozen

from bridge.errors import BridgeError, TapeError
from bridge.settings.turn_detection import TurnBudget
from bridge.tapes.odd_tapes import tried
from bridge.tapes.reader import read_tape
from bridge.text.wording import counted
from replay.cluster.pool import Pool
from replay.sound.ears import EARS, Ear, groups, listened, smoothed
from replay.sound.silero_network import Floats, Policy
from replay.vad.engine.cache import Cache
from replay.vad.engine.machine import Hearing, Setting
from replay.vad.study.agreement import cases_of
from replay.vad.study.calibrate import Calibration, calibrate
from replay.vad.study.changes import Change, changes
from replay.vad.study.observed import Observed, observed
from replay.vad.study.recommend import OperatingPoints, Recommendation, operating_points, recommend
from replay.vad.study.status import NO_EVENTS, Status, quickest_semantic, status_of
from replay.vad.study.sweep import Grid, Sweep, sweep
from replay.vad.study.trust import apart_of, doubted
from replay.vad.study.unknown import unknown_to
from replay.vad.truth.checked import known_of
from replay.vad.truth.corpus import MS_PER_HOUR, Corpus
from replay.vad.truth.derive import WITNESS, derive
from replay.vad.truth.recording import NoAudioError, Recording, read_recording
from replay.vad.truth.truth import Truth

CALIBRATION_HOURS: Final = 2.0
"""Six numbers are fitted; more audio than this costs time and moves none of them."""

HANDED_OUT_HOURS: Final = 5
"""From here on the sweep takes longer than handing its thresholds to other processes."""

Tell: TypeAlias = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


class StudyError(BridgeError):
    """These recordings can't be studied together; `hint` says what to try."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@frozen
class Plan:
    """What is asked of a study.

    agent: for whom the setting is; the agent that took the calls unless told. hearing: how the server hears, if that
    is known; else it is fitted. trusts_engine: recommend even though nothing shows that the local engine hears as the
    server does. is_cautious: see `recommend`. labels: the folder of label files;
    beside the tapes unless told.
    """

    agent: str = ""
    grid: Grid = Grid()
    budget: TurnBudget = TurnBudget()
    current: Setting | None = None
    hearing: Hearing | None = None
    policy: Policy | None = None
    trusts_engine: bool = False
    is_cautious: bool = False
    labels: Path | None = None
    resamples: int = 1000
    seed: int = 0

    @property
    def drawing(self) -> dict[str, int]:
        """Return how calls are drawn for intervals."""
        return {"resamples": self.resamples, "seed": self.seed}


@frozen
class Study:
    """Everything that was found out; lists are in the order of the recordings.

    status: what it comes to; `why`, where that is no server_vad setting. probabilities: of each recording, (windows of
    32 ms,) float32, 0 to 1.
    """

    agent: str
    recordings: tuple[Recording, ...] = field(repr=False)
    truths: tuple[Truth, ...] = field(repr=False)
    probabilities: tuple[Floats, ...] = field(repr=False)
    calibration: Calibration | None
    hearing: Hearing
    corpus: Corpus = field(repr=False)
    sweep: Sweep = field(repr=False)
    recommendation: Recommendation
    changes: tuple[Change, ...] = field(repr=False)
    operating: OperatingPoints
    current: Setting | None
    status: Status
    why: str
    """Why nothing is recommended, for people; empty when something is."""
    observed: tuple[Observed, ...] = field(default=(), repr=False)
    """What the turn detections on the tapes really did, by their own events."""

    @property
    def noise_reduction(self) -> str:
        """Return what filtered all of this audio before the server's turn detection."""
        return self.recordings[0].noise_reduction

    @property
    def sources(self) -> dict[str, int]:
        """Return how many recordings' truth comes from where."""
        return dict(Counter(truth.source for truth in self.truths))

    @property
    def semantic(self) -> Observed | None:
        """Return the quickest semantic_vad on the tapes of those within the budget, or else of all; None for none."""
        return quickest_semantic(self.observed, self.sweep, self.recommendation.budget)

    @property
    def advised(self) -> Setting | None:
        """Return the setting to use; None when nothing is recommended."""
        chosen = self.recommendation.chosen
        return chosen.setting if chosen and self.status in ("change", "keep") else None


# ---------------------------------------------------------------- reading


def read_recordings(
    paths: Iterable[Path],
    *,
    agent: str = "",
    noise_reduction: str = "",
    pool: Pool | None = None,
    tell: Tell = lambda what, done, total: None,
    faults: list[TapeError] | None = None,
) -> tuple[list[Recording], list[tuple[Path, str]]]:
    """Read tapes; returns the recordings, and the tapes that can't be used, each with its reason.

    `faults` is given what is odd about those that can't be read. With `agent` or `noise_reduction` only those are
    taken. A call is taken once, however many tapes it has. Raises `StudyError` when what is left must not be mixed.
    """
    wanted, done = list(paths), count(1)
    tell("reading", 0, len(wanted))
    read = (pool or Pool()).do(_read, wanted, lambda place, one: tell("reading", next(done), len(wanted)))
    skipped = [
        (path, str(one)) for path, one in zip(wanted, read, strict=True) if isinstance(one, BridgeError)
    ]
    if faults is not None:
        faults += [one for one in read if isinstance(one, TapeError)]
    every = [one for one in read if isinstance(one, Recording)]
    taken: dict[str, Recording] = {}
    for one in every:
        if one.call_id in taken:
            skipped.append((Path(one.path), f"{one.path}: the same call as {taken[one.call_id].path}"))
        elif agent in ("", one.agent_name) and noise_reduction in ("", one.noise_reduction):
            taken[one.call_id] = one
    if every and not taken:
        raise StudyError("no call is left", f"what there is: {_there_is(every)}")
    _check(list(taken.values()), skipped)
    return list(taken.values()), skipped


def _read(path: Path) -> Recording | BridgeError:
    """Return the recording on a tape, or why there is none."""
    try:
        return tried(lambda one: read_recording(read_tape(one)), path)
    except NoAudioError as error:
        return error


def _there_is(recordings: Sequence[Recording]) -> str:
    """Return what could be asked for."""
    agents, kinds = ({getattr(one, name) for one in recordings} for name in ("agent_name", "noise_reduction"))
    return f"--agent {' or '.join(sorted(agents))}, --noise-reduction {' or '.join(sorted(kinds))}"


def _check(recordings: Sequence[Recording], skipped: Sequence[tuple[Path, str]]) -> None:
    if not recordings:
        why = f"; the first reason: {skipped[0][1]}" if skipped else ""
        raise StudyError(
            f"no recording to study: {counted(len(skipped), 'tape')} can't be used{why}", "tapes with audio"
        )
    for what, name, values in (
        ("agents", "--agent", Counter(one.agent_name for one in recordings)),
        ("noise reductions", "--noise-reduction", Counter(one.noise_reduction for one in recordings)),
    ):
        if len(values) > 1:
            counts = ", ".join(f"{value} ({count})" for value, count in values.most_common())
            reason = (
                "they have callers of their own"
                if what == "agents"
                else "it filters what turn detection hears"
            )
            raise StudyError(
                f"these tapes are of different {what}: {counts}; they are never mixed, for {reason}",
                f"{name} {values.most_common(1)[0][0]}",
            )


def setting_in_force(recordings: Iterable[Recording]) -> Setting | None:
    """Return the server_vad setting that most of the calls had; None when none had one."""
    found = Counter(one.heard[0].setting for one in recordings if one.heard)
    settings = [setting for setting, _ in found.most_common() if isinstance(setting, Setting)]
    return settings[0] if settings else None


# ---------------------------------------------------------------- the work


def listen(
    recordings: Sequence[Recording],
    ears: Sequence[Ear],
    pool: Pool,
    cache: Cache,
    done: Callable[[], None] = lambda: None,
) -> list[dict[Ear, Floats]]:
    """Return what each ear makes of each recording, (windows of 32 ms,) float32, from the cache if it has all of it."""
    found = [
        {ear: kept for ear in ears if (kept := cache.get(one.audio, ear)) is not None} for one in recordings
    ]
    missing = [number for number, known in enumerate(found) if len(known) < len(set(ears))]
    for _ in range(len(recordings) - len(missing)):
        done()
    together = [[missing[n] for n in group] for group in groups(len(recordings[n].audio) for n in missing)]

    def heard(place: int, many: list[dict[Ear, Floats]]) -> None:
        for number, one in zip(together[place], many, strict=True):
            found[number] = one
            for ear, own in one.items():  # now: what comes after may be interrupted
                cache.put(recordings[number].audio, ear, own)
            done()

    audios = [[recordings[number].audio for number in group] for group in together]
    pool.do(partial(listened, ears=tuple(ears)), audios, heard)
    return found


def study(
    recordings: Sequence[Recording],
    plan: Plan | None = None,
    *,
    pool: Pool | None = None,
    cache: Cache | None = None,
    tell: Tell = lambda what, done, total: None,
) -> Study:
    """Find out which setting these callers should have.

    `tell` is told what is being done. Raises `StudyError` when nothing can be found out from these recordings,
    `LabelError` for a label file that is wrong, `PoolError` when the work can't be handed out.

    >>> recordings, _ = read_recordings(sorted(Path("calls").glob("*.jsonl.gz")))
    >>> few = Grid(thresholds=(0.4, 0.5, 0.6), silences_ms=(300, 500, 700), prefixes_ms=(300,))
    >>> found = study(recordings, Plan(grid=few, trusts_engine=True, current=Setting(0.6, 500, 300), resamples=100))
    >>> found.sweep.values["turns_cut"].shape, len(found.truths) == len(recordings)
    ((3, 3), True)
    >>> found.status in ("change", "keep", "impossible")
    True
    """
    plan, pool, cache = plan or Plan(), pool or Pool(), cache or Cache()
    work = _Work(recordings, pool, cache, tell)
    calibration = None if plan.hearing else _calibrated(work, plan)
    hearing = _hearing(plan, calibration)
    heard, truths = _heard_and_true(work, hearing, plan.labels)
    corpus = _corpus(recordings, heard, truths, plan.budget.ended_within_ms)
    current = plan.current or setting_in_force(recordings)
    tell("sweeping", 0, 0)
    swept = _swept(plan, corpus, hearing, current, pool)
    swept = doubted(swept, calibration.apart if calibration else {})
    swept = evolve(swept, unknown=unknown_to(truths, recordings, hearing.ear))
    known = calibration.known if calibration and not plan.trusts_engine else (0.0, 1.0)
    recommendation = recommend(swept, plan.budget, current, known=known, is_cautious=plan.is_cautious)
    did = observed(
        recordings, heard, truths, hearing, **plan.drawing, ended_within_ms=plan.budget.ended_within_ms
    )
    status, why = status_of(_mistrust(plan, calibration), swept, recommendation, did)
    chosen = recommendation.chosen
    changed = changes(corpus, hearing, current, chosen.setting) if current and chosen else []
    return Study(
        plan.agent or recordings[0].agent_name, tuple(recordings), tuple(truths), tuple(heard), calibration, hearing,
        corpus, swept, recommendation, tuple(changed), operating_points(swept), current, status, why,
        did,
    )  # fmt: skip


def _hearing(plan: Plan, calibration: Calibration | None) -> Hearing:
    """Return how the server is taken to hear: as it is known to, as it was fitted, or else just as the engine."""
    fitted = calibration.hearing if calibration else Hearing(Ear(policy=plan.policy or "carry"))
    return plan.hearing or fitted


def _swept(plan: Plan, corpus: Corpus, hearing: Hearing, current: Setting | None, pool: Pool) -> Sweep:
    """Try the grid, today's setting among it, in other processes where that is worth it."""
    grid = plan.grid.including(current) if current else plan.grid
    mapped = pool.map if corpus.hours > HANDED_OUT_HOURS else map
    return sweep(corpus, grid, hearing, **plan.drawing, mapped=mapped)


def _mistrust(plan: Plan, calibration: Calibration | None) -> str:
    """Say why the local engine's word is not taken; empty when it is."""
    if plan.trusts_engine or plan.hearing is not None:
        return ""
    if calibration is None:
        return NO_EVENTS
    return "" if calibration.is_good else calibration.verdict()


@frozen
class _Work:
    """Listening, with word of how far it is."""

    recordings: Sequence[Recording]
    pool: Pool
    cache: Cache
    tell: Tell

    def listen(
        self, recordings: Sequence[Recording], ears: Collection[Ear], what: str
    ) -> list[dict[Ear, Floats]]:
        done, total = iter(range(1, len(recordings) + 1)), len(recordings)
        self.tell(what, 0, total)
        return listen(
            recordings, sorted(ears), self.pool, self.cache, lambda: self.tell(what, next(done), total)
        )


def _calibrated(work: _Work, plan: Plan) -> Calibration | None:
    """Fit the hearing to what the server said in these calls; None when it said nothing that could be used."""
    chosen = _sample(
        [one for one in work.recordings if any(isinstance(h.setting, Setting) and h.turns for h in one.heard)]
    )
    if not chosen:
        return None
    ears = [ear for ear in EARS if plan.policy in (None, ear.policy)]
    listened_to = work.listen(chosen, {*ears, WITNESS}, "listening with all ears")
    work.tell("calibrating", 0, 0)
    heard = {ear: [one[ear] for one in listened_to] for ear in ears}
    found = calibrate(cases_of(chosen, heard), mapped=work.pool.map)
    truths = _truths(chosen, listened_to, plan.labels)
    apart = apart_of(chosen, listened_to, truths, found.others, plan.budget.ended_within_ms)
    return evolve(found, apart=apart)


def _sample(recordings: Sequence[Recording]) -> list[Recording]:
    """Return recordings from all over the list, up to two hours of them."""
    hours = sum(one.length_ms for one in recordings) / MS_PER_HOUR
    step = max(1, -(-int(hours * 1000) // int(CALIBRATION_HOURS * 1000)))
    return list(recordings[::step])


def _heard_and_true(work: _Work, hearing: Hearing, labels: Path | None) -> tuple[list[Floats], list[Truth]]:
    """Return what the hearing makes of each recording, and what is true of it."""
    listened_to = work.listen(work.recordings, {hearing.ear, WITNESS}, "listening")
    heard = [smoothed(one[hearing.ear], hearing.smoothing) for one in listened_to]
    return heard, _truths(work.recordings, listened_to, labels)


def _truths(
    recordings: Sequence[Recording],
    listened_to: Sequence[Mapping[Ear, Floats]],
    labels: Path | None,
) -> list[Truth]:
    pairs = zip(recordings, listened_to, strict=True)
    return [known_of(recording, labels, partial(derive, recording, own[WITNESS])) for recording, own in pairs]


def _corpus(
    recordings: Sequence[Recording], heard: Sequence[Floats], truths: Sequence[Truth], ended_within_ms: int
) -> Corpus:
    names = [recording.call_id for recording in recordings]
    corpus = Corpus.of(names, heard, truths, ended_within_ms)
    if not len(corpus.turns.start):
        raise StudyError(
            "nobody speaks in these recordings", "tapes of calls in which the caller says something"
        )
    return corpus
