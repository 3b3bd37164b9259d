"""An agent's settings: what it says, how it listens, what it may do, what bounds its calls. Values, checked once."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from attrs import evolve, field, frozen

from bridge import dates
from bridge.checks import (
    choice,
    flag,
    names_of,
    nearest,
    number,
    read_table,
    refusal,
    setting,
    shown,
    text,
    whole,
)
from bridge.settings import languages, placeholders
from bridge.settings.filler import Filler, heard
from bridge.settings.hours import SPANS, Hours
from bridge.settings.languages import Sentence, sayable
from bridge.settings.leaving import read_leaving
from bridge.settings.limits import Limits
from bridge.settings.outgoing import Outgoing, about_outgoing
from bridge.settings.places import Collect, FailurePlan, Place, Voicemail
from bridge.settings.session_table import (
    EFFORTS,
    Context,
    McpServer,
    about_context,
    keywords,
    read_mcp,
    read_session,
    tracing,
)
from bridge.settings.speaking import Speaking, about_speaking
from bridge.settings.tool_speech import ToolSpeech, read_tool_speech
from bridge.settings.trial import CONTROL, Trial, read_trial
from bridge.settings.turn_detection import (
    ServerVad,
    TurnBudget,
    TurnDetection,
    read_shadow,
    read_turn_detection,
)

VOICES = ("alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse")
MOST_DAYS = 36_500
WITHOUT_PROMPT = "gpt-realtime-whisper"
"""A transcription model that the service gives no prompt to."""

AGENT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@frozen
class Keep:
    """How many days an agent's calls are kept; 0 is for ever. In the file, what is left out is as [recording] says."""

    audio_days: int | None = setting(None, whole(0, MOST_DAYS))
    tapes_days: int | None = setting(None, whole(0, MOST_DAYS))
    rows_days: int | None = setting(None, whole(0, MOST_DAYS))


def _table(raw: Any) -> Any:
    return raw  # a table of its own: read in `_agent`, where its faults can be placed


@frozen
class Agent:
    """One voice agent: what it says, how it listens, what it may do."""

    name: str = field(default="", metadata={"check": text("no name here: it is the table's")})
    instructions: str = setting(
        "You are a friendly assistant on the phone. Keep answers short.",
        text("the goal of the agent, in plain words"),
    )
    greeting: str = setting("Hello! How can I help you?", text("the agent's first words"))
    voice: str = setting("marin", choice(*VOICES))
    language: str | tuple[str, ...] = setting("en", languages.language)
    noise_reduction: str = setting("near_field", choice("near_field", "far_field", "none"))
    keys: str = setting("masked", choice("masked", "kept"))
    transcription_model: str = setting("gpt-transcribe", languages.transcription_model)
    transcription_prompt: str = setting("", text("what the transcription should know", empty=True))
    transcription_keywords: tuple[str, ...] = setting((), keywords)
    speed: float = setting(1.0, number(0.25, 1.5))
    reasoning_effort: str = setting("", choice("", *EFFORTS))
    parallel_tool_calls: bool | None = setting(None, flag)
    tracing: str | Mapping[str, Any] = setting("", tracing)
    time_zone: str = setting("", dates.time_zone)
    tools: tuple[str, ...] = setting((), names_of('a list such as ["my_tools:book_table"]'))
    failure_sentence: Sentence = setting(
        Sentence("I'm sorry, something went wrong on our side. Please call again in a moment.", "en-US"),
        sayable("the words a caller hears when the model can't be had"),
    )
    goodbye_sentence: Sentence = setting(
        Sentence(
            "We have to end this call here. Please call again if there is anything else. Goodbye.", "en-US"
        ),
        sayable("the words a caller hears when a limit ends the call", empty=True),
    )
    still_there_sentences: tuple[str, ...] = setting(
        (),
        names_of('a list such as ["Are you still there?", "I can\'t hear you."]; [] leaves it to the model'),
    )
    say_language: str = setting("", languages.twilio_language)
    say_voice: str = setting("", languages.twilio_voice)
    max_output_tokens: int = setting(4096, whole(1, 4096))
    when_full: str = setting("", refusal(empty=True))
    variables: Mapping[str, str] = field(factory=dict, metadata={"check": placeholders.variables})
    turn_detection: TurnDetection = setting(ServerVad(), _table)
    turn_budget: TurnBudget = setting(TurnBudget(), _table)
    shadow: TurnDetection | None = setting(None, _table)
    trial: Trial | None = setting(None, _table)
    speaking: Speaking = setting(Speaking(), _table)
    context: Context = setting(Context(), _table)
    session: Mapping[str, Any] = setting({}, _table)
    mcp: Mapping[str, McpServer] = setting({}, _table)
    limits: Limits = setting(Limits(), _table)
    tool_speech: ToolSpeech = setting(ToolSpeech(), _table)
    filler: Filler = setting(Filler(), _table)
    keep: Keep = setting(Keep(), _table)
    transfer: Mapping[str, Place] = setting({}, _table)
    send_digits: bool = setting(False, flag)
    listen_in: bool = setting(False, flag)
    voicemail: Voicemail | None = setting(None, _table)
    collect: Collect | None = setting(None, _table)
    failure: FailurePlan = setting(FailurePlan(), _table)
    hours: Hours = setting(Hours(), _table)
    outbound: Outgoing | None = setting(None, _table)

    @property
    def places(self) -> Mapping[str, Place]:
        """Return where the model may put callers."""
        return {name: place for name, place in self.transfer.items() if place.is_offered}

    @property
    def languages(self) -> tuple[str, ...]:
        """Return what callers may speak; nothing if it is to be detected."""
        return languages.all_of(self.language)

    def in_call(self, call_id: str) -> "Agent":
        """Return this agent with the turn detection that a call has: its own, or in that arm its trial's."""
        if self.trial is None or self.trial.arm(call_id) == CONTROL:
            return self
        return evolve(self, turn_detection=self.trial.turn_detection)

    @property
    def server_turn_detection(self) -> TurnDetection:
        """Return what is asked of the server: with speaking rules it neither interrupts nor answers by itself."""
        if not self.speaking.has_rules:
            return self.turn_detection
        return evolve(self.turn_detection, create_response=False, interrupt_response=False)

    @property
    def clips(self) -> Mapping[str, bytes]:
        """Return the sound of each file that may be played to callers as it stands."""
        return {clip.file: clip.sound for clip in (self.filler.clip,) if clip.sound}

    def sentence(self, words: str) -> Sentence:
        """Return words as Twilio shall say them to this agent's callers."""
        for own in (self.failure_sentence, self.goodbye_sentence):
            if words == own.text:
                return own
        spoken = self.say_language or languages.said_by_twilio(self.languages)
        # A voice that is named has its language; a pair that doesn't fit may not be said at all.
        return Sentence(words, "" if "." in self.say_voice else spoken, self.say_voice)


def read_agents(raw: Any, faults: list[str]) -> dict[str, Agent]:
    """Return the agents of a file's table `agents`; `faults` gets one sentence for each fault."""
    if not isinstance(raw, dict) or not raw:
        faults.append("[agents]: no agent; add a table [agents.front-desk] with instructions and a greeting")
        return {}
    agents = {name: _agent(name, table, faults) for name, table in raw.items()}
    faults += _about_substitutes(agents)
    return agents


def with_clips(agents: Mapping[str, Agent], folder: Path, faults: list[str]) -> dict[str, Agent]:
    """Return agents with the sound of the clips that they name; relative paths start at the folder."""
    return {
        name: evolve(
            agent,
            filler=evolve(
                agent.filler, clip=heard(agent.filler.clip, folder, f"agents.{name}.filler", faults)
            ),
        )
        for name, agent in agents.items()
    }


def _about_substitutes(agents: Mapping[str, Agent]) -> Iterator[str]:
    for name, agent in agents.items():
        other = agent.hours.agent
        if other and other == name:
            yield f'[agents.{name}.hours] agent = "{other}": use another one: outside its hours it is closed itself'
        elif other and other not in agents:
            yield f"[agents.{name}.hours] agent = {shown('agent', other)}: no such agent; {nearest(other, agents)}"


def _agent(name: str, raw: Any, faults: list[str]) -> Agent:
    at = f"agents.{name}"
    if not AGENT_NAME.fullmatch(name) or name == "ws":
        faults.append(
            f'[{at}]: use a name of a-z, 0-9, "-" and "_" other than "ws": it becomes part of a URL'
        )
    if isinstance(raw, dict) and "name" in raw:
        faults.append(f"[{at}] name: unknown key; the agent's name is its table's: {name}")
    agent = read_table(Agent, raw, at=at, faults=faults)
    tables = raw if isinstance(raw, dict) else {}
    faults += _about_languages(agent, at)
    faults += _about_placeholders(agent, at)
    faults += _about_hours(tables.get("hours"), f"{at}.hours")
    faults += _about_transcription(agent, at)
    agent = _spoken(agent)
    leaving = read_leaving(tables, at, faults)
    turn_detection = read_turn_detection(tables.get("turn_detection", {}), f"{at}.turn_detection", faults)
    filler = read_table(Filler, tables.get("filler", {}), at=f"{at}.filler", faults=faults)
    return evolve(
        agent,
        name=name,
        transfer=leaving.transfer,
        voicemail=leaving.voicemail,
        collect=leaving.collect,
        failure=leaving.failure,
        turn_detection=turn_detection,
        turn_budget=read_table(
            TurnBudget, tables.get("turn_budget", {}), at=f"{at}.turn_budget", faults=faults
        ),
        shadow=read_shadow(tables.get("shadow"), f"{at}.shadow", faults),
        trial=read_trial(tables.get("trial"), turn_detection, f"{at}.trial", faults),
        speaking=_read_speaking(tables.get("speaking", {}), agent, turn_detection, f"{at}.speaking", faults),
        context=_read_context(tables.get("context", {}), f"{at}.context", faults),
        mcp=read_mcp(tables.get("mcp", {}), f"{at}.mcp", faults),
        session=read_session(tables.get("session", {}), f"{at}.session", faults),
        limits=read_table(Limits, tables.get("limits", {}), at=f"{at}.limits", faults=faults),
        tool_speech=read_tool_speech(
            tables.get("tool_speech", {}), f"{at}.tool_speech", faults, has_clip=bool(filler.clip.file)
        ),
        filler=filler,
        keep=read_table(Keep, tables.get("keep", {}), at=f"{at}.keep", faults=faults),
        hours=read_table(Hours, tables.get("hours", {}), at=f"{at}.hours", faults=faults),
        outbound=_read_outbound(tables.get("outbound"), agent.variables, f"{at}.outbound", faults),
    )


def _about_hours(raw: Any, at: str) -> Iterator[str]:
    """A table that closes nothing was meant to: whoever wrote it would have callers answered at night."""
    if isinstance(raw, dict) and not raw.keys() & {"open", "closed_days"}:
        yield f"[{at}]: never closed; add open = {SPANS}, or leave the table out"


def _about_placeholders(agent: Agent, at: str) -> Iterator[str]:
    for key, words in (("instructions", agent.instructions), ("greeting", agent.greeting)):
        for wrong in placeholders.unknown_in(words, agent.variables):
            yield f"[{at}] {key}: {wrong}"


def _spoken(agent: Agent) -> Agent:
    """Return the agent with its sentences as Twilio shall say them: a file, and a tape, has their words alone.

    Ours are English, whatever the agent speaks.
    """
    ours = Agent()
    mute = evolve(agent, failure_sentence=Sentence(""), goodbye_sentence=Sentence(""))

    def as_said(words: Sentence | str) -> Sentence:
        text = words if isinstance(words, str) else words.text
        known = [own for own in (ours.failure_sentence, ours.goodbye_sentence) if own.text == text]
        return known[0] if known else mute.sentence(text)

    return evolve(
        agent,
        failure_sentence=as_said(agent.failure_sentence),
        goodbye_sentence=as_said(agent.goodbye_sentence),
    )


def _about_languages(agent: Agent, at: str) -> Iterator[str]:
    """Yield what each value alone doesn't show."""
    several, model = len(agent.languages) > 1, agent.transcription_model
    if several and model and model not in languages.SEVERAL:
        yield f'[{at}] language: {model} takes one language; name one, or "" for all, or use {languages.SEVERAL[0]}'
    if agent.languages and not (
        agent.say_language or agent.say_voice or languages.said_by_twilio(agent.languages)
    ):
        known = ", ".join(languages.OF_TWILIO)
        yield (
            f'[{at}] language: no voice of Twilio\'s is known for "{agent.languages[0]}", to say the failure_sentence; '
            f"set say_voice, or say_language to one of {known}"
        )


def _about_transcription(agent: Agent, at: str) -> Iterator[str]:
    """Yield what the service would refuse of how a transcription is helped."""
    model = agent.transcription_model
    if (agent.transcription_prompt or agent.transcription_keywords) and not model:
        yield f"[{at}] transcription_model: name one, or leave transcription_prompt and transcription_keywords out"
    elif agent.transcription_keywords and model not in languages.SEVERAL:
        yield f"[{at}] transcription_keywords: {model} takes none; use {languages.SEVERAL[0]}"
    if agent.transcription_prompt and model == WITHOUT_PROMPT:
        yield f"[{at}] transcription_prompt: {model} takes none; use {languages.SEVERAL[0]}"


def _read_context(raw: Any, at: str, faults: list[str]) -> Context:
    context = read_table(Context, raw, at=at, faults=faults)
    faults += about_context(context, at)
    return context


def _read_speaking(raw: Any, agent: Agent, vad: TurnDetection, at: str, faults: list[str]) -> Speaking:
    speaking = read_table(Speaking, raw, at=at, faults=faults)
    faults += about_speaking(speaking, agent.languages, agent.transcription_model, vad, at)
    return speaking


def _read_outbound(raw: Any, variables: Collection[str], at: str, faults: list[str]) -> Outgoing | None:
    if raw is None:
        return None
    outgoing = read_table(Outgoing, raw, at=at, faults=faults)
    faults += about_outgoing(outgoing, at)
    faults += [f"[{at}] message: {wrong}" for wrong in placeholders.unknown_in(outgoing.message, variables)]
    return outgoing


def agent_from(name: str, raw: Mapping[str, Any]) -> Agent:
    """Return an agent from settings written before, by any version: what this one can't use has its default."""
    tables = {key: _as_json_has_it(value) for key, value in raw.items()}
    line = {key: _written(tables.pop(key), kind) for key, kind in OFF_THE_LINE.items() if key in tables}
    return evolve(
        _agent(name, tables, []), **{key: value for key, value in line.items() if value is not None}
    )


def _as_json_has_it(value: Any) -> Any:
    """Return a value as it is once it was written and read: a tape that never left memory says the same."""
    if isinstance(value, dict):
        return {key: _as_json_has_it(one) for key, one in value.items()}
    return [_as_json_has_it(one) for one in value] if isinstance(value, tuple) else value


OFF_THE_LINE: Final[Mapping[str, Any]] = {
    "transfer": dict[str, Place], "voicemail": Voicemail, "collect": Collect, "failure": FailurePlan,
    "filler": Filler,
}  # fmt: skip
"""Settings that are written into a header as the values they are: the file has other words for some of them."""


def _written(raw: Any, kind: Any) -> Any:
    """Return the value that was written, None for what this version can't use."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError:
        return None
