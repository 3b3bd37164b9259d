"""Pages of the console that are open in browsers, without the browsers: each is fetched, and then its events are read
until the process is ended; some of those who look at a call listen in on it, too. It says how much came once a second,
on a line of its standard output.

python -m bench.console_reader SOCKET PAGES LISTENERS
"""

import re
import socket
import sys
import threading
import time
from collections import Counter
from http.client import HTTPConnection, HTTPResponse
from typing import Final

from bench.load_sides import SIGNED_IN
from bridge.console.app import BASE, HOME

LISTS: Final = 2
"""Of the pages: each shows all calls that go on. The others show one call each."""

CALL: Final = re.compile(rf'href="{HOME}/(CA[0-9a-f]+)"')


def asked(path: str, address: str, method: str = "GET") -> HTTPResponse:
    """Return the answer to a request, to be read bit by bit."""
    connection = HTTPConnection("localhost", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(path)
    connection.request(method, address, headers=SIGNED_IN)
    answer = connection.getresponse()
    if answer.status != 200:
        raise SystemExit(f"{address}: {answer.status}")
    return answer


def follow(path: str, page: str, stream: str, told: Counter[str]) -> None:
    """Open a page, and read what it is told from then on."""
    asked(path, page).read()
    events = asked(path, stream)
    told["open"] += 1
    while data := events.read1(65536):
        told["events"] += data.count(b"\n\n")
        told["bytes"] += len(data)


def listen(path: str, call: str, told: Counter[str]) -> None:
    """Hear a call for as long as it goes on."""
    sound = asked(path, f"{HOME}/{call}/listen", "POST")
    told["open"] += 1
    while data := sound.read1(65536):
        told["sound"] += len(data)


def main(path: str, pages: int, listeners: int) -> None:
    """Open so many pages, of which some show a call that goes on each, and listen in on so many of those calls."""
    told = Counter[str]()
    calls = list(dict.fromkeys(CALL.findall(asked(path, HOME).read().decode())))
    addresses = [(HOME, f"{BASE}/live")] * min(LISTS, pages)
    addresses += [(f"{HOME}/{call}", f"{HOME}/{call}/live") for call in calls[: pages - len(addresses)]]
    for page, stream in addresses:
        threading.Thread(target=follow, args=(path, page, stream, told), daemon=True).start()
    for call in calls[:listeners]:
        threading.Thread(target=listen, args=(path, call, told), daemon=True).start()
    while True:
        print(told["open"], told["events"], told["bytes"], told["sound"], flush=True)
        time.sleep(1)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
