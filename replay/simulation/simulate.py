"""A whole call with no event loop: a scripted caller, a scripted model and the real heart, on a clock that only counts.

Nothing here waits and nothing is sent; the tape is one like any other. An hour of calls takes some seconds.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
import trio
from attrs import define, evolve, field
from trio.testing import MockClock

from bridge.agents import Agent
from bridge.calls.knowledge import Origin, Parties, info_of, informed
from bridge.calls.tool_runs import run_tool
from bridge.calls.tool_tasks import Reports, key_of
from bridge.given import INBOUND, CallInfo, Given, Progress, SecretDigits
from bridge.heart.call import Call
from bridge.heart.effects import (
    AnswerOperator,
    CancelTool,
    ClearPlayback,
    Effect,
    EndCall,
    EndSession,
    LeaveStream,
    OpenSession,
    PlayAudio,
    ReturnToStream,
    RunTool,
    SendMark,
    WriteNote,
)
from bridge.heart.events import (
    LinkStalled,
    ModelLeft,
    ModelUnreachable,
    PhoneLeft,
    ToolAnswered,
    ToolFailed,
    ToolReported,
)
from bridge.heart.keys import MASKED
from bridge.heart.last_words import LISTEN_MS
from bridge.links.outbox import STALLED_SECONDS
from bridge.tapes import tape
from bridge.tapes.header import Header
from bridge.tapes.masking import taped_request
from bridge.tapes.reader import Tape
from bridge.tapes.tape import BRIDGE, HTTP, MODEL, NOTE, OPENAI, PHONE, TWILIO, Line
from bridge.tools import LONGEST_TIMEOUT_MS, Tool
from bridge.wire import realtime, twilio
from replay.model.script import Script
from replay.model.session import Session
from replay.phone.line import Line as PhoneLine
from replay.phone.script import Account, Caller
from replay.simulation.agenda import Agenda, Paper
from replay.simulation.away import FarEnd, Form, SimulatedAway
from replay.simulation.model import CONNECT_MS, SimulatedModel
from replay.simulation.phone import SimulatedPhone
from replay.simulation.setup import STARTED_AT, Names, NotSimulatedError, check, header_of

CLOSED: Final = {"code": 1000, "reason": ""}
PUBLIC_URL: Final = "https://bridge.example.com"
MODEL_URL: Final = "wss://simulated/v1/realtime"
Said: TypeAlias = ToolAnswered | ToolFailed | ToolReported


def simulate(
    caller: Caller,
    script: Script,
    agent: Agent,
    *,
    tools: Sequence[Tool] = (),
    seed: int = 0,
    far_ends: Sequence[FarEnd] = (),
) -> Tape:
    """Make one call and return its tape: the same arguments, the same tape. Raises `NotSimulatedError`.

    Tools are really run, and cost the call the time they slept; a tool that waits for the world belongs in a call
    over sockets. With `seed` the ids differ, and the session is number `seed` + 1 of its script. What becomes of the
    caller off the stream is told by `far_ends`, one for each time that they leave it.
    """
    return Simulation(caller, script, agent, tools, seed, far_ends).run()


@define(eq=False)
class Simulation:
    """One simulated call: `run` it once, then look at both sides of it."""

    caller: Caller
    script: Script
    agent: Agent
    tools: Sequence[Tool] = ()
    seed: int = 0
    far_ends: Sequence[FarEnd] = ()
    header: Header = field(init=False, repr=False)
    info: CallInfo = field(init=False, repr=False)
    phone: SimulatedPhone = field(init=False, repr=False)
    """The leg of the phone that is there, or was there last."""
    away: SimulatedAway = field(init=False, repr=False)
    model: SimulatedModel = field(init=False, repr=False)
    ended_ms: int = 0
    _paper: Paper = field(init=False, repr=False)
    _agenda: Agenda = field(init=False, repr=False)
    _names: Names = field(init=False, repr=False)
    _session_number: int = 1
    _has_stalled: bool = False
    _running_tools: set[str] = field(factory=set)

    def __attrs_post_init__(self) -> None:
        check(self.caller)
        if self.script.faults.door or self.script.faults.shut_ms:
            raise NotSimulatedError("faults.door and shut_ms need a socket: make this call over sockets")
        self._names, account = Names.drawn(self.seed), Account()
        call_sid, parties = self._names.call_sid, Parties(account.caller, account.number)
        self.agent, filled = informed(self.agent, parties, Origin(datetime.fromisoformat(STARTED_AT)))
        self.info = info_of(self.agent, call_sid, parties, INBOUND)
        self.header = header_of(self.agent, filled, self.tools, call_sid, account)
        header = self.header
        told = (header.tools, header.is_outgoing, header.prices, header.tool_rules)
        self._paper = Paper(Call(self.agent, *told), self._carry_out)
        self._agenda = self._paper.agenda
        self.phone = self._leg_of(self.caller)
        self.away = SimulatedAway(
            far_ends=self.far_ends,
            agenda=self._agenda,
            ask=self._asked_by_twilio,
            hang_up=self._caller_hangs_up,
        )
        self.model = self._session_of(1)

    def _session_of(self, number: int) -> SimulatedModel:
        """Return the call's session with this number; what one says that was left is heard by nobody."""
        return SimulatedModel(
            script=self.script,
            model=self.header.model,
            number=self.seed + number,
            agenda=self._agenda,
            tell=partial(self._hear_model, number),
            leave=partial(self._model_left, number),
            stall=partial(self._model_stalled, number),
        )

    def _leg_of(self, caller: Caller) -> SimulatedPhone:
        return SimulatedPhone(
            caller=caller,
            account=Account(),
            call_sid=self.header.call_sid,
            stream_sid=self._names.next_stream_sid(),
            agenda=self._agenda,
            tell=self._hear_phone,
            leave=self._phone_left,
        )

    @property
    def lines(self) -> list[bytes]:
        """Return the tape's lines."""
        return self._paper.lines

    @property
    def line(self) -> PhoneLine:
        """Return what the caller's line played, said and was told."""
        return self.phone.line

    @property
    def session(self) -> Session:
        """Return what the model was told, and what it made of it."""
        return self.model.session

    def run(self) -> Tape:
        """Make the call, from the webhook to its end, and what comes after it."""
        self._ring()
        while not self._paper.call.is_over:
            self._paper.step()
        self.ended_ms = self._agenda.now_ms
        self._part_from_phone()
        self._wait_while(lambda: self._paper.call.is_listening, self.ended_ms + LISTEN_MS)
        self._part_from_model()
        self._wait_while(lambda: bool(self._running_tools), self.ended_ms + LONGEST_TIMEOUT_MS)
        return Tape(Path(f"{self.header.call_id}.jsonl.gz"), self.header, self.lines, is_torn=False)

    # ------------------------------------------------------------ beginning and end

    def _ring(self) -> None:
        form = {"CallSid": self.header.call_sid, "AccountSid": self.header.account_sid}
        form |= {"From": self.header.caller, "To": self.header.called}
        url = f"{PUBLIC_URL}/voice/{self.agent.name}"
        http = {"method": "POST", "url": url, "form": form}
        self._paper.write(Line(t_ms=0, leg=HTTP, sender=TWILIO, http=http))
        self._paper.begin()
        self._call_model()
        self._agenda.at(self.caller.answer_delay_ms, partial(self._meet_phone, self.phone))

    def _call_model(self) -> None:
        upgrade = {"method": "GET", "url": f"{MODEL_URL}?model={self.header.model}"}
        self._paper.write(self._line(MODEL, BRIDGE, upgrade=upgrade))
        self._agenda.at(self._agenda.now_ms + CONNECT_MS, self._meet_model)

    def _open_session(self, effect: OpenSession) -> None:
        self._part_from_model()
        self._session_number = effect.number
        self.model = self._session_of(effect.number)
        self._agenda.at(self._agenda.now_ms + effect.pause_ms // 2, self._call_model)

    def _meet_model(self) -> None:
        if self.model.is_refused:
            why = "simulated refused the connection with HTTP 401"
            self.model.is_gone = True
            return self._paper.feed(self._line(MODEL, OPENAI, refused=why), ModelUnreachable(why))
        self._paper.write(self._line(MODEL, OPENAI, accept={"status": 101}))
        self.model.begin()

    def _meet_phone(self, phone: SimulatedPhone) -> None:
        if phone.has_left:  # the caller was sent elsewhere before their stream was there
            return
        self._paper.write(self._line(PHONE, BRIDGE, accept={"status": 101}))
        phone.begin()

    def _part_from_phone(self) -> None:
        if self.phone.has_begun and not self.phone.has_left:
            self._close(PHONE)
        self.phone.hang_up()

    def _close(self, leg: str) -> None:
        """Close a socket; while the call goes on that is told of when what the heart says is all on the tape."""
        line = self._line(leg, BRIDGE, close=CLOSED)
        if self._paper.call.is_over:
            return self._paper.write(line)
        self._agenda.at(self._agenda.now_ms, partial(self._paper.write, line))

    # ------------------------------------------------------------ off the stream, and back

    def _leave(self, effect: LeaveStream) -> None:
        self._part_from_phone()
        self.away.leave(effect.number, effect.plan)

    def _come_back(self, effect: ReturnToStream) -> None:
        """Have the caller go on with what they meant to do, on a stream of its own."""
        assert self.phone.has_left
        rest = self.phone.actor.rest if self.phone.has_begun else self.caller.steps
        self.phone = self._leg_of(evolve(self.caller, steps=rest, two_starts=False))
        self.away.come_back(effect.leg, partial(self._meet_phone, self.phone))

    def _asked_by_twilio(self, path: str, form: Form) -> None:
        if self._paper.call.is_over:
            return
        sids = {"CallSid": self.header.call_sid, "CallStatus": "in-progress"}
        url = f"{PUBLIC_URL}/voice/{self.agent.name}/{path}"
        http = taped_request(url, sids | dict(form), masked=False, keys_masked=self.agent.keys == MASKED)
        line = self._line(HTTP, TWILIO, http=http)
        event = tape.event_of(line)
        assert event is not None
        self._paper.feed(line, event)

    def _caller_hangs_up(self) -> None:
        """Have the caller hang up on the stream that is just being closed."""
        stop = {
            "event": "stop",
            "streamSid": self.phone.stream_sid,
            "stop": {"callSid": self.header.call_sid},
        }
        self._hear_phone(msgspec.json.encode(stop).decode())

    def _part_from_model(self) -> None:
        if self.model.has_begun and not self.model.is_gone:
            self._close(MODEL)
        self.model.end()

    def _wait_while(self, is_to_come: Callable[[], bool], until_ms: int) -> None:
        """Let happen what is planned, as long as the daemon would wait for it."""
        while is_to_come() and (next_ms := self._agenda.next_ms) is not None and next_ms < until_ms:
            self._agenda.step()

    # ------------------------------------------------------------ what comes

    def _hear_phone(self, message: str | bytes) -> None:
        if self._paper.call.is_over:
            return
        event = twilio.parse(message)
        self._paper.feed(tape.received(self._agenda.now_ms, PHONE, TWILIO, message, event), event)

    def _hear_model(self, number: int, message: str | bytes) -> None:
        if number != self._session_number:
            return
        event = realtime.parse(message)
        self._paper.feed(tape.received(self._agenda.now_ms, MODEL, OPENAI, message, event), event)

    def _phone_left(self, code: int) -> None:
        if self._paper.call.is_over:
            return
        self._paper.feed(self._line(PHONE, TWILIO, close={"code": code, "reason": ""}), PhoneLeft(code, ""))
        if self.phone.is_lost:
            self.away.lose_stream()

    def _model_left(self, number: int, code: int, reason: str) -> None:
        if number != self._session_number:
            return
        close = {"code": code, "reason": reason}
        self._paper.feed(self._line(MODEL, OPENAI, close=close), ModelLeft(code, reason))

    def _model_stalled(self, number: int) -> None:
        if number == self._session_number:
            self._stalled(realtime.LEG)

    def _stalled(self, leg: str) -> None:
        self._paper.feed(self._note("link", stalled=leg), LinkStalled(leg))

    # ------------------------------------------------------------ what becomes of it

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case PlayAudio() | SendMark() | ClearPlayback():
                self._tell_phone(effect)
            case RunTool():
                self._run_tool(effect)
            case CancelTool():
                self._cancel_tool(effect)
            case LeaveStream():
                self._leave(effect)
            case ReturnToStream():
                self._come_back(effect)
            case OpenSession():
                self._open_session(effect)
            case EndSession():
                self._part_from_model()
            case WriteNote() | AnswerOperator() | EndCall():
                pass  # it is on the tape, and the heart knows that the call is over
            case _:
                self.model.hear(realtime.encode(effect))

    def _tell_phone(self, effect: PlayAudio | SendMark | ClearPlayback) -> None:
        self.phone.hear(effect)
        now_ms, since = self._agenda.now_ms, self.phone.unread_since
        if since is not None and now_ms - since >= STALLED_SECONDS * 1000 and not self._has_stalled:
            self._has_stalled = True
            self._agenda.at(self._agenda.now_ms, partial(self._stalled, twilio.LEG))

    def _run_tool(self, effect: RunTool) -> None:
        """Run it here and now; what it tells comes after as many milliseconds as it slept until then."""
        tool = next(tool for tool in self.tools if tool.name == effect.name)
        digits = self.away.far_end.digits if effect.digits_of else ""
        if digits:
            self._paper.hide(digits)
        # A sync tool runs in a thread, which a jumping clock would take for nobody doing anything.
        clock = MockClock(autojump_threshold=0) if tool.is_async else None
        info = evolve(self.info, elapsed_seconds=self._agenda.now_ms / 1000)
        given = Given(info, SecretDigits(digits), key=key_of(tool, info.id, effect))
        self._running_tools.add(effect.call_id)
        for said, took_ms in trio.run(_said, tool, effect, given, clock=clock):
            when_ms = self._agenda.now_ms + (took_ms if tool.is_async else 0)
            self._agenda.at(when_ms, partial(self._tool_says, said))

    def _cancel_tool(self, effect: CancelTool) -> None:
        """Let it have been cancelled; what it did until then, and after, it has done."""
        answer = ToolFailed(effect.call_id, "cancelled", "cancelled with the call")
        self._agenda.at(self._agenda.now_ms, partial(self._tool_says, answer))

    def _tool_says(self, said: Said) -> None:
        if said.call_id not in self._running_tools:
            return
        if not isinstance(said, ToolReported):
            self._running_tools.remove(said.call_id)
        self._paper.feed(tape.tool_line(self._agenda.now_ms, said), said)

    # ------------------------------------------------------------ the tape

    def _line(self, leg: str, sender: str, **what: object) -> Line:
        return Line(t_ms=self._agenda.now_ms, leg=leg, sender=sender, **what)  # type: ignore[arg-type]

    def _note(self, sender: str, **what: object) -> Line:
        return self._line(NOTE, sender, **what)


async def _said(tool: Tool, effect: RunTool, given: Given) -> list[tuple[Said, int]]:
    """Return what a tool told and what came of it, each with how many ms of the loop's clock it took."""
    began, told = trio.current_time(), list[tuple[Said, int]]()

    def tell(said: Said) -> None:
        told.append((said, round((trio.current_time() - began) * 1000)))

    reports = Reports(effect.call_id, tell, given.digits, trio.lowlevel.current_trio_token())
    given = evolve(given, progress=Progress(reports.tell))
    limiter = trio.CapacityLimiter(1)
    tell(await run_tool(tool, effect.call_id, effect.arguments, limiter=limiter, given=given))
    return told
