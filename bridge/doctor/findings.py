"""What an examination found: one finding a fact, with its level and the next step in plain words. Pure."""

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

from attrs import evolve, frozen

from bridge.text.visible import visible

Level: TypeAlias = Literal["ok", "warning", "error"]
SHORTEST_SECRET: Final = 8
"""Anything shorter is a word that stands in sentences, and no secret."""

MOST_CHARACTERS: Final = 400
"""Of one sentence: part of it may be what a stranger's server said."""


@frozen
class Finding:
    """One fact about an installation; `next` says what to do, and is empty when there is nothing to do."""

    check: str
    level: Level
    text: str
    next: str = ""


def fine(check: str, text: str) -> Finding:
    """Return a fact that is as it should be."""
    return Finding(check, "ok", text)


def doubtful(check: str, text: str, step: str) -> Finding:
    """Return a fact that lets calls go through today, and what to do about it."""
    return Finding(check, "warning", text, step)


def wrong(check: str, text: str, step: str) -> Finding:
    """Return a fact that keeps calls from going through, or lets strangers in, and what to do about it."""
    return Finding(check, "error", text, step)


def worst(findings: Iterable[Finding]) -> int:
    """Return the exit code: 0 when all is well, 1 for warnings alone, 2 when there is an error."""
    levels: dict[Level, int] = {"ok": 0, "warning": 1, "error": 2}
    return max((levels[finding.level] for finding in findings), default=0)


def presentable(finding: Finding, secrets: Iterable[str]) -> Finding:
    """Return a finding fit for a screen: on one line, of bounded length, without any of our secrets."""
    return evolve(finding, text=_clean(finding.text, secrets), next=_clean(finding.next, secrets))


def _clean(text: str, secrets: Iterable[str]) -> str:
    for secret in (secret for secret in secrets if len(secret) >= SHORTEST_SECRET):
        text = text.replace(secret, "(not shown)")
    text = visible(text)
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 3] + "..."
