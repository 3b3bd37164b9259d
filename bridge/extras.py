"""Which optional packages the settings ask for, and what to install when one is not there."""

from importlib.util import find_spec

from bridge.config import Settings


def missing_extras(settings: Settings) -> list[str]:
    """Return one sentence for each option whose packages are not installed."""
    wanted = {
        "metrics": ("[admin] bind", settings.admin.bind, "prometheus_client"),
        "otel": ("[tracing] endpoint", settings.tracing.endpoint, "opentelemetry.exporter.otlp.proto.http"),
    }
    return [
        f"{option} needs packages that are not here: pip install 'phone-bridge[{extra}]', or leave it empty"
        for extra, (option, value, package) in wanted.items()
        if value and not is_installed(package)
    ]


def is_installed(package: str) -> bool:
    """Say whether a package could be imported, without importing it."""
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # not even the package around it
        return False
