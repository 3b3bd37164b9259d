"""The command line of `replay phone`, read: who is rung, by which account. It calls nobody."""

import os
import re

import attrs

from bridge.checks import VARIABLE
from bridge.screen.errors import complain
from replay.phone.ring import Destination, DestinationError, destination
from replay.phone.scenario import MAX_PARAMETER_CHARS, Scenario
from replay.phone.script import Account, SharedKey


def destination_of(to: str, public_url: str | None, also_hosts: tuple[str, ...]) -> Destination:
    """Return who --to and --public-url mean; says what is wrong and leaves when it is nobody."""
    try:
        return destination(to, public_url, also_hosts)
    except DestinationError as error:
        complain(error.found, hint=error.instead)


def parameters_of(words: tuple[str, ...]) -> dict[str, str]:
    """Return what the --parameter options say."""
    pairs = [word.partition("=") for word in words]
    for name, equals, value in pairs:
        if not name or not equals or len(name) + len(value) > MAX_PARAMETER_CHARS:
            complain(
                f"--parameter {name}: not NAME=VALUE of at most {MAX_PARAMETER_CHARS} characters",
                hint="-p token=abc",
            )
    return {name: value for name, _, value in pairs}


def account_of(
    told: Scenario, auth_token_env: str | None, account_sid: str | None, shared_key_env: str | None = None
) -> Account:
    """Return the account that rings; its token is read from the environment, or invented."""
    account = Account(number=told.call.to_number, caller=told.call.from_number)
    if account_sid is not None:
        if not re.fullmatch(r"AC[0-9a-f]{32}", account_sid):
            complain("--account-sid: not AC and 32 hex digits", hint="leave it out for an invented account")
        account = attrs.evolve(account, account_sid=account_sid)
    if shared_key_env is not None:
        account = attrs.evolve(account, shared_key=_shared_key(shared_key_env))
    if auth_token_env is None:
        return account
    return attrs.evolve(account, auth_token=_secret("--auth-token-env", auth_token_env, "TWILIO_AUTH_TOKEN"))


def _secret(option: str, name: str, usual: str) -> str:
    """Return what an environment variable holds."""
    if not VARIABLE.fullmatch(name):  # not repeated: it may be the secret itself, pasted by mistake
        complain(f"{option}: not the name of an environment variable", hint=f"{option} {usual}")
    secret = os.environ.get(name, "").strip()
    if not secret:
        complain(f"{name} is not set, or empty", hint=f"export {name}=..., then again")
    return secret


def _shared_key(name: str) -> SharedKey:
    found = SHARED_KEY.fullmatch(_secret("--shared-key-env", name, "TWILIO_SHARED_KEYS").partition("\n")[0])
    if found is None:
        complain(f"{name}: not a shared key", hint=f"export {name}=ID=SECRET, or ID:HMAC_SHA1=SECRET")
    return SharedKey(found["id"], found["secret"], found["algorithm"] or "HMAC_SHA256")


SHARED_KEY = re.compile(
    r"(?P<id>[A-Za-z0-9_.-]{1,100})(:(?P<algorithm>HMAC_SHA1|HMAC_SHA256))?=(?P<secret>.+)"
)
"""As a bridge's own settings have it."""
