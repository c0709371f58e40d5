"""What a rollback's pods need, and what happens when it is not there."""

from dataclasses import replace
from typing import Any

import pytest
from tests.builders import (
    ROLL_BACK,
    T0,
    TO_SMALL,
    V1,
    WORKLOAD,
    a_policy,
    a_service,
    action_of,
    opened,
    settled,
    status_of,
)

from firebreak.api.v1alpha1.incident import ActionPhase
from firebreak.core.dependencies import Dependency, Missing, dependencies_of, followed, missing_of, template_of
from firebreak.core.revision import Followed

_VOLUME = "$.spec.template.spec.volumes[?@.name=='prompt'].configMap.name"


def _workload(**spec: Any) -> dict[str, Any]:
    containers = [{"name": "server", "image": "registry/summarizer:v2"}]
    return {
        "kind": "Deployment",
        "metadata": {"name": "summarizer"},
        "spec": {"template": {"spec": {"containers": containers} | spec}},
    }


@pytest.mark.parametrize(
    ("spec", "needed"),
    [
        ({"volumes": [{"name": "a", "configMap": {"name": "one"}}]}, ["ConfigMap one"]),
        ({"volumes": [{"name": "a", "configMap": {"name": "one", "optional": True}}]}, []),
        ({"volumes": [{"name": "a", "secret": {"secretName": "key"}}]}, ["Secret key"]),
        (
            {"volumes": [{"name": "a", "persistentVolumeClaim": {"claimName": "index"}}]},
            ["PersistentVolumeClaim index"],
        ),
        (
            {
                "volumes": [
                    {"name": "a", "projected": {"sources": [{"configMap": {"name": "one"}}, {"secret": {"name": "s"}}]}}
                ]
            },
            ["ConfigMap one", "Secret s"],
        ),
        ({"containers": [{"name": "server", "envFrom": [{"configMapRef": {"name": "env"}}]}]}, ["ConfigMap env"]),
        (
            {
                "initContainers": [
                    {"name": "i", "env": [{"name": "K", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}
                ]
            },
            ["Secret s"],
        ),
        ({"volumes": [{"name": "a", "emptyDir": {}}]}, []),
    ],
)
def test_what_pods_need_to_start(spec: dict[str, Any], needed: list[str]) -> None:
    """Volumes, projected ones too, and the environment; not what is optional."""
    assert [str(d) for d in dependencies_of(_workload(**spec))] == needed


def _hashed(name: str) -> dict[str, Any]:
    return _workload(volumes=[{"name": "prompt", "configMap": {"name": name}}])


def _declared() -> Any:
    field = {"name": "prompt", "target": WORKLOAD.dump(), "path": _VOLUME}
    spec = a_service(revision={"fields": [field]}).spec
    assert spec.revision is not None
    return spec.revision


def test_the_template_after_the_rollback_is_what_counts() -> None:
    """The known-good revision names another ConfigMap than the one that serves."""
    to = replace(V1, values={"prompt": "prompt-7c9d"})
    live = _hashed("prompt-bad1")
    assert dependencies_of(template_of(live, _declared(), to.values)) == (Dependency("ConfigMap", "prompt-7c9d"),)
    assert dependencies_of(live) == (Dependency("ConfigMap", "prompt-bad1"),), "what was read is not changed"


@pytest.mark.parametrize(("follow", "restorable"), [((), False), ((Followed(name="prompt-7c9d"),), True)])
def test_a_pruned_configmap_can_be_restored_from_the_snapshot(follow: tuple[Followed, ...], restorable: bool) -> None:
    """If the snapshot was made while it was there."""
    to = replace(V1, values={"prompt": "prompt-7c9d"}, follow=follow)
    gone = {Dependency("ConfigMap", "prompt-7c9d"): False}
    (missing,) = missing_of(_hashed("prompt-bad1"), _declared(), to, gone)
    assert missing.is_restorable == restorable


def test_of_what_may_not_be_looked_at_nothing_is_said() -> None:
    """Without the right to read Secrets one that is there would else count as missing."""
    live = _workload(volumes=[{"name": "a", "secret": {"secretName": "key"}}])
    assert missing_of(live, _declared(), V1, {Dependency("Secret", "key"): None}) == ()


def test_a_snapshot_keeps_what_is_no_field_of_its_own() -> None:
    """The prompt's own ConfigMap is restored key by key; the others would be lost."""
    spec = a_service().spec
    assert spec.revision is not None
    volumes = [{"name": n, "configMap": {"name": n}} for n in ("summarizer-prompt", "settings")]
    assert followed([_workload(volumes=volumes)], spec.revision) == ("settings",)


def _missing(kind: str, *, restorable: bool = False) -> tuple[Missing, ...]:
    return (Missing(dependency=Dependency(kind, "lost"), workload="summarizer", is_restorable=restorable),)


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret", "PersistentVolumeClaim"])
def test_a_rollback_that_could_not_start_is_skipped_and_the_next_step_taken(kind: str) -> None:
    """Its reason names what is missing."""
    s = settled(opened(policy=a_policy(ROLL_BACK, TO_SMALL), missing=_missing(kind)), T0)
    skipped = action_of(s, "RollBack")
    assert (skipped.phase, skipped.reason) == (ActionPhase.SKIPPED, "DependencyMissing")
    assert f"{kind} lost, which Deployment summarizer names, does not exist" in skipped.because
    assert [a.kind for a in status_of(s).actions] == ["RollBack", "SwitchTraffic"]


def test_what_can_be_restored_is_recorded_with_the_intent() -> None:
    """So that a killed operator knows what it was about to make again."""
    s = settled(opened(policy=a_policy(ROLL_BACK), missing=_missing("ConfigMap", restorable=True)), T0)
    assert action_of(s, "RollBack").restores == ("lost",)
    assert action_of(s, "RollBack").phase is ActionPhase.INTENDED
