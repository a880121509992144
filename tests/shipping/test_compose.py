"""The compose files: images, rights, and what their services refer to. They are not run here."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.shipping.commands import check_command
from tests.shipping.containerfile import PINNED, stages_of
from tests.support.places import ROOT
from web.process.serve import stop_seconds
from web.settings.settings import Settings, setting_names

DEPLOY = ROOT / "deploy"
STAGES = stages_of((ROOT / "Containerfile").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMPOSED: dict[str, dict[str, Any]] = {
    path.name: yaml.safe_load(path.read_text()) for path in sorted(DEPLOY.glob("compose*.yaml"))
}
SERVICES = [
    pytest.param(composed, name, id=f"{file}-{name}")
    for file, composed in COMPOSED.items()
    for name in composed["services"]
]


def is_ours(service: dict[str, Any]) -> bool:
    return str(service["image"]).startswith("niyosha-")


@pytest.mark.parametrize(("composed", "name"), SERVICES)
def test_a_service_has_a_pinned_image_and_few_rights(composed: dict[str, Any], name: str) -> None:
    service = composed["services"][name]
    image = str(service["image"])
    assert PINNED.match(image) or re.match(r"\$\{\w+:\?.+\}$", image)
    assert service["restart"] == "unless-stopped"
    assert not {"privileged", "network_mode", "pid"} & service.keys()
    for host_port in service.get("ports", []):
        assert is_ours(service) or host_port.startswith("127.0.0.1:")
    if is_ours(service):
        assert image.rpartition(":")[2] == PROJECT["version"]
        assert service["build"]["target"] in STAGES
        assert (service["user"], service["read_only"], service["tmpfs"]) == ("10001:10001", True, ["/tmp"])  # noqa: S108
        assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
        check_command(service.get("command", ["serve"]))
    else:
        assert "healthcheck" in service


@pytest.mark.parametrize(("composed", "name"), SERVICES)
def test_what_a_service_refers_to_is_declared(composed: dict[str, Any], name: str) -> None:
    service = composed["services"][name]
    assert set(service.get("depends_on", {})) <= composed["services"].keys()
    assert set(service.get("networks", [])) <= composed.get("networks", {}).keys()
    assert set(service.get("secrets", [])) <= composed.get("secrets", {}).keys()
    for volume in service.get("volumes", []):
        source = volume.partition(":")[0]
        assert (DEPLOY / source).is_file() if source.startswith(".") else source in composed["volumes"]
    for variable in service.get("environment", {}):
        setting = variable.removeprefix("NIYOSHA_").lower()
        assert not variable.startswith("NIYOSHA_") or setting in setting_names()
    for awaited, condition in service.get("depends_on", {}).items():
        assert condition == {"condition": "service_healthy"}
        assert awaited == "engine" or "healthcheck" in composed["services"][awaited]


@pytest.mark.parametrize("composed", COMPOSED.values(), ids=COMPOSED)
def test_the_settings_of_a_compose_file_can_be_used(composed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    variables = dict(composed["services"]["gateway"]["environment"])
    in_image = [entry.split("=", 1) for value in STAGES["gateway"].values("ENV") for entry in shlex.split(value)]
    variables |= {name: value for name, value in in_image if name not in variables}
    for name, value in variables.items():
        if name.startswith("NIYOSHA_"):
            monkeypatch.setenv(name, re.sub(r"\$\{\w+:\?.+?\}", "x" * 32, value))
    settings = Settings()
    grace = int(composed["services"]["gateway"]["stop_grace_period"].removesuffix("s"))
    assert grace > stop_seconds(settings)


def test_prometheus_and_grafana_find_what_they_are_given() -> None:
    volumes = {
        path: inside
        for service in ("prometheus", "grafana")
        for path, inside, *_ in (
            volume.split(":") for volume in COMPOSED["compose.yaml"]["services"][service]["volumes"]
        )
    }
    prometheus = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    assert prometheus["rule_files"] == [volumes["../docs/alerts.yml"]]
    (job,) = prometheus["scrape_configs"]
    assert job["authorization"]["credentials_file"] == "/run/secrets/metrics_token"
    assert set(job["dns_sd_configs"][0]["names"]) <= COMPOSED["compose.yaml"]["services"].keys()
    (provider,) = yaml.safe_load((DEPLOY / "grafana" / "dashboards.yaml").read_text())["providers"]
    assert Path(volumes["../docs/grafana.json"]).parent == Path(provider["options"]["path"])
    (source,) = yaml.safe_load((DEPLOY / "grafana" / "datasources.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
