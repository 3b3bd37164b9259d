"""How a call begins in the process that carries it: its tape, its heart, its first two lines."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from attrs import field, frozen

from bridge import __version__
from bridge.agents import Agent
from bridge.built_in import built_in_tools
from bridge.calls.admission import caller_id_of
from bridge.calls.knowledge import Origin, Parties, info_of, informed
from bridge.calls.live_call import LiveCall
from bridge.calls.messages import Key
from bridge.calls.setup import Setup
from bridge.fleet.order import Arrival
from bridge.heart.call import Call
from bridge.heart.keys import MASKED
from bridge.links.lag import LoopLag
from bridge.tapes.header import Header, settings_of
from bridge.tapes.masking import mask, masked_settings, webhook_form
from bridge.tapes.recorder import Recorder
from bridge.tapes.tape import BRIDGE, HTTP, TWILIO, Line
from bridge.tools import Tool, rules_of
from bridge.wire.routes import IN_TIME, Routes


def _from_outside() -> Origin:
    return Origin(datetime.now(UTC))


@frozen
class Webhook:
    """A signed request for a new call, and what was current when it came: that is what the call is made with."""

    setup: Setup
    agent: Agent
    form: Mapping[str, str]
    url: str
    marks: tuple[str, ...] = ()
    """What the same request would be known by; see `signed_form.marks_of`."""
    turn: int = 1
    """Which call of its agent's it is under this CallSid."""
    origin: Origin = field(factory=_from_outside)
    hops: int = 0
    """How many hosts of a fleet have passed it on."""

    @property
    def call_sid(self) -> str:
        """Return the key of the whole call; empty while Twilio has given it none."""
        return self.form.get("CallSid", "")

    @property
    def tools(self) -> Mapping[str, Tool]:
        """Return the agent's tools."""
        return self.setup.tools.get(self.agent.name, {})

    @property
    def parties(self) -> Parties:
        """Return who called whom, as it may be shown."""
        return Parties.of(self.form, masked=self.setup.settings.recording.mask_numbers)

    @property
    def arrival(self) -> Arrival:
        """Return what decides which host of several is to have the call."""
        return Arrival(self.call_sid, self.names[-1], self.hops, self.form.get("ErrorUrl", ""))

    @property
    def names(self) -> tuple[str, ...]:
        """Return who answers, and who was called if that is another agent."""
        asked = self.origin.asked_agent
        return (self.agent.name, asked) if asked else (self.agent.name,)

    @property
    def key(self) -> Key:
        """Return what makes this request the same as another."""
        return key_of(self.origin.outgoing_id or self.call_sid, self.agent.name, self.turn)


def key_of(call_sid: str, agent: str, turn: int) -> Key:
    """Return the key of the first call, or of a later one, that an agent has under a CallSid."""
    return (call_sid if turn == 1 else f"{call_sid}-{turn}"), agent


def routes_of(webhook: Webhook, secret: str, process: str = "") -> Routes:
    """Return the addresses of the call of this webhook, which a process of that name carries."""
    server = webhook.setup.settings.server
    in_time = IN_TIME if server.host_url else ""
    return Routes(server.own_url, webhook.agent.name, secret, process, webhook.turn, in_time)


def begin_call(
    webhook: Webhook,
    call_id: str,
    routes: Routes,
    recorder: Recorder,
    lag: LoopLag,
    watch: Callable[[str, Line], None] | None = None,
) -> LiveCall:
    """Return a new call; its model leg connects while Twilio is still setting up the stream."""
    setup, parties, origin = webhook.setup, webhook.parties, webhook.origin
    agent, filled = agent_of(webhook, call_id)
    header = header_of(webhook, call_id, agent, filled)
    call = LiveCall(
        call_id=header.call_id,
        account_sid=header.account_sid,
        agent=agent,
        address=setup.address,
        tools=webhook.tools,
        tape=recorder.open_tape(header),
        call=Call(agent, header.tools, header.is_outgoing, header.prices, header.tool_rules),
        lag=lag,
        routes=routes,
        caller_id=caller_id_of(webhook.form),
        hides_numbers=setup.settings.recording.mask_numbers,
        info=info_of(agent, call_id, parties, origin.direction),
        is_outgoing=header.is_outgoing,
    )
    if watch is not None:
        call.tape.watch = lambda line: watch(call.call_id, line)
    return call


def agent_of(webhook: Webhook, call_id: str) -> tuple[Agent, dict[str, str]]:
    """Return the agent as it is in this call, in its arm of a trial and informed, and what that was filled with."""
    return informed(webhook.agent.in_call(call_id), webhook.parties, webhook.origin)


def line_of(webhook: Webhook) -> Line:
    """Return the first line after the header of a new call's tape."""
    form = webhook_form(
        webhook.form,
        masked=webhook.setup.settings.recording.mask_numbers,
        keys_masked=webhook.agent.keys == MASKED,
    )
    sender = BRIDGE if webhook.origin.outgoing_id else TWILIO  # it is what Twilio will be asked for
    return Line(t_ms=0, leg=HTTP, sender=sender, http={"method": "POST", "url": webhook.url, "form": form})


def header_of(webhook: Webhook, call_id: str, agent: Agent, filled: dict[str, str]) -> Header:
    """Return the header of the tape of a new call, whose agent is informed of it."""
    setup, form = webhook.setup, webhook.form
    recording = setup.settings.recording
    show = mask if recording.mask_numbers else str
    settings = settings_of(agent)
    trial = agent.trial
    definitions = [tool.definition for tool in webhook.tools.values()]
    return Header(
        call_id=call_id,
        call_sid=webhook.call_sid,
        account_sid=form.get("AccountSid", ""),
        agent=agent.name,
        asked_agent=webhook.origin.asked_agent,
        agent_why=webhook.origin.agent_why,
        trial=trial.name if trial else "",
        trial_arm=trial.arm(call_id) if trial else "",
        started_at=webhook.origin.at.isoformat(timespec="milliseconds"),
        caller=show(form.get("From", "")),
        called=show(form.get("To", "")),
        is_outgoing=bool(webhook.origin.outgoing_id),
        model=setup.address.model,
        code=__version__,
        opened_by=webhook.marks[0] if webhook.marks else "",
        has_audio=recording.audio,
        settings=masked_settings(settings) if recording.mask_numbers else settings,
        filled=filled,
        tools=[*definitions, *built_in_tools(agent)],
        tool_rules=rules_of(webhook.tools.values()),
        prices=setup.prices.of(setup.address.model, agent.transcription_model),
    )
