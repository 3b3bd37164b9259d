"""What is to be judged, as a person says it: on the command line, or in a test. It makes no call."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from bridge.checks import nearest
from bridge.errors import BridgeError
from replay.conformance.card import Check
from replay.conformance.catalogue import AS_TOLD, CHECKS
from replay.conformance.job import Job, Start, variables_of
from replay.conformance.situations import Situation, made_by
from replay.conformance.started_bridge import free_port
from replay.model.scenario import load_scenario
from replay.phone.ring import Account, Destination, destination
from replay.phone.scenario import load

MODEL_PORT: Final = 8090
"""Where a bridge that runs already finds its model, unless another port is named."""


def job_of(
    to: str,
    *,
    public_url: str | None = None,
    cmd: str | None = None,
    model_variables: Sequence[str] = (),
    model_port: int | None = None,
    account: Account | None = None,
    only: Sequence[str] = (),
    own: Sequence[Situation] = (),
    keep: Path | None = None,
    name: str | None = None,
) -> Job:
    """Return what is to be done. With `cmd`, `to` may be a path. Raises `BridgeError` for what makes no sense."""
    if cmd is not None and "://" not in to:
        if not to.startswith("/"):
            raise BridgeError(f"--to {to}: neither a URL nor a path: use --to /{to}")
        to = f"http://127.0.0.1:{free_port()}{to}"
    rung = destination(to, public_url)
    account = account or Account()
    return Job(
        to=rung,
        account=account,
        name=name or cmd or to,
        checks=_checks(only, own),
        are_named=bool(only),
        own=own,
        keep=keep,
        start=_start(cmd, model_variables, rung, account),
        model_port=(0 if cmd else MODEL_PORT) if model_port is None else model_port,
    )


def own_calls(pairs: Sequence[tuple[Path, Path]], recorded: Sequence[Situation]) -> tuple[Situation, ...]:
    """Return the calls that somebody brings: pairs of a phone's and a model's scenario, and recorded callers.

    Raises `ConfigError`.
    """
    told = [made_by(load(phone), load_scenario(model), phone.stem) for phone, model in pairs]
    made = [*told, *recorded]
    names = [one.name for one in made]
    return tuple(
        attrs.evolve(one, name=f"{one.name}-{place}") if names.count(one.name) > 1 else one
        for place, one in enumerate(made, 1)
    )


def _checks(only: Sequence[str], own: Sequence[Situation]) -> tuple[Check, ...]:
    there = (AS_TOLD, *CHECKS) if any(one.told for one in own) else CHECKS
    names = [check.name for check in there]
    for name in only:
        if name not in names:
            raise BridgeError(f"--only {name}: there is no such check: {nearest(name, names)}")
    return tuple(check for check in there if check.name in only or not only)


def _start(cmd: str | None, variables: Sequence[str], to: Destination, account: Account) -> Start | None:
    """Return how the bridge is started, if it is."""
    if cmd is None:
        if variables:
            raise BridgeError(
                '--model-variable is for a bridge that is started: use it with --cmd "python main.py"'
            )
        return None
    if not cmd.strip():
        raise BridgeError(
            '--cmd is empty: use --cmd "python main.py", or leave it out for a bridge that runs'
        )
    if to.address[1] is None:
        raise BridgeError(
            "--to names no port for the bridge of --cmd: use --to /incoming-call, for any free one"
        )
    return Start(cmd, variables_of(variables), account.auth_token)
