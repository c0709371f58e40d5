"""A quarantined revision does not come back, and nothing else is in the way."""

import json
from typing import Any

import pytest
from tests.integration.installed.installed import QUARANTINE, Kubectl, Manifest, Said, until

pytestmark = pytest.mark.lab

BAD_IMAGE, GOOD_IMAGE, NEW_IMAGE = "summarizer:bad", "summarizer:good", "summarizer:new"
BAD_PROMPT, GOOD_PROMPT = "Be inventive.", "Be exact."
HOW_TO_LIFT = "kubectl delete quarantine -n"
PROBE = {"metadata": {"annotations": {"firebreak.dev/quarantine-probe": "it"}}}


def workload(image: str, kind: str = "Deployment", name: str = "summarizer") -> Manifest:
    """A workload whose container `server` runs the image, beside another container."""
    containers = [{"name": "proxy", "image": BAD_IMAGE}, {"name": "server", "image": image}]
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": containers}},
        },
    }


def prompt(text: str, name: str = "summarizer-prompt") -> Manifest:
    """A ConfigMap with the prompt, beside another key."""
    data = {"system.txt": text, "other.txt": BAD_PROMPT}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def patch(kubectl: Kubectl, target: str, change: Manifest, *, dry_run: bool = False) -> Said:
    """A strategic merge patch, which finds containers by name."""
    shown = ["--dry-run=server"] if dry_run else []
    return kubectl.run("patch", target, "-p", json.dumps(change), *shown)


def image_change(image: str) -> dict[str, Any]:
    """A patch that sets the image of the container `server`."""
    return {"spec": {"template": {"spec": {"containers": [{"name": "server", "image": image}]}}}}


@pytest.fixture
def quarantined(kubectl: Kubectl, operator: Kubectl) -> Kubectl:
    """The bad revision is live, and its quarantine is in force, as the operator's probe shows."""
    kubectl.must(kubectl.create(workload(BAD_IMAGE), prompt(BAD_PROMPT)))
    for target in ("deployment/summarizer", "configmap/summarizer-prompt"):
        assert patch(operator, target, PROBE, dry_run=True).ok
    operator.must(operator.create(QUARANTINE))
    for target in ("deployment/summarizer", "configmap/summarizer-prompt"):
        until(lambda target=target: not patch(operator, target, PROBE, dry_run=True).ok)  # type: ignore[misc]
    return kubectl


def test_the_bad_revision_does_not_come_back(quarantined: Kubectl, operator: Kubectl) -> None:
    """After the rollback, whoever sets the bad value is refused, told why, and told how to lift it."""
    operator.must(patch(operator, "deployment/summarizer", image_change(GOOD_IMAGE)))
    operator.must(patch(operator, "configmap/summarizer-prompt", {"data": {"system.txt": GOOD_PROMPT}}))

    for said in (
        patch(quarantined, "deployment/summarizer", image_change(BAD_IMAGE)),
        quarantined.apply(workload(BAD_IMAGE)),
        patch(quarantined, "configmap/summarizer-prompt", {"data": {"system.txt": BAD_PROMPT}}),
        quarantined.apply(prompt(BAD_PROMPT)),
    ):
        assert not said.ok
        assert f"{quarantined.namespace}/summarizer-1 (revision summarizer-7)" in said.text
        assert "groundedness 91.2% against 99.5%, 431 judged" in said.text
        assert f"{HOW_TO_LIFT} {quarantined.namespace} it" in said.text


def test_deleting_and_creating_anew_is_no_way_round(quarantined: Kubectl) -> None:
    """An object that is created with the bad value takes the step into it as well."""
    quarantined.must(quarantined.run("delete", "deployment/summarizer", "configmap/summarizer-prompt"))
    assert HOW_TO_LIFT in quarantined.create(workload(BAD_IMAGE)).text
    assert HOW_TO_LIFT in quarantined.create(prompt(BAD_PROMPT)).text
    quarantined.must(quarantined.create(workload(GOOD_IMAGE), prompt(GOOD_PROMPT)))


def test_while_the_bad_value_is_live_everything_else_can_be_changed(quarantined: Kubectl) -> None:
    """Scaling, labelling, status and other fields are nobody's step into the bad value."""
    for change in (
        ("scale", "deployment/summarizer", "--replicas=1"),
        ("label", "deployment/summarizer", "configmap/summarizer-prompt", "team=docs"),
        ("set", "env", "deployment/summarizer", "-c", "server", "A=1"),
        ("set", "image", "deployment/summarizer", "proxy=proxy:2"),
        (
            "patch",
            "deployment/summarizer",
            "--subresource=status",
            "--type=merge",
            "-p",
            '{"status":{"observedGeneration":0}}',
        ),
        ("patch", "configmap/summarizer-prompt", "-p", '{"data":{"other.txt":"x"}}'),
    ):
        quarantined.must(quarantined.run(*change))


def test_another_revision_passes(quarantined: Kubectl) -> None:
    """The fix is not held up, and neither is the bad value in another object or another place."""
    quarantined.must(patch(quarantined, "deployment/summarizer", image_change(NEW_IMAGE)))
    quarantined.must(patch(quarantined, "configmap/summarizer-prompt", {"data": {"system.txt": "Be kind."}}))
    quarantined.must(quarantined.create(workload(BAD_IMAGE, name="other"), prompt(BAD_PROMPT, name="other")))
    quarantined.must(quarantined.create(workload(BAD_IMAGE, kind="StatefulSet")))


def test_firebreak_is_not_stopped_by_its_own_quarantine(quarantined: Kubectl, operator: Kubectl) -> None:
    """The operator can undo what it did, even into the value that it keeps others from."""
    for image in (GOOD_IMAGE, BAD_IMAGE):
        operator.must(patch(operator, "deployment/summarizer", image_change(image)))


def test_the_probe_tells_whether_it_is_in_force_whatever_is_live(quarantined: Kubectl, operator: Kubectl) -> None:
    """Before and after the rollback the probe is refused; for another quarantine's name it is not."""
    target = "deployment/summarizer"
    assert HOW_TO_LIFT in patch(operator, target, PROBE, dry_run=True).text
    operator.must(patch(operator, target, image_change(GOOD_IMAGE)))
    assert HOW_TO_LIFT in patch(operator, target, PROBE, dry_run=True).text
    other = {"metadata": {"annotations": {"firebreak.dev/quarantine-probe": "another"}}}
    operator.must(patch(operator, target, other, dry_run=True))


def test_lifting_it_lets_the_revision_back(quarantined: Kubectl, operator: Kubectl) -> None:
    """The command in the message does what it says, and other namespaces were never concerned."""
    operator.must(patch(operator, "deployment/summarizer", image_change(GOOD_IMAGE)))
    quarantined.must(quarantined.run("delete", "quarantine", "it"))
    until(lambda: patch(quarantined, "deployment/summarizer", image_change(BAD_IMAGE)).ok)


def test_other_namespaces_are_not_concerned(quarantined: Kubectl, admin: Kubectl) -> None:
    """A quarantine holds in its own namespace only."""
    admin.must(admin.create(workload(BAD_IMAGE), prompt(BAD_PROMPT), dry_run=True))


def settings(index: str, prompt: str) -> Manifest:
    """A workload whose container has an environment value, and a volume that shows a ConfigMap."""
    found = workload(GOOD_IMAGE)
    spec = found["spec"]["template"]["spec"]
    spec["containers"][1]["env"] = [{"name": "A", "value": "1"}, {"name": "INDEX", "value": index}]
    spec["volumes"] = [{"name": "prompt", "configMap": {"name": prompt}}, {"name": "tmp", "emptyDir": {}}]
    return found


@pytest.mark.parametrize("field", ["env", "volume"])
def test_an_environment_value_and_a_volume_s_configmap_are_kept_out(
    kubectl: Kubectl, operator: Kubectl, field: str
) -> None:
    """Only the step into the bad value of that place; the probe tells whether it is in force."""
    place = {"env": {"container": "server", "env": "INDEX"}, "volume": {"volume": "prompt"}}[field]
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "summarizer"}
    spec = QUARANTINE["spec"] | {"denied": [{"name": field, "target": target, "value": "bad"} | place]}
    bad, fixed = (("bad", "good"), ("new", "good")) if field == "env" else (("good", "bad"), ("good", "new"))
    kubectl.must(kubectl.create(settings(*bad)))
    operator.must(operator.create(QUARANTINE | {"spec": spec}))
    until(lambda: not patch(operator, "deployment/summarizer", PROBE, dry_run=True).ok)
    kubectl.must(kubectl.run("scale", "deployment/summarizer", "--replicas=1"))
    kubectl.must(kubectl.apply(settings("good", "good")))

    said = kubectl.apply(settings(*bad))
    assert not said.ok
    assert (
        "this value of INDEX of container server" if field == "env" else "ConfigMap bad for volume prompt"
    ) in said.text
    kubectl.must(kubectl.apply(settings(*fixed)))


def test_the_bad_image_with_another_prompt_passes_once_the_old_pair_is_lifted(
    quarantined: Kubectl, operator: Kubectl
) -> None:
    """{image bad, prompt new} is another revision: its prompt is never denied, and its image no longer once that moved."""
    operator.must(patch(operator, "deployment/summarizer", image_change(GOOD_IMAGE)))
    operator.must(patch(operator, "configmap/summarizer-prompt", {"data": {"system.txt": GOOD_PROMPT}}))
    assert not patch(quarantined, "deployment/summarizer", image_change(BAD_IMAGE)).ok
    quarantined.must(quarantined.apply(prompt("Be inventive, and cite.")))
    quarantined.must(
        quarantined.run("delete", "quarantine", "it")
    )  # as the operator does when a denied field has moved
    until(lambda: patch(quarantined, "deployment/summarizer", image_change(BAD_IMAGE)).ok)


def test_it_is_in_force_within_two_seconds(kubectl: Kubectl, operator: Kubectl, record_property: Any) -> None:
    """The rollback waits for the probe, so the delay is part of the time to contain."""
    kubectl.must(kubectl.create(workload(BAD_IMAGE)))
    operator.must(operator.create(QUARANTINE))
    took = until(lambda: not patch(operator, "deployment/summarizer", PROBE, dry_run=True).ok)
    record_property("quarantine_in_force_seconds", round(took, 3))
    assert took < 2.0
