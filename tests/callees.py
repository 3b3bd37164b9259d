"""A tiny Twilio for calls that we make: a REST API in this process, and callees who answer, or don't.

Requests about a call are signed and go over real sockets; the phone of who answers is `replay.phone`'s.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import trio
from attrs import define, evolve, field, frozen

from bench.stage import PUBLIC
from bridge.calls.setup import Setup
from bridge.outbound.rest import Rest
from replay.phone.report import CallReport
from replay.phone.ring import Account, Caller, ring
from replay.phone.script import WaitForEnd
from replay.phone.web import Courier, Route, open_courier

OURS = "+15550100100"
CALLEE = "+493012345678"
BASE = "https://api.twilio.test"
Form = list[tuple[str, str]]


@frozen
class Callee:
    """What happens when a number is rung: `status` is Twilio's last word of it, "in-progress" if they answer."""

    status: str = "in-progress"
    caller: Caller = Caller(steps=(WaitForEnd(20_000),), answer_delay_ms=0)
    verdict: str = ""
    verdict_ms: int = 300
    rings_ms: int = 200
    is_silent: bool = False
    """Whether no callback comes."""


@define(eq=False)
class Town:
    """The account's calls, what was asked of it, and how it goes wrong: `faults` are for the next requests."""

    account: Account = Account(number=CALLEE, caller=OURS)
    callees: dict[str, Callee] = field(factory=dict)
    via: str = ""
    nursery: trio.Nursery | None = None
    faults: list[Any] = field(factory=list)
    asked: list[tuple[str, str, Form]] = field(factory=list)
    statuses: dict[str, str] = field(factory=dict)
    forms: dict[str, Form] = field(factory=dict)
    reports: list[CallReport] = field(factory=list)
    answers: list[tuple[str, int]] = field(factory=list)
    _ended: dict[str, trio.Event] = field(factory=dict)

    def rest_of(self, setup: Setup) -> Rest:
        """Return the API of this town."""
        return evolve(Rest.of(setup.settings, setup.secrets), base=BASE, transport=self.transport)

    def transport(self) -> httpx2.AsyncBaseTransport:
        """Return the way to it."""
        return httpx2.MockTransport(self._answer)

    def made(self) -> list[dict[str, list[str]]]:
        """Return the forms by which calls were asked for."""
        forms = [
            form for method, path, form in self.asked if method == "POST" and path.endswith("/Calls.json")
        ]
        return [_lists(form) for form in forms]

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        parts = urlsplit(str(request.url))
        form = parse_qsl(request.content.decode(), keep_blank_values=True)
        self.asked.append((request.method, parts.path, form))
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        if fault == "made and then nothing":
            self._make(form)
            raise httpx2.ReadTimeout("no answer")
        if isinstance(fault, tuple):
            status, body, headers = fault
            return httpx2.Response(status, json=body, headers=headers)
        return self._do(request.method, parts.path, parts.query, form)

    def _do(self, method: str, path: str, query: str, form: Form) -> httpx2.Response:
        sid = path.rpartition("/")[2].removesuffix(".json")
        if path.endswith("/Calls.json"):
            if method == "POST":
                return httpx2.Response(201, json=self._resource(self._make(form)))
            to = dict(parse_qsl(query))["To"]
            listed = [one for one in reversed(self.forms) if dict(self.forms[one])["To"] == to]
            return httpx2.Response(200, json={"calls": [self._resource(one) for one in listed]})
        if sid not in self.statuses:
            return httpx2.Response(404, json={"code": 20404, "message": "not found", "status": 404})
        if method == "POST":
            self._end(sid, dict(form)["Status"])
        return httpx2.Response(200, json=self._resource(sid))

    def _end(self, sid: str, status: str) -> None:
        if status == "completed" or self.statuses[sid] in ("queued", "ringing"):
            self.statuses[sid] = status
            self._ended[sid].set()

    def _resource(self, sid: str) -> dict[str, Any]:
        form = dict(self.forms[sid])
        return {
            "sid": sid, "status": self.statuses[sid], "from": form["From"], "to": form["To"],
            "date_created": format_datetime(datetime.now(UTC)),
        }  # fmt: skip

    def _make(self, form: Form) -> str:
        sid = f"CA{len(self.forms) + 1:032x}"
        self.forms[sid], self.statuses[sid], self._ended[sid] = form, "queued", trio.Event()
        if self.nursery is not None:
            self.nursery.start_soon(self._ring, sid, name=f"callee {sid}")
        return sid

    def comes_in(self, status: str) -> str:
        """Return the CallSid of a call that comes in, and is so when it is looked up."""
        sid = f"CA{'f' * 31}{len(self.forms):x}"
        self.forms[sid], self.statuses[sid], self._ended[sid] = (
            [("To", OURS), ("From", CALLEE)],
            status,
            trio.Event(),
        )
        return sid

    # ------------------------------------------------------------ the call

    async def _ring(self, sid: str) -> None:
        said = _lists(self.forms[sid])
        callee = self.callees.get(said["To"][0], Callee())
        account = evolve(self.account, number=said["To"][0])
        route = Route(urlsplit(PUBLIC), urlsplit(self.via))
        async with open_courier(account, sid, route) as courier, trio.open_nursery() as nursery:
            status = said["StatusCallback"][0]
            if callee.is_silent:
                return
            for word in ("initiated", "ringing"):
                await self.tell(courier, status, courier_form(courier, word))
            if not self._ended[sid].is_set():
                self.statuses[sid] = "ringing"
            with trio.move_on_after(callee.rings_ms / 1000):
                await self._ended[sid].wait()
            if self._ended[sid].is_set():
                return await self.tell(courier, status, courier_form(courier, self.statuses[sid]))
            self.statuses[sid] = callee.status
            await self.tell(courier, status, courier_form(courier, callee.status))
            if callee.status == "in-progress":
                if callee.verdict and "AsyncAmdStatusCallback" in said:
                    nursery.start_soon(self._judge, courier, said["AsyncAmdStatusCallback"][0], callee)
                report = await ring(callee.caller, webhook=said["Url"][0], via=self.via, account=account,
                                    call_sid=sid, status_url=status)  # fmt: skip
                self.statuses[sid] = "completed"
                self.reports.append(report)

    async def _judge(self, courier: Courier, url: str, callee: Callee) -> None:
        await trio.sleep(callee.verdict_ms / 1000)
        form = [("AccountSid", courier.account.account_sid), ("CallSid", courier.call_sid),
                ("AnsweredBy", callee.verdict), ("MachineDetectionDuration", str(callee.verdict_ms))]  # fmt: skip
        await self.tell(courier, url, form)

    async def tell(self, courier: Courier, url: str, form: Form) -> None:
        """Deliver a callback."""
        self.answers.append((url.partition("?")[0].rpartition("/")[2], await courier.tell(url, form)))


async def until(holds: Callable[[], bool]) -> None:
    """Return when something holds: nobody tells when."""
    with trio.fail_after(30):
        while not holds():  # noqa: ASYNC110
            await trio.sleep(0.02)


def courier_form(courier: Courier, status: str) -> Form:
    """Return the form of a status callback."""
    return [*courier.call_form(status), ("SequenceNumber", "0"), ("CallbackSource", "call-progress-events")]


def _lists(form: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in form:
        found.setdefault(name, []).append(value)
    return found
