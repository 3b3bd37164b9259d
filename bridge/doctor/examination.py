"""`bridge doctor`: everything an operator gets wrong, looked at at once, with the next step in plain words.

The checks themselves are in `public_url`, `entry`, `media_socket`, `twilio`, `outbound`, `model`, `session` and
`machine`.
"""

import contextlib
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import trio
from attrs import asdict, define, field, frozen
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bridge import config
from bridge.built_in import built_in_tools
from bridge.calls.setup import tools_of
from bridge.config import Secrets, Settings
from bridge.doctor import entry as doctor_entry
from bridge.doctor import machine as doctor_machine
from bridge.doctor import media_socket as doctor_socket
from bridge.doctor import model as doctor_model
from bridge.doctor import outbound as doctor_outbound
from bridge.doctor import public_url as doctor_public
from bridge.doctor import session as doctor_session
from bridge.doctor import twilio as doctor_twilio
from bridge.doctor.findings import Finding, doubtful, fine, presentable, worst, wrong
from bridge.doctor.world import Patient, World
from bridge.errors import BridgeError, ConfigError
from bridge.text.wording import counted

CONFIGURATION, SECRETS, TOOLS = "configuration", "secrets", "tools"
ACCOUNT_VARIABLE: Final = "TWILIO_ACCOUNT_SID"
LOCAL_SECONDS: Final = 10
"""What a check of this machine may take: a folder may hold a hundred thousand tapes."""


@frozen
class Check:
    """One check, and those that make sense only when it found no error."""

    name: str
    run: Callable[[Patient], Awaitable[list[Finding]]]
    is_local: bool = False
    then: tuple["Check", ...] = ()


CHECKS: Final = (
    Check("public URL", doctor_public.check_url, is_local=True),
    Check("DNS", doctor_public.check_dns),
    Check("certificate", doctor_public.check_tls),
    Check(
        "way in",
        doctor_entry.check_reached,
        then=(
            Check("signatures", doctor_entry.check_signatures),
            Check("strangers", doctor_entry.check_strangers),
            Check("media sockets", doctor_socket.check_sockets),
        ),
    ),
    Check("Twilio", doctor_twilio.check_twilio),
    Check("outbound", doctor_outbound.check_caller_id),
    Check("do not call", doctor_outbound.check_list, is_local=True),
    Check("model", doctor_model.check_model, then=(Check("session", doctor_session.check_sessions),)),
    Check("retirement", doctor_model.check_retirements, is_local=True),
    Check("disk", doctor_machine.check_disk, is_local=True),
    Check("records", doctor_machine.check_records, is_local=True),
    Check("daemon", doctor_machine.check_daemon, is_local=True),
    Check("open files", doctor_machine.check_files, is_local=True),
)


@frozen
class Report:
    """What an examination found, in the order of the checks."""

    findings: tuple[Finding, ...]
    skipped: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 all is well, 1 warnings alone, 2 errors."""
        return worst(self.findings)

    @property
    def plain(self) -> dict[str, Any]:
        """Return the report for machines."""
        levels = [finding.level for finding in self.findings]
        return {
            "exit_code": self.exit_code,
            "errors": levels.count("error"),
            "warnings": levels.count("warning"),
            "skipped": list(self.skipped),
            "findings": [asdict(finding) for finding in self.findings],
        }


# ---------------------------------------------------------------- the configuration, which all else needs


async def examine(
    path: Path,
    environment: Mapping[str, str],
    adjust: Callable[[Settings], Settings] = lambda settings: settings,
    *,
    is_offline: bool = False,
    world: World | None = None,
) -> Report:
    """Examine an installation. It never raises for what it finds, and changes nothing."""
    try:
        settings = adjust(config.load(path))
    except ConfigError as error:
        return Report(
            tuple(
                wrong(CONFIGURATION, fault, "correct this line, then run it again") for fault in error.faults
            )
        )
    secrets, findings = _secrets(settings, environment)
    names = ", ".join(settings.agents)
    findings = [fine(CONFIGURATION, f"{path}: {counted(len(settings.agents), 'agent')}: {names}"), *findings]
    account, about_account = _account(settings, environment)
    findings += [*_tools(settings), *about_account]
    is_up = doctor_machine.runs_here(settings.data_folder)
    patient = Patient(settings, secrets, account, is_up, world or World())
    round_ = Round(patient, is_offline)
    await round_.run()
    hidden = [*secrets.all, account]
    found = [*findings, *round_.in_order(), *doctor_machine.judge_clock(patient.clocks)]
    return Report(tuple(presentable(finding, hidden) for finding in found), tuple(round_.skipped))


def _secrets(settings: Settings, environment: Mapping[str, str]) -> tuple[Secrets, list[Finding]]:
    try:
        secrets = config.read_secrets(settings, environment)
    except ConfigError as error:
        step = "let the daemon's user read it, or name another file"
        return Secrets(), [wrong(SECRETS, fault, step) for fault in error.faults]
    missing = [sentence.partition(": ") for sentence in config.missing_secrets(settings, secrets)]
    findings = [wrong(SECRETS, what, how) for what, _, how in missing]
    if settings.twilio.accept_unsigned_requests_from_anybody and not secrets.signing:
        step = f"set {settings.twilio.auth_token_env}, and take that line away"
        findings.append(
            doubtful(SECRETS, "accept_unsigned_requests_from_anybody: anybody can use your model", step)
        )
    tokens = counted(len(secrets.auth_tokens), "auth token")
    if secrets.shared_keys:
        tokens += f", {counted(len(secrets.shared_keys), 'shared key')}"
    return secrets, findings or [fine(SECRETS, f"{tokens}, an API key" if secrets.api_key else tokens)]


def _account(settings: Settings, environment: Mapping[str, str]) -> tuple[str, list[Finding]]:
    """Return the account's SID, from the configuration or the environment."""
    sid = settings.twilio.account_sid or environment.get(ACCOUNT_VARIABLE, "").strip()
    if re.fullmatch(r"(AC[0-9a-fA-F]{32})?", sid):
        return sid, []
    step = "set it to the account's SID: AC and 32 digits of 0-9 and a-f"
    return "", [wrong(SECRETS, f"{ACCOUNT_VARIABLE} is no account SID", step)]


def _tools(settings: Settings) -> list[Finding]:
    """Import every agent's tools; what they print while that happens is not the report's."""
    findings = []
    for name, agent in settings.agents.items():
        try:
            with contextlib.redirect_stdout(sys.stderr):
                tools = tools_of(agent, settings.folder)
        except BridgeError as error:
            findings.append(
                wrong(TOOLS, f"{name}: {error}", "correct the tool, or take it away from the agent")
            )
        else:
            built_in = [tool["name"] for tool in built_in_tools(agent)]
            findings.append(fine(TOOLS, f"{name}: {', '.join([*tools, *built_in])}"))
    return findings


# ---------------------------------------------------------------- all checks at once


@define(eq=False)
class Round:
    """One run of all checks, each for itself."""

    patient: Patient
    is_offline: bool
    skipped: list[str] = field(factory=list)
    _found: dict[str, list[Finding]] = field(factory=dict)

    async def run(self) -> None:
        """Run all checks at once; a check that others need starts them when it is done."""
        async with trio.open_nursery() as nursery:
            self._start(nursery, CHECKS)

    def _start(self, nursery: trio.Nursery, checks: Iterable[Check]) -> None:
        for check in checks:
            if self.is_offline and not check.is_local:
                self.skipped += [check.name, *(later.name for later in check.then)]
            else:
                nursery.start_soon(self._examine, nursery, check, name=f"check {check.name}")

    async def _examine(self, nursery: trio.Nursery, check: Check) -> None:
        found = self._found[check.name] = await self._bounded(check)
        if found and worst(found) < 2:
            self._start(nursery, check.then)

    async def _bounded(self, check: Check) -> list[Finding]:
        seconds = LOCAL_SECONDS if check.is_local else self.patient.world.check_seconds
        try:
            with trio.move_on_after(seconds):
                return await check.run(self.patient)
        except Exception as error:  # the top of a check: a bug or an odd machine costs this check alone
            text = f"the check itself failed: {type(error).__name__}: {error}"
            return [wrong(check.name, text, "please report this; the other checks are not touched by it")]
        step = "try again; if it stays, something on the way swallows packets"
        if check.is_local:
            step = "is the disk very slow, or a network's?"
        return [wrong(check.name, f"took longer than {seconds:g} s", step)]

    def in_order(self) -> list[Finding]:
        """Return what was found in the order of the checks, whichever was done first."""
        names = [name for check in CHECKS for name in (check.name, *(later.name for later in check.then))]
        return [finding for name in names for finding in self._found.get(name, [])]


# ---------------------------------------------------------------- for people

SIGNS: Final = {
    "ok": Text("OK", "green"),
    "warning": Text("warning", "yellow"),
    "error": Text("ERROR", "bold red"),
}


def page(report: Report) -> RenderableType:
    """Return a report for people: one line a finding, what to do below it, and the sum at the end."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column()
    for finding in report.findings:
        text = Text(finding.text)
        if finding.next:
            text.append(f"\n-> {finding.next}", style="bold" if finding.level == "error" else "")
        grid.add_row(SIGNS[finding.level], Text(finding.check, style="dim"), text)
    return Group(grid, Text(), Text(_sum(report)))


def _sum(report: Report) -> str:
    plain = report.plain
    said = (
        "All is well.",
        "Calls can come in; see the warnings.",
        "Calls will fail: begin with the first error.",
    )
    skipped = f" Offline, so not looked at: {', '.join(report.skipped)}." if report.skipped else ""
    counts = f"{counted(plain['errors'], 'error')}, {counted(plain['warnings'], 'warning')}"
    return f"{counts}. {said[report.exit_code]}{skipped}"
