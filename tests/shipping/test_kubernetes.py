"""The manifests for Kubernetes: valid for its API, with few rights, in step with the program. They are not run here."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml  # type: ignore[import-untyped]

from tests.shipping.commands import check_command
from tests.shipping.containerfile import stages_of
from tests.support.places import ROOT
from web.process.serve import stop_seconds
from web.settings.settings import Settings, setting_names

HERE = ROOT / "deploy" / "kubernetes"
VERSION = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
# Of the operator of Prometheus: the API of Kubernetes does not have it.
CUSTOM = {"ServiceMonitor"}
# The oldest and the newest version of Kubernetes that its manifests are checked for.
RELEASES = ("1.29", "1.33")


def manifests() -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(HERE.glob("*/*.yaml")):
        if path.name != "kustomization.yaml":
            yield from ((path, one) for one in yaml.safe_load_all(path.read_text()))


MANIFESTS = list(manifests())
KUSTOMIZATIONS = {path.parent.name: yaml.safe_load(path.read_text()) for path in HERE.glob("*/kustomization.yaml")}
OBJECTS = [
    pytest.param(one, id=f"{path.parent.name}-{one['kind']}-{one['metadata']['name']}") for path, one in MANIFESTS
]
WORKLOADS = [pytest.param(one, id=one["metadata"]["name"]) for _, one in MANIFESTS if one["kind"] == "Deployment"]


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [one for _, one in MANIFESTS if one["kind"] == kind]


def container_of(workload: dict[str, Any]) -> dict[str, Any]:
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    return dict(container)


def settings_of(workload: dict[str, Any]) -> dict[str, str]:
    """Return the variables that a workload gets from configuration maps."""
    maps = {one["metadata"]["name"]: one["data"] for one in of_kind("ConfigMap")}
    sources = [
        source["configMapRef"]["name"] for source in container_of(workload)["envFrom"] if "configMapRef" in source
    ]
    return {name: value for source in sources for name, value in maps[source].items()}


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("one", OBJECTS)
def test_an_object_is_valid_for_the_api(one: dict[str, Any], release: str) -> None:
    if one["kind"] not in CUSTOM:
        kubernetes_validate.validate(one, release, strict=True)


def test_every_file_belongs_to_a_kustomization() -> None:
    named = {
        (HERE / directory / resource).resolve()
        for directory, kustomization in KUSTOMIZATIONS.items()
        for resource in kustomization["resources"]
    }
    assert {path.resolve() for path, _ in MANIFESTS} <= named
    assert all(path.exists() for path in named)


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_workload_has_few_rights(workload: dict[str, Any]) -> None:
    pod, container = workload["spec"]["template"]["spec"], container_of(workload)
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_workload_runs_a_command_of_the_image_with_settings_that_there_are(workload: dict[str, Any]) -> None:
    container = container_of(workload)
    stages = stages_of((ROOT / "Containerfile").read_text())
    assert container["image"].removeprefix("niyosha-") in stages
    check_command(container.get("args", ["serve"]))
    if "envFrom" in container:
        assert {name.removeprefix("NIYOSHA_").lower() for name in settings_of(workload)} <= set(setting_names())
    pinned = {image["name"]: image["newTag"] for one in KUSTOMIZATIONS.values() for image in one.get("images", [])}
    assert VERSION is not None
    assert pinned[container["image"]] == VERSION[1]


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_workload_selects_its_own_pods(workload: dict[str, Any]) -> None:
    wanted = workload["spec"]["selector"]["matchLabels"].items()
    assert wanted <= workload["spec"]["template"]["metadata"]["labels"].items()


def test_a_gateway_may_finish_its_streams_before_it_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    (gateway,) = [one for one in of_kind("Deployment") if one["metadata"]["name"] == "niyosha-gateway"]
    for name, value in settings_of(gateway).items():
        monkeypatch.setenv(name, value)
    pod = gateway["spec"]["template"]["spec"]
    _, pause_seconds = container_of(gateway)["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] > int(pause_seconds) + stop_seconds(Settings())


def test_services_budgets_and_policies_select_pods_that_there_are() -> None:
    labels = [one["spec"]["template"]["metadata"]["labels"].items() for one in of_kind("Deployment")]
    selectors = [
        *(one["spec"]["selector"] for one in of_kind("Service") if "app" not in one["spec"]["selector"]),
        *(one["spec"]["selector"]["matchLabels"] for one in of_kind("PodDisruptionBudget")),
        *(one["spec"]["podSelector"]["matchLabels"] for one in of_kind("NetworkPolicy")),
    ]
    for selector in selectors:
        assert any(selector.items() <= one for one in labels), selector


def test_gateways_find_the_recognizers_by_a_name_without_an_address_of_its_own() -> None:
    (settings,) = [one["data"] for one in of_kind("ConfigMap")]
    scheme, _, address = settings["NIYOSHA_RIVA_URI"].partition(":///")
    name, _, port = address.partition(":")
    services = [one for one in of_kind("Service") if one["metadata"]["name"] == name]
    assert scheme == "dns"
    assert len(services) == 2  # one of each variant
    for service in services:
        assert service["spec"]["clusterIP"] == "None"
        assert service["spec"]["ports"][0]["port"] == int(port)


def test_the_autoscaler_counts_a_metric_that_there_is() -> None:
    (scaler,) = of_kind("HorizontalPodAutoscaler")
    names = {one["pods"]["metric"]["name"] for one in scaler["spec"]["metrics"]}
    documented = set(re.findall(r"^\| `(niyosha_\w+)`", (ROOT / "docs/observability.md").read_text(), re.MULTILINE))
    assert names <= documented
    assert scaler["spec"]["scaleTargetRef"]["name"] in {one["metadata"]["name"] for one in of_kind("Deployment")}
