"""Random courses of a call for hypothesis, plausible and hostile, and a history that lives through one."""

from typing import Any

from attrs import define, evolve, field
from away import agent_with_places
from heart import SID, START, TOOLS, of
from hypothesis import strategies as st

from bridge.agents import Agent
from bridge.heart.call import Call
from bridge.heart.effects import (
    Effect,
    LeaveStream,
    ReturnToStream,
    SendMark,
)
from bridge.heart.events import (
    AgentWords,
    CallerAway,
    CallerSpoke,
    CallerWords,
    ClockRang,
    Event,
    ExcursionEnded,
    FarEndTold,
    IdleTimedOut,
    KeyPressed,
    LinkStalled,
    MarkReached,
    MessageBroken,
    MessageIgnored,
    MessageUnknown,
    ModelErred,
    ModelFinishedAudio,
    ModelLeft,
    ModelSpoke,
    ModelTryFailed,
    ModelUnreachable,
    PhoneLeft,
    RateLimitsTold,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    StreamConnected,
    StreamStarted,
    StreamStopped,
    ToolAnswered,
    ToolCalled,
    ToolFailed,
    ToolReported,
    TranscriptCame,
    TranscriptionFailed,
    TurnCommitted,
)
from bridge.heart.wishes import InstructionWhispered, ListenerCame, ListenerLeft, Stopped, TransferAsked
from bridge.prices import PUBLISHED
from bridge.settings.filler import Clip, Filler
from bridge.settings.speaking import Speaking
from bridge.settings.tool_speech import ToolSpeech
from bridge.settings.turn_detection import ServerVad
from bridge.tool_rules import ToolRule
from bridge.wire.realtime_session import refused_settings
from bridge.wire.retry_after import retry_after_ms

# ---------------------------------------------------------------- events, plausible and hostile

responses = st.integers(1, 8).map("r{}".format)
sids = st.sampled_from([SID, SID, SID, SID, "MZ2", "MZ3", "MZ-other"])
calls = st.sampled_from(["c1", "c2", "c3"])
WAYS_OUT = ("transfer_call", "send_digits", "collect_digits", "take_message")
RULES = {"search": ToolRule(late=True), "pay": ToolRule(once=True), "scan": ToolRule(cancellable=True)}
ALL_TOOLS = [*TOOLS, *({"type": "function", "name": name, "parameters": {}} for name in RULES)]
names = st.sampled_from(["look_up", "look_up", "book_table", "hang_up", "unknown", *RULES, *RULES, *WAYS_OUT])
arguments = st.sampled_from(
    [
        '{"place": "sales", "digits": "1w2#", "count": 4}',
        '{"place": "anna", "digits": "1", "listen": true, "count": 2}',
        '{"place": "line"}', '{"place": "nobody", "count": 0}', '{"reason": "bye"}', "{}", "[",
    ]
)  # fmt: skip
marks = st.integers(1, 30).map("m{}".format)
places = st.tuples(responses, st.sampled_from(["a", "b"]), st.sampled_from([0, 0, 0, 1]))
audio = st.builds(
    lambda ms, odd, seed: bytes((seed + at * 7) % 256 for at in range(ms * 8 + odd)),
    st.sampled_from([0, 1, 20, 110, 400, 1300]),
    st.sampled_from([0, 0, 0, 3]),
    st.integers(0, 255),
)
codes = st.sampled_from(
    ["", "conversation_already_has_active_response", "rate_limit_exceeded", "server_error", "brand_new"]
)
messages = st.sampled_from(["", "?", "Please try again in 1.2s.", "Please try again in 40s."])
refusals = st.sampled_from(["", "audio.input.transcription", "audio.output.voice"]).map(refused_settings)
client_ids = st.one_of(st.just(""), st.integers(1, 12).map("b{}".format))

spoke = st.builds(
    lambda place, sound: ModelSpoke(place[0], f"{place[0]}{place[1]}", place[2], sound), places, audio
)
finished_audio = places.map(lambda place: ModelFinishedAudio(f"{place[0]}{place[1]}", place[2]))
frames = st.builds(
    CallerSpoke, sids, st.integers(0, 60), st.sampled_from([b"\x01" * 160, b"\x02" * 160, b"\x03"])
)
speech = st.one_of(
    st.just(SpeechStarted("u", 0)),
    st.just(SpeechStopped("u", 0)),
    st.just(TurnCommitted("u")),
)
statuses = st.sampled_from(["completed", "completed", "cancelled", "incomplete", "failed"])


PRICES = PUBLISHED.of("gpt-realtime-2.1", "gpt-transcribe")
usages = st.sampled_from(
    [{}, {}, {"output_token_details": {"audio_tokens": 100}}, {"output_token_details": 7}]
)
written = st.builds(
    TranscriptCame,
    st.just("u"),
    st.just("Yes."),
    st.sampled_from([{}, {"type": "duration", "seconds": 20.0}]),
)


def failed_or_not(
    response: str, status: str, code: str, message: str, usage: dict[str, Any]
) -> ResponseFinished:
    return ResponseFinished(response, status, "", code, message, retry_after_ms(message), usage)


def erred(code: str, message: str, client_event_id: str, refused: tuple[str, ...]) -> ModelErred:
    return ModelErred(code, "", message, client_event_id, refused, retry_after_ms(message))


words = st.builds(
    AgentWords,
    responses.map("{}a".format),
    st.just(0),
    st.sampled_from(["Let me check ", "it."]),
    st.booleans(),
)

everyday = st.one_of(
    words,
    spoke, spoke, spoke, frames, speech, speech, finished_audio,
    responses.map(ResponseCreated),
    st.builds(failed_or_not, responses, statuses, codes, messages, usages),
    st.builds(RateLimitsTold, st.sampled_from([1, 700, 20_000])),
    st.just(TranscriptionFailed("u", "audio_unintelligible")), written, st.just(IdleTimedOut("u")),
    st.sampled_from([TranscriptCame("u", "No, wait."), TranscriptCame("u", "Mhm."), TranscriptCame("u", "")]),
    st.sampled_from([CallerWords("u", "I"), CallerWords("u", " want")]),
    st.builds(MarkReached, sids, marks),
    st.builds(MarkReached, sids, marks),
    st.builds(ToolCalled, responses, calls, names, arguments),
    st.builds(ToolAnswered, calls, st.text(max_size=5)),
    st.builds(ToolFailed, calls, st.sampled_from(["crashed", "arguments"]), st.text(max_size=5)),
    st.builds(ToolReported, calls, st.text(max_size=5)),
    st.builds(KeyPressed, sids, st.sampled_from("019#*A")),
    st.builds(erred, codes, messages, client_ids, refusals),
    st.sampled_from([ClockRang(), StreamConnected(), SessionCreated(0), SessionUpdated(), START]),
    st.builds(MessageIgnored, st.just("rate_limits.updated")),
    st.builds(MessageUnknown, st.sampled_from(["twilio", "model"]), st.sampled_from(["x", "y"])),
    st.builds(MessageBroken, st.sampled_from(["twilio", "model"]), st.sampled_from(["not JSON", "binary frame"])),
)  # fmt: skip
numbers = st.integers(1, 3)
outcomes = st.sampled_from(
    [
        *(("Dial", outcome, {"DialCallStatus": told}) for outcome, told in (
            ("completed", "completed"), ("busy", "busy"), ("no_answer", "no-answer"), ("failed", "failed"),
        )),
        ("Dial", "completed", {"DialBridged": "false", "DialCallStatus": "completed"}),  # in the order of `KEPT`
        ("Record", "recorded", {"RecordingUrl": "https://api/RE1"}), ("Gather", "collected", {"count": "4"}),
        ("Gather", "empty", {}), ("Play", "sent", {}), ("Enqueue", "bridged", {}), ("Enqueue", "full", {}),
        ("any", "refused", {}),
    ]
)  # fmt: skip
TIMED = ("Dial", "Record", "Enqueue")


def excursion_ended(
    number: int, told: tuple[str, str, dict[str, str]], seconds: int, *, gone: bool
) -> ExcursionEnded:
    verb, outcome, data = told
    seconds = max(1, seconds) if outcome == "recorded" else seconds  # one without length is told as none
    return ExcursionEnded(number, outcome, seconds if verb in TIMED else 0, data, is_gone=gone)


away = st.one_of(
    st.builds(CallerAway, numbers, is_gone=st.sampled_from([False] * 9 + [True])),
    st.builds(
        FarEndTold, numbers, st.sampled_from(["ringing", "answered", "accepted", "declined", "completed"])
    ),
    st.builds(
        excursion_ended, numbers, outcomes, st.integers(0, 99), gone=st.sampled_from([False] * 9 + [True])
    ),
    st.sampled_from(["MZ2", "MZ3"]).map(lambda sid: StreamStarted(sid, "CA1", "audio/x-mulaw", 8000, 1)),
)
operators = st.one_of(
    st.builds(ListenerCame, st.just("ada"), numbers), st.builds(ListenerLeft, numbers),
    st.builds(InstructionWhispered, st.just("ada"), st.text(max_size=5), st.booleans()),
    st.builds(TransferAsked, st.just("ada"), st.sampled_from(["sales", "anna", "line", "mars"]), st.text(max_size=3)),
)  # fmt: skip
endings = st.sampled_from(
    [
        StreamStopped(SID), StreamStopped("MZ-other"), PhoneLeft(1006, ""), PhoneLeft(1000, "bye"),
        ModelLeft(1001, "60 minutes"), ModelUnreachable("no route"),
        ModelTryFailed("HTTP 5xx", "503"), LinkStalled("twilio"), LinkStalled("model"),
        Stopped("operator", "drained"), Stopped("operator", "drained", "Bye.", 3000),
        ModelErred("session_expired", "", "", ""), ModelErred("bad", "", "", "b1"),
        SessionUpdated("audio/pcm", "audio/pcm"),
        StreamStarted("MZ-other", "CA1", "audio/l16", 16000, 1),
    ]
)  # fmt: skip
gaps = st.sampled_from([0, 0, 1, 7, 20, 20, 60, 100, 250, 900, 2500, 7000])
steps = st.tuples(gaps, st.one_of(*[everyday] * 40, away, away, operators, operators, endings))


@define
class Echo:
    """Twilio echoes the next so many of the marks that it was sent."""

    marks: int


@st.composite
def answers(draw: st.DrawFn) -> list[tuple[int, Event | Echo]]:
    """Draw a whole response, perhaps with a tool call in it."""
    response = draw(responses)
    happens: list[Event] = [ResponseCreated(response)]
    for item in draw(st.sampled_from(["a", "ab", ""])):
        happens += [
            ModelSpoke(response, response + item, 0, sound) for sound in draw(st.lists(audio, max_size=3))
        ]
        happens.append(ModelFinishedAudio(response + item, 0))
    if draw(st.booleans()):
        happens.append(ToolCalled(response, draw(calls), draw(names), "{}"))
    happens.append(draw(st.builds(ResponseFinished, st.just(response), statuses, st.just(""), codes)))
    return [(draw(gaps), event) for event in happens]


@st.composite
def turns(draw: st.DrawFn) -> list[tuple[int, Event | Echo]]:
    """Draw a turn of the caller's, perhaps written down."""
    happens: list[Event] = [SpeechStarted("u", 0), SpeechStopped("u", 0), TurnCommitted("u")]
    happens += draw(st.sampled_from([[], [TranscriptCame("u", "No, wait.")], [TranscriptCame("u", "")]]))
    return [(draw(gaps), event) for event in happens]


PRESENT = 0
"""Stands for the number of the excursion, or of the leg, that the call has got to."""

NEXT_SID = "MZ-next"


@st.composite
def excursions(draw: st.DrawFn) -> list[tuple[int, Event | Echo]]:
    """Draw a whole excursion, from the wish to the new stream, of which now and then something is missing."""
    response = draw(responses)
    wish = ToolCalled(response, draw(calls), draw(st.sampled_from(WAYS_OUT)), draw(arguments))
    tellings = draw(st.lists(st.sampled_from(["ringing", "answered", "accepted", "declined"]), max_size=2))
    happens: list[Event] = [
        TurnCommitted("u"), ResponseCreated(response), wish, ResponseFinished(response, "completed"),
        CallerAway(PRESENT),
        *(FarEndTold(PRESENT, what) for what in tellings),
        excursion_ended(PRESENT, draw(outcomes), draw(st.integers(0, 99)), gone=False),
        StreamStarted(NEXT_SID, "CA1", "audio/x-mulaw", 8000, 1),
        ResponseCreated(f"{response}n"), ModelSpoke(f"{response}n", f"{response}n", 0, draw(audio)),
        ResponseFinished(f"{response}n", "completed"),
    ]  # fmt: skip
    return [(draw(gaps), event) for event in happens if draw(st.integers(0, 29))]


@st.composite
def reconnections(draw: st.DrawFn) -> list[tuple[int, Event | Echo]]:
    """Draw a session that is lost, and the next one, of which now and then something is missing."""
    lost = draw(
        st.sampled_from(
            [ModelLeft(1006, ""), LinkStalled("model"), ModelErred("session_expired", "", "", "")]
        )
    )
    happens = (lost, SessionCreated(0), SessionUpdated())
    return [(draw(gaps), event) for event in happens if draw(st.integers(0, 9))]


scenes = st.one_of(
    reconnections(),
    answers(), answers(), turns(), excursions(), excursions(),
    steps.map(lambda step: [step]), steps.map(lambda step: [step]),
    st.tuples(gaps, st.builds(Echo, st.integers(1, 9))).map(lambda step: [step]),
    frames.map(lambda frame: [(20, frame)] * 5),
)  # fmt: skip


Course = list[tuple[int, Event | Echo]]
BEGUN: tuple[tuple[int, Event | Echo], ...] = ((5, SessionCreated(0)), (9, SessionUpdated()), (3, START))


def course_of(is_begun: bool, scenes: list[Course]) -> Course:
    return [*(BEGUN if is_begun else ()), *(step for scene in scenes for step in scene)]


courses = st.builds(
    course_of, st.sampled_from([True] * 7 + [False]), st.lists(scenes, min_size=5, max_size=16)
)
PLANS: tuple[tuple[str, ...], ...] = (
    (), (), ("say:Sorry.", "hang_up"), ("dial:sales", "voicemail"), ("dial:nobody", "queue:support"),
    ("https://example.com/other",),
)  # fmt: skip


FILLERS = (Filler(), Filler(Clip("hold.wav", b"\x11" * 3210), after_ms=200, again_ms=500))


def agent_of(
    plan: tuple[str, ...],
    *,
    create: bool,
    interrupt: bool,
    filler: Filler,
    speech: ToolSpeech,
    **limits: float,
) -> Agent:
    vad = ServerVad(create_response=create, interrupt_response=interrupt)
    agent = agent_with_places(*plan, **limits)
    return evolve(agent, turn_detection=vad, filler=filler, tool_speech=speech, listen_in=True)


agents = st.builds(
    agent_of,
    st.sampled_from(PLANS),
    create=st.booleans(),
    interrupt=st.sampled_from([True, True, False]),
    speech=st.sampled_from([ToolSpeech(), ToolSpeech(600, "clip", "", 500, 500)]),
    filler=st.sampled_from(FILLERS),
    lead_ms=st.sampled_from([40, 300]),
    tools_at_once=st.sampled_from([1, 8]),
    max_call_seconds=st.sampled_from([5, 20, 1800]),
    goodbye_seconds=st.sampled_from([0, 4]),
    quiet_seconds=st.sampled_from([2, 60]),
    still_there_times=st.sampled_from([1, 3]),
    quiet_goodbye_seconds=st.sampled_from([0, 1, 8]),
    spend_cap_usd=st.sampled_from([0, 0, 0.01, 0.1]),
    still_there_seconds=st.sampled_from([0, 1, 15]),
    lost_media_ms=st.sampled_from([2000, 100_000, 100_000]),
    held_caller_audio_ms=st.sampled_from([20, 3000]),
    reconnects=st.sampled_from([0, 1, 3]),
    session_seconds=st.sampled_from([0, 3, 3300]),
    stream_returns=st.sampled_from([0, 2]),
    say_again=st.booleans(),
)


speaking_rules = st.builds(
    Speaking,
    protect_greeting=st.sampled_from([False, False, True]),
    protected=st.sampled_from([(), (), ("Hello there.",)]),
    keys_interrupt_protected=st.booleans(),
    min_speech_ms=st.sampled_from([0, 0, 100, 600]),
    min_words=st.sampled_from([0, 0, 2]),
    backchannels=st.booleans(),
    resume_after_ms=st.sampled_from([500, 2000, 0]),
).filter(lambda speaking: speaking.has_rules)
ruled_agents = st.builds(lambda agent, speaking: evolve(agent, speaking=speaking), agents, speaking_rules)
"""Agents with speaking rules."""

everybody = st.one_of(agents, ruled_agents)


@define
class Told:
    """One thing that happened to the call, and what it wanted then."""

    at: int
    event: Event
    wanted: list[Effect]
    deadline: int | None
    is_over: bool


@define
class History:
    """A call's whole course; alarms ring as they fall due, as the daemon's do, half a millisecond late at most."""

    agent: Agent
    call: Call = field(init=False)
    told: list[Told] = field(factory=list)
    first: list[Effect] = field(init=False)
    now: int = 0
    echoed: int = 0

    def __attrs_post_init__(self) -> None:
        self.call = Call(self.agent, ALL_TOOLS, prices=PRICES, tool_rules=RULES)
        self.first = self.call.begin()

    def live(self, course: Course) -> "History":
        """Let everything happen."""
        for gap, event in course:
            until = self.now + gap
            while (deadline := self.call.deadline) is not None and deadline < until:
                self.tell(max(deadline, self.now), ClockRang())
            for one in self.echoes(event.marks) if isinstance(event, Echo) else [event]:
                self.tell(until, one)
            self.now = until
        return self

    def echoes(self, marks: int) -> list[Event]:
        """Return the next so many echoes."""
        waiting = of(self.wanted, SendMark)[self.echoed : self.echoed + marks]
        self.echoed += len(waiting)
        return [MarkReached(mark.stream_sid, mark.name) for mark in waiting]

    def tell(self, at: int, event: Event) -> None:
        """Let one thing happen."""
        self.now, event = at, self.placed(event)
        wanted = self.call.handle(event, at)
        self.told.append(Told(at, event, wanted, self.call.deadline, self.call.is_over))

    def placed(self, event: Event) -> Event:
        """Return an event with the numbers that the call has got to, where it has none of its own."""
        match event:
            case CallerAway(leg=0):
                return evolve(event, leg=self._leg)
            case FarEndTold(number=0) | ExcursionEnded(number=0):
                return evolve(event, number=len(of(self.wanted, LeaveStream)))
            case StreamStarted(stream_sid="MZ-next"):
                return evolve(event, stream_sid=f"MZ{self._leg}")
        return event

    @property
    def _leg(self) -> int:
        return 1 + len(of(self.wanted, ReturnToStream))

    @property
    def wanted(self) -> list[Effect]:
        """Everything the call wanted."""
        return [*self.first, *(effect for one in self.told for effect in one.wanted)]


def history(agent: Agent, course: Course) -> History:
    return History(agent).live(course)
