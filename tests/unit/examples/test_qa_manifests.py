"""That the example's manifests, images and files agree with each other."""

import importlib
from pathlib import Path
from typing import Any

import yaml
from examples.qa.models import RELEASES

QA = Path(__file__).parents[3] / "examples" / "qa"
IMAGES = yaml.safe_load((QA / "images.yaml").read_text())


def manifests(kind: str) -> dict[str, Any]:
    """All documents of a kind by name, read as one stream: the README pipes them so."""
    stream = "".join(path.read_text() for path in sorted((QA / "manifests").glob("*.yaml")))
    found = list(yaml.safe_load_all(stream))
    return {document["metadata"]["name"]: document for document in found if document["kind"] == kind}


def containers(deployment: Any) -> list[Any]:
    return list(deployment["spec"]["template"]["spec"]["containers"])


def test_every_image_of_a_manifest_has_a_command_that_exists() -> None:
    """The lab's node agent and the Dockerfile can run whatever a manifest names."""
    used = {
        container["image"] for deployment in manifests("Deployment").values() for container in containers(deployment)
    }
    assert used <= set(IMAGES)
    for argv in IMAGES.values():
        assert argv[:2] == ["{python}", "-m"]
        assert callable(importlib.import_module(argv[2]).main)


def test_each_release_is_an_image_whose_tag_it_is() -> None:
    """The tag in the image's name and the release that the code reports are one and the same."""
    releases = {name.split(":")[1]: argv[-1] for name, argv in IMAGES.items() if name.startswith("qa-server:")}
    assert releases == {release: release for release in RELEASES}


def test_the_example_starts_with_the_first_prompt() -> None:
    """The ConfigMap holds prompts/v1.yaml byte for byte, so its digest is the file's."""
    assert manifests("ConfigMap")["qa-prompt"]["data"]["prompt.yaml"] == (QA / "prompts" / "v1.yaml").read_text()


def test_what_a_container_reads_from_a_configmap_is_there() -> None:
    """Every key and every volume named exists."""
    configmaps = manifests("ConfigMap")
    for deployment in manifests("Deployment").values():
        for container in containers(deployment):
            references = [entry["valueFrom"].get("configMapKeyRef") for entry in container["env"]]
            assert all(ref["key"] in configmaps[ref["name"]]["data"] for ref in references if ref)
        volumes = deployment["spec"]["template"]["spec"].get("volumes", [])
        assert all(volume["configMap"]["name"] in configmaps for volume in volumes)


def test_every_pod_can_be_scraped_and_no_manifest_names_a_namespace() -> None:
    """A port named metrics on each container, and `kubectl apply -n` decides where it lives."""
    for kind in ("Deployment", "Service", "ConfigMap", "HTTPRoute"):
        assert all("namespace" not in document["metadata"] for document in manifests(kind).values())
    for deployment in manifests("Deployment").values():
        for container in containers(deployment):
            assert any(port["name"].startswith("metrics") for port in container["ports"])


def test_the_fallback_is_a_backend_with_weight_zero_beforehand() -> None:
    """A switch of traffic then moves weights and nothing else."""
    (rule,) = [rule for rule in manifests("HTTPRoute")["qa"]["spec"]["rules"] if rule["name"] == "answers"]
    weights = {backend["name"]: backend["weight"] for backend in rule["backendRefs"]}
    assert weights == {"qa-server": 100, "qa-small": 0}
    assert set(weights) <= set(manifests("Service"))
