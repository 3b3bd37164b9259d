"""The console without a daemon: its pages over a database that is there, for Quart's test client."""

import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import trio
from attrs import define
from quart import Response
from quart.testing import QuartClient
from quart_trio import QuartTrio

from bridge.config import Settings
from bridge.console.app import Door, Pages, open_console
from bridge.console.auth import COOKIE, SESSION, signed
from bridge.console.exports import add_exports
from bridge.console.history import add_history
from bridge.console.lab.pages import Lab, add_lab
from bridge.console.lab.runs import Runs
from bridge.console.marks import add_marks
from bridge.console.one_call import add_one_call
from bridge.console.operator.acts import add_acts
from bridge.console.operator.listening import add_listening
from bridge.console.quality import add_quality
from bridge.indexing.desk import Desk
from bridge.indexing.worker import Indexing
from bridge.settings.admin import Admin, Console
from bridge.store.messages import Failed, Job, Question, Reply, Rows

TOKEN = "let-me-in"
ADMIN = Admin(bind="127.0.0.1:9090")
ON = Console(on=True)


@define
class AtOnce:
    """A database that is asked in this process."""

    desk: Desk
    added: int = 0

    async def read(self, question: Question) -> Rows | Failed:
        return self.desk.answer(question)

    async def ask(self, job: Job) -> Reply:
        return Indexing(self.desk.path.parent).reply_to(job)


@define
class Seen:
    """A daemon on which no call goes on, as it is looked at."""

    indexer: AtOnce
    live: tuple[Any, ...] = ()

    @property
    def switchboard(self) -> "Board":
        return Board(self.live)

    def calls(self) -> list[dict[str, Any]]:
        return []


@define
class Board:
    """Its calls."""

    settings = Settings()
    calls: tuple[Any, ...]


@define
class Site:
    """The console's pages."""

    door: Door
    app: QuartTrio
    pages: Pages
    token: str = TOKEN

    @property
    def client(self) -> QuartClient:
        return self.app.test_client()

    @property
    def signed_in(self) -> dict[str, str]:
        """Return the headers of a browser in which somebody has signed in."""
        return {
            "Cookie": f"{COOKIE}={signed(self.token, SESSION, 'anna', time.time() + 60)}",
            "Host": "127.0.0.1:9090",
        }

    async def get(self, path: str, **headers: str) -> Response:
        return await self.client.get(path, headers={**self.signed_in, **headers})

    async def post(self, path: str, form: Mapping[str, str] = {}, **headers: str) -> Response:
        own = {"Origin": "http://127.0.0.1:9090"}
        return await self.client.post(path, form=form, headers={**self.signed_in, **own, **headers})

    async def page(self, path: str) -> str:
        response = await self.get(path)
        assert response.status_code == 200, await response.get_data(as_text=True)
        return await response.get_data(as_text=True)


class Nobody:
    """No call goes on, here or at another host."""

    async def calls(self) -> list[dict[str, Any]]:
        return []

    def others(self) -> dict[str, Any]:
        return {}


def begin(task: Callable[..., Awaitable[None]], *arguments: Any) -> None:
    """Begin a task beside the test, which may end before it."""
    trio.lowlevel.spawn_system_task(task, *arguments)


def site(
    data: Path,
    *,
    console: Console = ON,
    admin: Admin = ADMIN,
    token: str = TOKEN,
    live: tuple[Any, ...] = (),
) -> Site:
    """Return the console over the database of a folder, of a daemon on which these calls go on."""
    door = Door(admin, console, token)
    pages = Pages(lambda: door, Seen(AtOnce(Desk(data / "calls.duckdb")), live))
    app = QuartTrio("console", static_folder=None)
    console = open_console(app, pages)
    add_history(console, pages, Nobody())  # type: ignore[arg-type]  # of what is looked at, as much as is asked for
    add_marks(console, pages)
    add_exports(console, pages, data)
    add_quality(console, pages)
    add_lab(console, Lab(pages, Runs(data, begin), data))
    add_one_call(console, pages, data)
    add_acts(console, pages)
    add_listening(console, pages)
    return Site(door, app, pages, token)
