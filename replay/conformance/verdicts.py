"""Findings about one call, made short: each says of a check how it went, why, and which lines prove it."""

from replay.conformance.both_sides import BothSides
from replay.conformance.card import Check, Evidence, Finding, Result


def found(
    check: Check,
    call: BothSides,
    result: Result,
    why: str,
    *,
    phone: Evidence | None = None,
    model: Evidence | None = None,
) -> Finding:
    """Return what a call says about a check."""
    return Finding(check.name, call.name, result, why, phone, model)


def held(
    is_held: bool,
    check: Check,
    call: BothSides,
    why: str,
    *,
    phone: Evidence | None = None,
    model: Evidence | None = None,
) -> Finding:
    """Return that a check passed if something is so, and failed if not."""
    return found(check, call, "passed" if is_held else "failed", why, phone=phone, model=model)
