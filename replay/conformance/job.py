"""One card from beginning to end: the model listens, the bridge is started if it has to be, and the calls are made."""

import datetime
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs
import trio

from bridge.errors import BridgeError
from bridge.text.wording import counted
from replay.conformance.both_sides import BothSides
from replay.conformance.card import Check, ReportCard
from replay.conformance.catalogue import CHECKS
from replay.conformance.detour import detour
from replay.conformance.judging.verdicts import untold_for_want_of
from replay.conformance.keeping import keep_calls
from replay.conformance.run import AT_ONCE, Ringer, at_once, judged, make_calls
from replay.conformance.situations import FIRST, Situation
from replay.conformance.stage import Stage, open_stage
from replay.conformance.started_bridge import StartedBridge, start_bridge
from replay.conformance.telling import no_call
from replay.phone.ring import Account, Destination

INVENTED_KEY: Final = "sk-opens-nothing"
URL: Final = "{url}"
UNSIGNED: Final = (401, 403)
"""What bridges answer to a webhook that is not signed as they expect."""

Tell = Callable[[str], None]


@attrs.frozen
class Start:
    """How a bridge is started: `variables` have the model's address, with {url} or {host} in their texts. Without any,
    what it sends to the service itself reaches the model."""

    command: str
    variables: Mapping[str, str]
    auth_token: str = attrs.field(repr=False)

    def environment(self, model_url: str, port: int) -> dict[str, str]:
        """What it finds in its environment, besides ours. Its key opens nothing, so no real session is ever paid."""
        host = urlsplit(model_url).netloc
        told = {
            name: text.replace(URL, model_url).replace("{host}", host)
            for name, text in self.variables.items()
        }
        ours = {"PORT": str(port), "OPENAI_API_KEY": INVENTED_KEY, "TWILIO_AUTH_TOKEN": self.auth_token}
        return ours | (told or detour(model_url, os.environ))


def variables_of(words: Sequence[str]) -> dict[str, str]:
    """Return what NAME and NAME=TEXT say. Raises `BridgeError`."""
    pairs = [word.partition("=") for word in words]
    if wrong := [word for word, (name, _, _) in zip(words, pairs, strict=True) if not name.isidentifier()]:
        raise BridgeError(
            f"--model-variable {wrong[0]}: no name of a variable: use NAME, or NAME=TEXT with {URL}"
        )
    return {name: text or URL for name, _, text in pairs}


@attrs.frozen(kw_only=True)
class Job:
    """What is to be done: who is rung by which account, the calls, and what is looked for in them."""

    to: Destination
    account: Account = Account()
    name: str = ""
    checks: Sequence[Check] = attrs.field(default=CHECKS, repr=False)
    are_named: bool = False
    """Whether somebody asked for just these checks: they are on the card, whatever calls there are."""
    own: Sequence[Situation] = attrs.field(default=(), repr=False)
    """Calls that somebody brings, in place of the card's."""
    keep: Path | None = None
    """A folder for both sides' logs, and the sound of each call."""
    start: Start | None = None
    model_host: str = "127.0.0.1"
    model_port: int = 0

    async def run(self, tell: Tell = lambda _: None) -> ReportCard:
        """Return the card. Raises `BridgeError`: of a bridge that does not start, a model that can't listen."""
        async with open_stage(host=self.model_host, port=self.model_port) as stage:
            tell(f"the model is {stage.url}: it has to be the one that the bridge talks to")
            if self.start is None:
                return await self.make(stage, tell)
            host, port = self.to.address
            environment = self.start.environment(stage.url, port or 0)
            async with start_bridge(self.start.command, environment, host=host, port=port or 0) as bridge:
                return await self.make(stage, tell, bridge)

    async def make(
        self, stage: Stage, tell: Tell = lambda _: None, bridge: StartedBridge | None = None
    ) -> ReportCard:
        """Return the card of a bridge that runs, and whose model is this stage."""
        began, began_at = datetime.datetime.now(datetime.UTC), trio.current_time()

        def on_done(call: BothSides) -> None:
            tell(f"{call.name}: {call.situation.title}")

        if bridge is not None:
            stage.watch_bridge(bridge.process.pid)
        calls = await make_calls(Ringer(stage, self.to, self.account, on_done, self.checks, self.own))
        if self.keep is not None:
            await trio.to_thread.run_sync(keep_calls, calls, self.keep)
        card = judged(
            calls,
            bridge=self.name or self.to.url,
            url=self.to.url,
            began=began,
            took_seconds=trio.current_time() - began_at,
            checks=self.checks,
            notes=tuple(_notes(calls, stage.url, bridge)),
            keeps_untold=self.are_named or not self.own,
        )
        return with_hurry(card, calls)


def _notes(calls: Sequence[BothSides], model_url: str, bridge: StartedBridge | None) -> Iterator[str]:
    """Yield what whoever reads the card should know besides."""
    if bridge is not None and bridge.death:
        yield from (bridge.death, *bridge.printed)
    if why := no_call(calls):
        is_unsigned = any(call.report.webhook_status in UNSIGNED for call in calls)
        advice = (
            "is it signed with the token, for the URL, that the bridge expects"
            if is_unsigned
            else "is --to right"
        )
        yield f"{why}: {advice}?"
    elif not any(log.session for call in calls for log in call.sessions):
        yield f"the bridge never came to the model: is {model_url} the address that it has for it?"
    if refused := {code for call in calls if not call.situation.is_broken for code in call.refusals}:
        yield f"the model refused sessions: {', '.join(sorted(refused))}"


def with_hurry(card: ReportCard, calls: Sequence[BothSides]) -> ReportCard:
    """Return the card with word of a full machine or bridge, if that is why something could not be told."""
    return attrs.evolve(card, notes=(*card.notes, *_hurries(card, calls)))


def _hurries(card: ReportCard, calls: Sequence[BothSides]) -> Iterator[str]:
    steady = calls[0].hurry.steady_percent if calls[0].situation == FIRST else 0.0
    if (rung := at_once(steady)) < AT_ONCE:
        times = f"{counted(rung, 'call was', 'calls were')} made at a time, but for those that are about many"
        yield f"one call takes {steady:.0f} % of a core in the bridge: {times}"
    if untold := untold_for_want_of(card, "machine"):
        hurried = sum(call.hurry.spoils_times for call in calls)
        yield (
            f"the machine was full during {hurried} of {len(calls)} calls: because of that {', '.join(untold)} could "
            "not be told, and may be when it has less to do"
        )
    if untold := untold_for_want_of(card, "bridge"):
        yield (
            f"the bridge had no time left with many calls at once: because of that {', '.join(untold)} could not be "
            "told, and may be on a machine that is faster"
        )
