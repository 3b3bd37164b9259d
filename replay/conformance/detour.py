"""How a bridge that has the service's address in its code comes to the stand-in: its processes are told to go there.

It is for bridges in Python and Node; of others `hooks` knows nothing, and they have to be told in a variable."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

SERVICE: Final = "api.openai.com"
HOOKS: Final = Path(__file__).parent / "hooks"


def detour(model_url: str, present: Mapping[str, str]) -> dict[str, str]:
    """Return what a bridge has to find in its environment; what is there already stays."""
    paths = filter(None, (str(HOOKS), present.get("PYTHONPATH")))
    options = filter(None, (present.get("NODE_OPTIONS"), f'--require "{HOOKS / "detour.cjs"}"'))
    spared = filter(None, (present.get("NO_PROXY") or present.get("no_proxy"), SERVICE))
    no_proxy = ",".join(spared)
    return {
        "REPLAY_JUDGE_DETOUR": f"{SERVICE}={urlsplit(model_url).netloc}",
        "PYTHONPATH": os.pathsep.join(paths),
        "NODE_OPTIONS": " ".join(options),
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }
