"""The whole console: every page of it, put into the app of the admin address."""

from quart_trio import QuartTrio

from bridge.calls.setup import CurrentSetup
from bridge.console.app import Door, Pages, open_console
from bridge.console.history import add_history
from bridge.console.live import add_live
from bridge.console.one_call import add_one_call
from bridge.observe.snapshot import Snapshot


def add_console(app: QuartTrio, snapshot: Snapshot, current: CurrentSetup) -> None:
    """Add the console's pages, for as long as the configuration says that there are any."""

    def door() -> Door:
        setup = current.setup
        return Door(setup.settings.admin, setup.settings.console, setup.secrets.admin_token)

    pages = Pages(door, snapshot)
    console = open_console(pages)
    add_history(console, pages)
    add_one_call(console, pages)
    add_live(console, pages)
    app.register_blueprint(console)
