"""What is set of the daemon itself: where it listens, how many calls it takes, and how it ends."""

from attrs import frozen

from bridge.checks import address, number, processes, public_url, refusal, setting, whole
from bridge.settings.languages import sayable


@frozen
class Server:
    """Where the daemon listens, and under which URL Twilio reaches it."""

    bind: str = setting("127.0.0.1:8080", address)
    host_url: str = setting("", public_url)  # before the next line, which takes the name of the check
    public_url: str = setting("", public_url)
    workers: int = setting(1, processes(64))
    max_calls: int = setting(50, whole(1, 1000))
    max_lag_ms: int = setting(200, whole(0, 10_000))
    max_busy_percent: int = setting(85, whole(0, 100))
    when_full: str = setting("busy", refusal())
    waiting_calls: int = setting(25, whole(1, 1000))
    calls_per_caller: int = setting(30, whole(0, 1000))
    caller_window_seconds: int = setting(600, whole(1, 86_400))
    max_cost_per_day_usd: float = setting(0.0, number(0, 1_000_000))
    max_connections: int = setting(2000, whole(10, 50_000))
    sockets_per_address: int = setting(1000, whole(1, 50_000))
    drain_seconds: int = setting(20, whole(1, 14400))
    when_draining: str = setting("busy", refusal())
    closing_sentence: str = setting(
        "", sayable("the words a caller hears when draining ends the call", empty=True)
    )

    @property
    def own_url(self) -> str:
        """Return where this host alone is reached: what begins the addresses of its calls."""
        return self.host_url or self.public_url

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return every address under which Twilio may call this host."""
        return tuple(dict.fromkeys((self.public_url, self.own_url)))
