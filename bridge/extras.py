"""Which optional packages the settings ask for, and what to install when one is not there."""

import sys
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec
from attrs import frozen

from bridge.config import Settings

DISTRIBUTION: Final = "phone-bridge"
EXTRAS: Final = {
    "vad": ("numpy", "soxr", "tomlkit"),
    "compare": ("numpy", "scipy"),
    "metrics": ("prometheus_client",),
    "otel": ("opentelemetry",),
    "dask": ("dask", "distributed"),
    "outbound": ("phonenumbers",),
    "s3": ("obstore", "botocore"),
    "lake": ("duckdb_extension_ducklake", "duckdb_extension_httpfs", "duckdb_extension_postgres_scanner"),
}
"""Each extra, and the packages that come with it by the names they are imported by."""


def missing_extras(settings: Settings) -> list[str]:
    """Return one sentence for each option whose packages are not installed."""
    wanted = {
        "metrics": ("[admin] bind", settings.admin.bind, "prometheus_client"),
        "lake": ("[store] lake", settings.store.lake, "duckdb_extension_ducklake"),
        "s3": ("[store] tapes", settings.store.tapes, "obstore"),
        "outbound": ("[outbound] caller_id", settings.outbound.caller_id, "phonenumbers"),
        "otel": ("[tracing] endpoint", settings.tracing.endpoint, "opentelemetry.exporter.otlp.proto.http"),
    }
    return [
        f"{option} needs packages that are not here: {install_hint(extra)}; or leave it empty"
        for extra, (option, value, package) in wanted.items()
        if value and not is_installed(package)
    ]


def is_installed(package: str) -> bool:
    """Say whether a package could be imported, without importing it."""
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # not even the package around it
        return False


def extra_with(module: str, command: str = "") -> str | None:
    """Return the extra that a module comes with; of several, the one that the command is called like."""
    package = module.partition(".")[0]
    having = [extra for extra, packages in EXTRAS.items() if package in packages]
    return next((extra for extra in having if extra in command.split()), having[0] if having else None)


# ---------------------------------------------------------------- what to install, here


@frozen
class Origin:
    """Where this installation came from: an index if `url` is empty, else a file, a folder or a repository.

    `folder` is the checkout that an editable installation reads its code from; `extras` are there already.
    """

    url: str = ""
    folder: Path | None = None
    extras: frozenset[str] = frozenset()
    is_uv_tool: bool = False
    has_pip: bool = True
    python: str = "python"


def install_hint(extra: str) -> str:
    """Return the command that adds an extra to this installation."""
    return command_for(extra, origin())


def command_for(extra: str, origin: Origin) -> str:
    """Return the command that adds an extra to an installation, naming what that was installed from.

    The project has to be named as it was: an index may not have it, or have another of this name. `uv sync` and
    `uv tool install` remove the extras that are not named, so those that are there are named again.
    """
    extras = sorted({extra, *origin.extras})
    if origin.folder is not None and (origin.folder / "uv.lock").exists():
        return f"uv sync {' '.join(f'--extra {one}' for one in extras)}"
    extra = ",".join(extras) if origin.is_uv_tool else extra
    wanted = f"{DISTRIBUTION}[{extra}]" + (f" @ {origin.url}" if origin.url else "")
    if origin.folder is not None:
        wanted = f"{origin.folder}[{extra}]"
    what = f"--editable '{wanted}'" if origin.folder is not None else f"'{wanted}'"
    if origin.is_uv_tool:
        return f"uv tool install {what}"
    if not origin.has_pip:
        return f"uv pip install --python {origin.python} {what}"
    return f"{origin.python} -m pip install {what}"


def origin() -> Origin:
    """Return where this installation came from, by what installers leave beside it (PEP 610)."""
    try:
        told = distribution(DISTRIBUTION).read_text("direct_url.json")
    except PackageNotFoundError:  # the code alone, found through PYTHONPATH
        told = None
    direct = msgspec.json.decode(told) if told else {}
    url = str(direct.get("url", ""))
    is_editable = bool(direct.get("dir_info", {}).get("editable"))
    if version_control := direct.get("vcs_info"):
        url = f"{version_control['vcs']}+{url}@{version_control['commit_id']}"
    return Origin(
        url=url,
        folder=Path(unquote(urlsplit(url).path)) if is_editable else None,
        extras=frozenset(extra for extra, packages in EXTRAS.items() if all(map(is_installed, packages))),
        is_uv_tool=(Path(sys.prefix) / "uv-receipt.toml").exists(),
        has_pip=is_installed("pip"),
        python=sys.executable,
    )
