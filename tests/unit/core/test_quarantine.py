"""What of a bad revision is denied, and when it may come back."""

from dataclasses import replace

import pytest
from tests.builders import (
    IMAGE_PATH,
    KEY,
    PROMPT,
    PROMPT_PATH,
    ROLL_BACK,
    T0,
    V1,
    V2,
    WORKLOAD,
    a_cluster,
    a_policy,
    a_service,
    a_snapshot,
    action_of,
    opened,
    revisions,
    settled,
)

from firebreak.api.v1alpha1 import Quarantine
from firebreak.api.v1alpha1.aiservice import RevisionField
from firebreak.api.v1alpha1.quarantine import LONGEST, QuarantineSpec
from firebreak.core.quarantine import is_deniable, is_to_be_lifted, quarantine_of
from firebreak.core.revision import Snapshot, digest_of

_ENV = "$.spec.template.spec.containers[?@.name=='server'].env[?@.name=='INDEX'].value"
_VOLUME = "$.spec.template.spec.volumes[?@.name=='prompt'].configMap.name"


def _kept(snapshot: Snapshot) -> Snapshot:
    """As it is kept: under the digest of its values."""
    return replace(snapshot, digest=digest_of(snapshot.values))


HISTORY = (_kept(V1), _kept(V2))


def _of_a_rollback() -> QuarantineSpec:
    service = a_service()
    s = settled(opened(service=service, policy=a_policy(ROLL_BACK)), T0)
    assert s.incident is not None
    found = quarantine_of(s.incident, service, action_of(s, "RollBack"), HISTORY)
    assert found is not None
    return found


def _lifted_by(image: str, prompt: str, spec: QuarantineSpec | None = None) -> bool:
    quarantine = Quarantine.model_validate(
        {"metadata": {"name": "it", "namespace": KEY.namespace}, "spec": (spec or _of_a_rollback()).dump()}
    )
    current = {"model": f"registry/summarizer:{image}", "prompt": f"prompt {prompt}"}
    return bool(is_to_be_lifted(quarantine, current, HISTORY))


def test_every_field_that_differs_is_denied() -> None:
    """{image v2, prompt v2} is the bad one."""
    spec = _of_a_rollback()
    assert spec.revision == "v2"
    assert [(d.name, d.container, d.key, d.value) for d in spec.denied] == [
        ("model", "server", "", "registry/summarizer:v2"),
        ("prompt", "", "system.txt", "prompt v2"),
    ]


@pytest.mark.parametrize(
    ("image", "prompt", "is_lifted"),
    [
        ("v1", "v1", False),  # rolled back
        ("v2", "v2", False),  # the bad one itself
        ("v2", "v1", False),  # half of it: Firebreak's own rollback under way, or somebody on the way back
        ("v1", "v2", False),
        ("v1", "v3", True),  # the fix's prompt is there: from now on the image v2 is no longer denied
        ("v2", "v3", True),  # the fix: the bad image with another prompt
        ("v3", "v2", True),
    ],
)
def test_it_is_lifted_by_a_new_value_of_a_denied_field(image: str, prompt: str, is_lifted: bool) -> None:
    """{image v2, prompt v3} is another revision than {v2, v2}, and is judged as such."""
    assert _lifted_by(image, prompt) == is_lifted


def test_where_only_the_prompt_changed_only_the_prompt_is_denied() -> None:
    """The image is that of the known-good revision, and stays free."""
    bad = a_snapshot("v1p2", seen=V2.first_seen, model=V1.values["model"], prompt="prompt v2")
    service = a_service()
    s = settled(opened(service=service, policy=a_policy(ROLL_BACK), objects=a_cluster(bad)), T0)
    assert s.incident is not None
    spec = quarantine_of(s.incident, service, action_of(s, "RollBack"), (_kept(V1), _kept(bad)))
    assert spec is not None
    assert [d.name for d in spec.denied] == ["prompt"]


def test_a_text_that_is_too_long_to_be_denied_is_left_out() -> None:
    """The image is kept out all the same, and the rollback is not kept from happening."""
    bad = _kept(a_snapshot("v2", seen=V2.first_seen, prompt="x" * (LONGEST + 1)))
    service, policy = a_service(), a_policy(ROLL_BACK)
    s = opened(service=service, policy=policy, revision=revisions(bad), objects=a_cluster(bad))
    s = settled(s, T0)
    assert s.incident is not None
    spec = quarantine_of(s.incident, service, action_of(s, "RollBack"), (_kept(V1), bad))
    assert spec is not None
    assert [d.name for d in spec.denied] == ["model"]


@pytest.mark.parametrize(
    ("kind", "path", "deniable"),
    [
        ("Deployment", IMAGE_PATH, True),
        ("Deployment", _ENV, True),
        ("Deployment", _VOLUME, True),
        ("Deployment", "$.spec.replicas", False),
        ("ConfigMap", PROMPT_PATH, True),
        ("ConfigMap", "$.data.index", True),
        ("ConfigMap", "$.binaryData.index", False),
    ],
)
def test_what_can_be_denied(kind: str, path: str, deniable: bool) -> None:
    """Images, environment values and the ConfigMap of a volume of a workload; keys of a ConfigMap."""
    target = WORKLOAD if kind == "Deployment" else PROMPT
    field = RevisionField.model_validate({"name": "it", "target": target.dump(), "path": path})
    assert is_deniable(field) == deniable
