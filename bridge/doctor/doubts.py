"""What is allowed in a configuration and still looks like a mistake; pure, for `bridge check`."""

from collections.abc import Iterator
from typing import Final

from bridge.agents import WITHOUT_PROMPT, Agent
from bridge.config import Realtime, Secrets, Settings
from bridge.heart.speaking.words import phrase_of
from bridge.prices import PUBLISHED, PriceTable
from bridge.settings.fleet import doubts_of_fleet
from bridge.settings.hours import Hours
from bridge.settings.placeholders import names_in
from bridge.settings.session_table import READ_ON, unpublished
from bridge.settings.turn_detection import ServerVad

OTHER_WORK: Final = ("whisper", "translate", "transcribe")
"""In the names of models that listen on the Realtime API and can't hold a conversation."""


NOT_REASONING: Final = ("gpt-realtime-1.5", "gpt-realtime-mini", "gpt-realtime-2025", "gpt-4o-")
"""How models are called that have neither reasoning nor a word on parallel tool calls."""

WORDS_COME_MS: Final = 1000
"""Nearly all of what is transcribed after the turn comes later than half of this."""

OF_TIME: Final = ("date", "time", "weekday")


def doubts(settings: Settings, secrets: Secrets, prices: PriceTable = PUBLISHED) -> list[str]:
    """Return a sentence for each setting that callers may regret."""
    realtime = settings.realtime
    return [
        *_about_url(settings),
        *_about_model(realtime),
        *_about_key(realtime, secrets),
        *_about_agents(settings),
        *_about_sessions(settings),
        *_about_tools(settings),
        *_about_speaking(settings),
        *_about_money(settings, prices),
        *_about_outbound(settings, secrets),
        *_about_console(settings),
        *doubts_of_fleet(
            settings.fleet, settings.admin, settings.host_name, has_token=bool(secrets.admin_token)
        ),
    ]


def is_openai(realtime: Realtime) -> bool:
    """Say whether the model is OpenAI's own server's: of no other are the names of models known."""
    return "api.openai.com" in realtime.url


def _about_url(settings: Settings) -> Iterator[str]:
    if settings.server.public_url.startswith("http:"):
        yield "[server] public_url is http; Twilio opens media sockets over https alone"


def _about_model(realtime: Realtime) -> Iterator[str]:
    name = realtime.model
    is_realtime = "realtime" in name and not any(word in name for word in OTHER_WORK)
    if is_openai(realtime) and not is_realtime:
        known = Realtime().model
        yield f'[realtime] model = "{name}" is no realtime model by its name; calls need one, such as {known}'


def _about_key(realtime: Realtime, secrets: Secrets) -> Iterator[str]:
    if not secrets.api_key and not is_openai(realtime):
        yield f"no key: {realtime.url} is asked without one; if it wants any, set {realtime.api_key_env}"


def _about_agents(settings: Settings) -> Iterator[str]:
    plain = Agent()
    for name, agent in settings.agents.items():
        if (agent.instructions, agent.greeting) == (plain.instructions, plain.greeting):
            yield f'[agents.{name}] has no instructions and no greeting: it says "{plain.greeting}" and knows nothing'
        if not agent.time_zone and (told := next(_told_by_the_clock(agent), "")):
            yield (
                f"[agents.{name}] has {told} in UTC, for it has no time_zone; set one, such as "
                'time_zone = "Europe/Berlin"'
            )


def _about_sessions(settings: Settings) -> Iterator[str]:
    """Yield what the model's server may not know or do, and what it does by a clock of its own."""
    model = settings.realtime.model
    for name, agent in settings.agents.items():
        for path, hint in unpublished(agent.session):
            yield (
                f"[agents.{name}.session] {path}: not among the fields published until {READ_ON}; it is sent all the "
                f"same ({hint})"
            )
        reasons = agent.reasoning_effort or agent.parallel_tool_calls is not None
        if reasons and model.startswith(NOT_REASONING):
            yield f"[agents.{name}] reasoning_effort and parallel_tool_calls: {model} does not reason, and refuses them"
        for label, server in agent.mcp.items():
            if server.approval != "never" and not server.approve:
                yield f"[agents.{name}.mcp.{label}] approve is empty: whatever is asked for is refused"
        vad, limits = agent.turn_detection, agent.limits
        asks_itself = isinstance(vad, ServerVad) and vad.idle_timeout_ms
        if asks_itself and (limits.still_there_times > 1 or agent.still_there_sentences):
            yield (
                f"[agents.{name}.turn_detection] idle_timeout_ms: the service then asks a silent caller in its own "
                "words and at its own times, and each counts as one of still_there_times; 0 leaves it to the bridge"
            )


def _about_tools(settings: Settings) -> Iterator[str]:
    for name, agent in settings.agents.items():
        filler_ms, patience_ms = agent.tool_speech.filler_after_ms, agent.limits.answer_timeout_ms
        if filler_ms >= patience_ms:
            yield (
                f"[agents.{name}.tool_speech] filler_after_ms = {filler_ms}: a word of patience comes before it, after "
                f"answer_timeout_ms = {patience_ms}"
            )


def _about_speaking(settings: Settings) -> Iterator[str]:
    """Yield what of the speaking rules comes to something else than it seems to."""
    for name, agent in settings.agents.items():
        at = f"[agents.{name}.speaking]"
        spoken = " ".join(phrase_of(f"{agent.instructions} {agent.greeting}"))
        for notice in agent.speaking.protected:
            if " ".join(phrase_of(notice)) not in spoken:
                yield (
                    f'{at} protected = ["{notice}"]: it is known by the words that the model says, and these are not '
                    "in the instructions; have it say just them"
                )
        yield from (f"{at} resume_after_ms = {told}" for told in _about_words(agent))


def _about_words(agent: Agent) -> Iterator[str]:
    """Yield what an agent's waiting for words comes to."""
    ms, most_ms, model = (
        agent.speaking.resume_after_ms,
        agent.limits.answer_timeout_ms,
        agent.transcription_model,
    )
    if 0 < ms < WORDS_COME_MS and model != WITHOUT_PROMPT:
        yield (
            f"{ms}: {model} tells words up to two seconds after a turn, and those on their way are taken for noise; "
            "2000 waits for most"
        )
    if ms > most_ms:
        yield f"{ms}: words are waited for answer_timeout_ms = {most_ms} at most, like all that a caller waits for"


def _about_money(settings: Settings, prices: PriceTable) -> Iterator[str]:
    """Yield what of a cap can't be kept: what has no price costs nothing, as far as anybody here knows."""
    model, of_day = settings.realtime.model, settings.server.max_cost_per_day_usd
    for name, agent in settings.agents.items():
        cap, words = agent.limits.spend_cap_usd, agent.transcription_model
        if not cap and not of_day:
            continue
        own, of = f"[agents.{name}.limits] spend_cap_usd", prices.of(model, words)
        at = own if cap else f"[server] max_cost_per_day_usd, calls of {name}"
        where = "give it one in the file that [realtime] prices names"
        if of.model is None:
            counted = " but what transcription takes" if of.transcription_per_minute is not None else ""
            yield (
                f"{at}: no price of {model} was read ({prices.read_on}), so nothing{counted} is counted towards it, "
                f"and max_call_seconds is the bound; {where}"
            )
        if words and of.transcription_per_minute is None:
            yield f"{at}: no price of {words} was read ({prices.read_on}), so it counts the model alone; {where}"


def _told_by_the_clock(agent: Agent) -> Iterator[str]:
    """Yield what of an agent depends on where it is."""
    if agent.hours != Hours():
        yield "its hours"
    for text in (agent.instructions, agent.greeting):
        yield from (f"{{{name}}}" for name in names_in(text) if name in OF_TIME)


def _about_outbound(settings: Settings, secrets: Secrets) -> Iterator[str]:
    outbound, agents = settings.outbound, settings.agents
    callers = [name for name, agent in agents.items() if agent.outbound is not None]
    if callers and not outbound.caller_id:
        yield f"[agents.{callers[0]}.outbound] makes no call while [outbound] caller_id is empty"
    if not outbound.caller_id:
        return
    if not callers:
        yield "[outbound] makes no calls: no agent has a table [agents.NAME.outbound]"
    if not outbound.allow:
        yield '[outbound] allow is empty: nobody may be called; name how numbers begin, such as ["+1"]'
    if not settings.admin.bind or not secrets.admin_token:
        yield f"nobody can ask for calls: set [admin] bind, and {settings.admin.token_env} for its token"
    for name in callers:
        policy = agents[name].outbound
        if policy is not None and policy.machine == "press_1" and "1" not in policy.message:
            yield f'[agents.{name}.outbound] message does not say "press 1", which machine = "press_1" waits for'


def _about_console(settings: Settings) -> Iterator[str]:
    """Yield what is allowed in a console that is off."""
    if settings.console.on:
        return
    if settings.console.lab_runs:
        yield "[console] lab_runs = true begins nothing while the console is off; set [console] on = true"
    for name, agent in settings.agents.items():
        if agent.listen_in:
            yield (
                f"[agents.{name}] listen_in = true lets nobody listen while the console is off, where it is done; set "
                "[console] on = true"
            )
