"""What stands in `deploy/` for a fleet: files that the engines themselves take, and that agree with each other."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.agents import Agent
from bridge.config import Secrets, missing_secrets, parse
from bridge.doctor.doubts import doubts
from bridge.extras import EXTRAS

DEPLOY = Path(__file__).parents[2] / "deploy"
BALANCER = DEPLOY / "haproxy.cfg"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
MANIFESTS: list[dict[str, Any]] = [
    document
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
]


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in MANIFESTS if one["kind"] == kind}


# ---------------------------------------------------------------- the balancer

TWO = {
    "BALANCER_BIND": "127.0.0.1:1", "BRIDGE_ONE": "127.0.0.1:2", "BRIDGE_TWO": "127.0.0.1:3",
    "HOST_ONE": "one.example.com", "HOST_TWO": "two.example.com",
}  # fmt: skip
THREE = {"BRIDGE_THREE": "127.0.0.1:4", "HOST_THREE": "three.example.com"}


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="needs Debian's haproxy")
@pytest.mark.parametrize("known", [TWO, TWO | THREE])
def test_haproxy_takes_its_file(known: dict[str, str]) -> None:
    told = subprocess.run(
        ["haproxy", "-c", "-f", str(BALANCER)],
        env={**os.environ, **known},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr


def test_the_balancer_of_the_composition_is_told_all_that_its_file_asks_for() -> None:
    lines = [line for line in BALANCER.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    asked = set(re.findall(r"\$\{(\w+)", "\n".join(lines)))
    told = COMPOSE["services"]["balancer"]["environment"]
    assert asked == {*TWO, *THREE}
    assert set(told) == set(TWO)


# ---------------------------------------------------------------- the composition


def test_what_the_composition_names_is_there() -> None:
    services = COMPOSE["services"]
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            here = source.startswith("./") and source != "./config.toml"  # which is the user's own
            assert (DEPLOY / source).is_file() if here else source in (*COMPOSE["volumes"], "./config.toml")


def test_each_bridge_of_the_composition_has_an_address_of_its_own_that_the_balancer_leads_to() -> None:
    services = COMPOSE["services"]
    balancer = services["balancer"]["environment"]
    for name in ("one", "two"):
        own = services[name]["environment"]["BRIDGE_HOST_URL"]
        assert own == f"https://{balancer[f'HOST_{name.upper()}']}"
        assert balancer[f"BRIDGE_{name.upper()}"] == f"{name}:8080"
        assert services[name]["environment"]["BRIDGE_PUBLIC_URL"] != own


def test_all_that_the_composition_has_to_be_given_is_in_its_first_lines() -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    header = text.partition("\n\n")[0]
    wanted = set(re.findall(r"\$\{(\w+):\?", text))
    assert {"TWILIO_AUTH_TOKEN", "BRIDGE_ADMIN_TOKEN", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY"} <= wanted
    assert {name for name in wanted if f"{name}=" not in header} == set()


def test_the_image_is_made_of_a_wheel_with_extras_that_there_are_and_no_index_is_asked_for_it() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    ((wheel, extras),) = re.findall(r'pip install --no-cache-dir "([^"]*)\[([a-z0-9,]+)\]"', text)
    assert wheel == "$(ls /wheel/*.whl)"
    assert set(extras.split(",")) <= set(EXTRAS)
    told = [text, (DEPLOY / "compose.yaml").read_text(encoding="utf-8")]
    told += [path.read_text(encoding="utf-8") for path in (DEPLOY.parent / "docs").glob("*.md")]
    assert [text for text in told if "install 'phone-bridge[" in text] == []


def test_the_bucket_of_the_composition_is_made_by_who_may() -> None:
    services = COMPOSE["services"]
    bucket = services["bucket"]
    assert "s3 mb s3://$$BUCKET" in bucket["entrypoint"][-1]
    bridge = services["one"]["environment"]
    assert bucket["environment"].items() - {("BUCKET", "${BUCKET:-calls}")} <= bridge.items()


# ---------------------------------------------------------------- Kubernetes

PORTS = {8080: "http", 9090: "admin"}


def test_the_configuration_of_the_manifests_is_one_that_a_host_starts_with() -> None:
    text = of_kind("ConfigMap")["bridge"]["data"]["config.toml"]
    container = of_kind("StatefulSet")["bridge"]["spec"]["template"]["spec"]["containers"][0]
    given = {one["name"]: one.get("value", "") for one in container["env"]}
    raw = tomllib.loads(text)
    for name in ("bridge-0", "bridge-1"):
        raw["server"]["host_url"] = given["BRIDGE_HOST_URL"].replace("$(NAME)", name)
        raw["server"]["public_url"] = given["BRIDGE_PUBLIC_URL"]
        settings = parse(raw, Path("config.toml"))
        secrets = Secrets(("token",), "sk-key", "admin token")
        assert [
            one for one in missing_secrets(settings, secrets) if "storage" not in one and "AWS" not in one
        ] == []
        assert settings.host_name == name
        assert doubts(settings, secrets) == []
        agent = settings.agents["front-desk"]
        assert (agent.instructions, agent.greeting) != (Agent().instructions, Agent().greeting)
        assert not agent.greeting.startswith("Say")  # it is spoken as it stands


def test_every_name_that_the_fleet_has_leads_to_its_bridge() -> None:
    raw = tomllib.loads(of_kind("ConfigMap")["bridge"]["data"]["config.toml"])
    rules = of_kind("Ingress")["bridge"]["spec"]["rules"]
    led = {rule["host"]: rule["http"]["paths"][0]["backend"]["service"]["name"] for rule in rules}
    own = {url.removeprefix("https://"): name for name, url in raw["fleet"]["hosts"].items()}
    assert led == {"bridge.example.com": "any-bridge", **own}
    services = of_kind("Service")
    for name in own.values():
        assert services[name]["spec"]["selector"]["statefulset.kubernetes.io/pod-name"] == name
    headless = services["bridge"]["spec"]
    assert {port["port"]: port["name"] for port in headless["ports"]} == PORTS
    for name, url in raw["fleet"]["admin"].items():
        assert url == f"http://{name}.bridge:9090"


def test_every_service_selects_pods_that_there_are_and_no_bridge_shares_a_machine() -> None:
    sets = of_kind("StatefulSet")
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in sets.values()]
    for service in of_kind("Service").values():
        wanted = {"app": service["spec"]["selector"]["app"]}
        assert wanted in labels
    bridge = sets["bridge"]["spec"]
    assert bridge["template"]["spec"]["affinity"]["podAntiAffinity"]
    drains = tomllib.loads(of_kind("ConfigMap")["bridge"]["data"]["config.toml"])["server"]["drain_seconds"]
    assert bridge["template"]["spec"]["terminationGracePeriodSeconds"] > drains
