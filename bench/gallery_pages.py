"""The pages of the gallery, made of kept report cards: facts, the lines that prove them, and how to repeat it."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.gallery_recipes import Recipe
from bridge.text.visible import visible
from replay.conformance.card import Check, Evidence, Finding, ReportCard, Result
from replay.conformance.shown.words import found_of

WORDS: Final[Mapping[Result, str]] = {"passed": "✓", "failed": "✗", "unknown": "·"}
IN_WORDS: Final[Mapping[Result, str]] = {
    "passed": "passed",
    "failed": "failed",
    "unknown": "could not be told",
}
MOST_FINDINGS: Final = 3
"""Of one check that failed, with their lines; the others are named."""
LONGEST_LINE: Final = 220
MOST_NOTES: Final = 10
INTRODUCTION: Final = """\
Bridges between Twilio's Media Streams and OpenAI's Realtime API, rung by [`replay judge`](../judge.md): both peers are
stand-ins of this project, on one machine and one clock. A card says what was seen in those calls with that version, on
two cores, and no more. Samples are written to be read, and not everything that is looked for is what their authors set
out to do. Each page has the lines of both sides, and the command to repeat it."""
LEGEND: Final = """\
`✓` passed, `✗` failed in at least one call, `·` could not be told: no call came that far, or the bridge has nothing of
the kind."""
BY: Final = (
    "Made by `python bench/gallery.py pages` of the kept cards in `cards/`; it is not written by hand."
)

Shown = Sequence[tuple[Recipe, ReportCard]]


def overview(shown: Shown, waiting: Sequence[Recipe] = ()) -> str:
    """Return the page of all bridges, `docs/judge/README.md`; of those that wait there is a recipe and no card."""
    return "\n".join([*_overview(shown), *_waiting(waiting), BY]) + "\n"


def page(recipe: Recipe, card: ReportCard) -> str:
    """Return the page of one bridge."""
    return "\n".join(_page(recipe, card)) + "\n"


def write_pages(shown: Shown, waiting: Sequence[Recipe], folder: Path) -> None:
    """Write all pages."""
    (folder / "README.md").write_text(overview(shown, waiting))
    for recipe, card in shown:
        (folder / f"{recipe.name}.md").write_text(page(recipe, card))


def _overview(shown: Shown) -> Iterator[str]:
    yield "# Report cards"
    yield ""
    yield INTRODUCTION
    yield ""
    yield "| bridge | version | rung on | passed | failed | could not tell |"
    yield "|---|---|---|---|---|---|"
    for recipe, card in shown:
        counts = " | ".join(str(len(card.named(result))) for result in ("passed", "failed", "unknown"))
        yield f"| [{recipe.title}]({recipe.name}.md) | {recipe.version} | {card.date[:10]} | {counts} |"
    yield ""
    yield from _matrix(shown)
    yield ""
    yield LEGEND
    yield ""


def _waiting(waiting: Sequence[Recipe]) -> Iterator[str]:
    if waiting:
        names = ", ".join(f"[{recipe.title}](recipes/{recipe.name}.toml)" for recipe in waiting)
        yield f"Of these there is a recipe, and no card yet: {names}."
        yield ""


def _matrix(shown: Shown) -> Iterator[str]:
    checks = {check.name: check for _, card in shown for check in card.checks}
    yield (
        "| what a good bridge does | "
        + " | ".join(f"[{recipe.name}]({recipe.name}.md)" for recipe, _ in shown)
        + " |"
    )
    yield "|---|" + "---|" * len(shown)
    for name, check in checks.items():
        row = " | ".join(WORDS[card.results.get(name, "unknown")] for _, card in shown)
        yield f"| {_sentence(check.title)} | {row} |"


def _page(recipe: Recipe, card: ReportCard) -> Iterator[str]:
    yield f"# {recipe.title}"
    yield ""
    yield recipe.about
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| by | {recipe.by} |"
    yield f"| version | {recipe.version} |"
    yield f"| source | {recipe.source} |"
    yield f"| rung on | {card.date}, {len(card.calls)} calls in {card.took_seconds:.0f} s |"
    counts = ", ".join(f"{len(card.named(result))} {words}" for result, words in IN_WORDS.items())
    yield f"| checks | {counts} |"
    yield ""
    yield from _failures(card)
    yield from _others(card, "unknown", "Could not be told")
    yield from _others(card, "passed", "Passed")
    yield from _notes(card)
    yield from _repeat(recipe)
    yield BY


def _failures(card: ReportCard) -> Iterator[str]:
    if not card.named("failed"):
        return
    yield "## Failed"
    yield ""
    for check in card.checks:
        failed = [finding for finding in card.of(check.name) if finding.result == "failed"]
        if failed:
            yield from _failure(check, failed)


def _failure(check: Check, failed: Sequence[Finding]) -> Iterator[str]:
    yield f"### {_sentence(check.title)}"
    yield ""
    yield f"What a caller notices: {check.caller_notices}."
    yield ""
    for finding in failed[:MOST_FINDINGS]:
        yield f"- in the call *{finding.call or 'of all'}*: {visible(finding.why)}"
        lines = [line for line in (finding.phone, finding.model) if line is not None]
        if lines:
            yield ""
            yield "```text"
            yield from (_line(line) for line in sorted(lines, key=lambda line: line.at_ms))
            yield "```"
            yield ""
    if rest := [finding.call for finding in failed[MOST_FINDINGS:]]:
        yield f"- and in {', '.join(rest)}"
    yield ""
    yield f"Bridges that pass: {check.others_do}."
    yield ""


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _line(line: Evidence) -> str:
    text = visible(line.line)
    cut = text if len(text) <= LONGEST_LINE else f"{text[:LONGEST_LINE]} …"
    return f"{line.at_ms / 1000:7.2f} s  {line.side:5s}  {cut}"


def _others(card: ReportCard, result: Result, heading: str) -> Iterator[str]:
    checks = [check for check in card.checks if card.result_of(check.name) == result]
    if not checks:
        return
    yield f"## {heading}"
    yield ""
    for check in checks:
        yield f"- {_sentence(check.title)}: {visible(found_of(card, check.name))}"
    yield ""


def _notes(card: ReportCard) -> Iterator[str]:
    if card.notes:
        yield "## To know besides"
        yield ""
        yield from (f"- {visible(note)[:LONGEST_LINE]}" for note in card.notes[:MOST_NOTES])
        yield ""


def _repeat(recipe: Recipe) -> Iterator[str]:
    yield "## To repeat it"
    yield ""
    if recipe.commit:
        place = f", the folder `{recipe.folder}`" if recipe.folder else ""
        yield f"Get commit `{recipe.commit}` of <{recipe.source}>{place}, and in there:"
        yield ""
    if recipe.install:
        yield "```sh"
        if recipe.runtime == "python":
            yield "python3 -m venv .venv"
        yield from recipe.install
        yield "```"
        yield ""
    for change in recipe.changes:
        yield f"In `{change.file}` put `{change.stands}` in the place of `{change.says}`: {change.why}."
    if recipe.changes:
        yield ""
    yield "```sh"
    yield shlex.join(recipe.judged_by)
    yield "```"
    yield ""
