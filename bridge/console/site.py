"""The whole console: every page of it, put into the app of the admin address."""

from quart_trio import QuartTrio

from bridge.calls.setup import CurrentSetup
from bridge.console.app import Begin, Door, Pages, open_console
from bridge.console.exports import add_exports, clear_ready
from bridge.console.growing import add_growing
from bridge.console.history import add_history
from bridge.console.lab.pages import Lab, add_lab
from bridge.console.lab.runs import Runs
from bridge.console.live import Watch, add_live
from bridge.console.marks import add_marks
from bridge.console.one_call import add_one_call
from bridge.console.operator.acts import add_acts
from bridge.console.operator.listening import add_listening
from bridge.console.quality import add_quality
from bridge.observe.snapshot import Snapshot


def add_console(current: CurrentSetup, app: QuartTrio, snapshot: Snapshot, begin: Begin) -> None:
    """Add the console's pages, for as long as the configuration says that there are any."""

    def door() -> Door:
        setup = current.setup
        return Door(setup.settings.admin, setup.settings.console, setup.secrets.admin_token)

    pages = Pages(door, snapshot)
    console = open_console(app, pages)
    watch = Watch(pages, begin)
    add_history(console, pages, watch)
    data = current.setup.settings.data_folder
    begin(clear_ready, data)
    add_one_call(console, pages, data)
    add_growing(console, pages)
    add_marks(console, pages)
    add_exports(console, pages, data)
    add_quality(console, pages)
    add_lab(console, Lab(pages, Runs(current.setup.settings.folder, begin), data))
    add_live(console, pages, watch)
    add_acts(console, pages)
    add_listening(console, pages)
