"""How long a person waits for a call's page: from the click to its transcript, to a player that can play, and to sound.

uv run --group browser --group load python -m bench.page_in_browser TAPE [--times 5]

In Chromium, from a daemon with that one call. First each time, as whoever is the first to look at a call: its sound is
not prepared. Then again, when it is. By the clock, so on a machine that has nothing else to do.
"""

import argparse
import os
import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.load_sides import SIGNED_IN, Side, loaded
from bridge.console.app import HOME
from bridge.tapes.reader import header_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PATIENCE_MS: Final = 60_000
WATCH: Final = """  // a second of sound has been played when the clock shows one: 0:01.0
    window.told = {};
    const note = (name) => { window.told[name] ??= Math.round(performance.now()); };
    const look = () => {
        if (document.querySelector(".talk > li")) requestAnimationFrame(() => note("transcript"));
        if (document.body?.dataset.ready === "yes" && !window.told.ready) {
            note("ready");
            document.getElementById("play").click();
        }
        if (window.told.ready && document.getElementById("time").textContent[3] !== "0") note("sound");
        if (window.told.sound && window.heard) window.heard();
        else setTimeout(look, 5);
    };
    look();
"""
SIZES: Final = """({
    nodes: document.getElementsByTagName("*").length,
    kB: Math.round(performance.getEntries().reduce((sum, one) => sum + (one.transferSize || 0), 0) / 1000),
})"""


@contextmanager
def daemon_with(tape: Path) -> Iterator[tuple[str, Path]]:
    """Run a daemon that has one call; give where its page is, and its tape."""
    header = header_of(tape)
    assert header is not None, f"{tape}: no tape"
    with (
        tempfile.TemporaryDirectory(prefix="bridge-page-") as scratch,
        socket.create_server(("127.0.0.1", 0)) as free,
    ):
        address = f"127.0.0.1:{free.getsockname()[1]}"
        free.close()
        folder = Path(scratch) / "side"
        day = folder / "data" / "tapes" / header.started_at[:10]
        day.mkdir(parents=True)
        shutil.copyfile(tape, day / tape.name)
        cores = ",".join(map(str, sorted(os.sched_getaffinity(0))))
        side = Side("bridge", has_console=True, admin=address)
        with loaded(side, folder, "ws://127.0.0.1:1", cores):
            yield f"http://{address}{HOME}/{header.call_id}", day / tape.name


def wait_indexed(browser: "Browser", address: str) -> None:
    """Return when the call can be looked at."""
    context = browser.new_context(extra_http_headers=SIGNED_IN)
    page = context.new_page()
    while (answer := page.goto(address)) is not None and answer.status != 200:
        time.sleep(0.2)
    context.close()


def visit(browser: "Browser", address: str) -> dict[str, Any]:
    """Return when what was there, in ms after the click, and how much of it."""
    context = browser.new_context(extra_http_headers=SIGNED_IN, viewport={"width": 1280, "height": 860})
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(address, wait_until="commit", timeout=PATIENCE_MS)
    page.evaluate("new Promise((done) => { window.heard = done; })")
    told: dict[str, Any] = page.evaluate("window.told") | page.evaluate(SIZES)
    context.close()
    return told


def measure(tape: Path, times: int) -> None:
    """Print what each way to the page takes."""
    from playwright.sync_api import sync_playwright

    with daemon_with(tape) as (address, kept), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--mute-audio", "--autoplay-policy=no-user-gesture-required"],
        )
        wait_indexed(browser, address)
        print("| visit | transcript ms | playable ms | a second heard ms | elements | kB |")
        print("|---|---:|---:|---:|---:|---:|")
        for name, is_first in (("the first", True), ("a later one", False)):
            found = [_visited(browser, address, kept if is_first else None) for _ in range(times)]
            cells = (statistics.median(one[key] for one in found) for key in COLUMNS)
            print(f"| {name} | {' | '.join(f'{cell:.0f}' for cell in cells)} |")
        browser.close()


def _visited(browser: "Browser", address: str, changed: Path | None) -> dict[str, Any]:
    """Visit it; with a tape that is another one than before, of which nothing is prepared."""
    if changed is not None:
        os.utime(changed)
    return visit(browser, address)


COLUMNS: Final = ("transcript", "ready", "sound", "nodes", "kB")


def main() -> None:
    """Measure the page of a tape."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tape", type=Path)
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    measure(given.tape, given.times)


if __name__ == "__main__":
    main()
