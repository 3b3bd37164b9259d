"""A page of figures that several benches write, each its own section; the others' stay as they are."""

from pathlib import Path
from typing import Final

HEAD: Final = "\n## "


def put_section(page: Path, title: str, text: str) -> None:
    """Put a section under a title in place of the one that is there, or at the end; no title is what comes first."""
    first, *others = page.read_text(encoding="utf-8").split(HEAD)
    sections = dict(one.split("\n", 1) for one in others)
    if title:
        sections[title] = f"\n{text.strip()}\n"
    else:
        first = text.strip() + "\n"
    page.write_text(first + "".join(f"{HEAD}{name}\n{body}" for name, body in sections.items()), "utf-8")
