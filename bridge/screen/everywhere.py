"""What `bridge forget` prints where hosts share a lake: what went here, there, and on each other host."""

from pathlib import Path
from typing import Any

from attrs import frozen

from bridge.errors import ForgetError
from bridge.lake.erasures import Answer
from bridge.lake.opening import LakePlace, explained, opened
from bridge.lake.tables import prepare
from bridge.retention.everywhere import ErasedEverywhere, erase_everywhere, meant_everywhere
from bridge.retention.forget import Meant, as_json, refuse_live
from bridge.screen.errors import say
from bridge.screen.output import print_json
from bridge.screen.retention import SHOWN, complain_of_nothing, is_meant_so, show_meant
from bridge.tapes.lock import is_held
from bridge.text.wording import counted


@frozen
class Asked:
    """How it is to be done: only shown, without a question, for machines; and how long others are waited for."""

    is_dry: bool
    is_sure: bool
    wants_json: bool
    wait_seconds: int


def forget_everywhere(who: str, data: Path, place: LakePlace, asked: Asked) -> int:
    """Ask, erase, prove, print; return the exit code. Raises `BridgeError`."""
    with explained(place), opened(place) as connection:
        prepare(connection)  # of a lake that nobody has sent a call to yet
        meant = meant_everywhere(connection, data, who)
        refuse_live(meant, daemon_runs=is_held(data))
        if not meant.is_number and not meant.calls:
            return complain_of_nothing(meant, data)
        if asked.is_dry or not asked.is_sure:
            show_meant(meant, wants_json=asked.wants_json and asked.is_dry)
        if asked.is_dry:
            return 0
        if not asked.is_sure and not is_meant_so(len(meant.calls)):
            raise ForgetError("nothing was erased; --yes asks no question")
        erased = erase_everywhere(
            connection, place, data, meant, wait_seconds=asked.wait_seconds, tell=_tell(asked.wants_json)
        )
    _show(erased, meant, wants_json=asked.wants_json)
    return 0 if erased.is_gone else 1


def _tell(wants_json: bool) -> Any:
    return (lambda answer: None) if wants_json else _show_answer


def _show_answer(answer: Answer) -> None:
    left = (
        f", something is left in {counted(answer.left, 'place')} there" if answer.left else ", nothing left"
    )
    say(f"{answer.host}: {counted(answer.calls, 'call')} erased{left}")


def _show(erased: ErasedEverywhere, meant: Meant, *, wants_json: bool) -> None:
    if wants_json:
        lake = {
            "rows": erased.rows, "hosts": {one.host: {"calls": one.calls, "left": one.left} for one in erased.answers},
            "silent": list(erased.silent), "left": [{"where": where, "what": what} for where, what in erased.left],
        }  # fmt: skip
        return print_json(as_json(erased.here, meant) | {"lake": lake})
    here = erased.here
    say(f"here: {counted(here.files, 'file')} and {counted(sum(here.rows.values()), 'row')} erased")
    say(
        f"the lake: {counted(sum(erased.rows.values()), 'row')} erased, its files written anew, old snapshots ended"
    )
    for host in erased.silent:
        say(f"{host}: has not answered: it erases its own when it looks the next time; run this again then")
    left = [*((where, what) for where, what in here.proof.left), *erased.left]
    say(
        f"searched {counted(here.proof.files, 'file')} here, and all rows and the catalogue of the lake: "
        + (f"{len(left)} left" if left else "nothing left")
    )
    for where, what in left[:SHOWN]:
        say(f"  {what} in {where}")
    say("Not reached: logs, backups, Postgres' write-ahead log, what Twilio and OpenAI keep.")
