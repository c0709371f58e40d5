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
    a_recovery,
    a_service,
    a_snapshot,
    action_of,
    at,
    in_force,
    now_saying,
    opened,
    revisions,
    settled,
    status_of,
    with_status,
)

from firebreak.api.v1alpha1 import AIService, Quarantine
from firebreak.api.v1alpha1.aiservice import RevisionField
from firebreak.api.v1alpha1.quarantine import LONGEST, QuarantineSpec
from firebreak.app.actuator import Actuator, Context
from firebreak.app.backtest.cluster import SimulatedCluster
from firebreak.app.backtest.simulation import SimulatedClock
from firebreak.core.commands import Reason
from firebreak.core.incident_conditions import with_conditions
from firebreak.core.ports import ObjectKey
from firebreak.core.quarantine import is_deniable, is_to_be_lifted, not_kept_out, quarantine_of
from firebreak.core.record import with_action
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


def _elsewhere(name: str) -> RevisionField:
    return RevisionField.model_validate(
        {
            "name": name,
            "target": WORKLOAD.dump(),
            "path": "$.spec.template.spec.initContainers[?@.name=='server'].image",
        }
    )


def _with_fields(*fields: RevisionField) -> AIService:
    service = a_service()
    assert service.spec.revision is not None
    revision = service.spec.revision.model_copy(update={"fields": fields})
    return service.model_copy(update={"spec": service.spec.model_copy(update={"revision": revision})})


def test_what_no_policy_can_deny_is_named_in_words_and_with_what_to_do() -> None:
    """Whoever reads the incident learns that the rollback can be undone by whatever deploys the revision."""
    s = settled(opened(policy=a_policy(ROLL_BACK)), T0)
    assert s.incident is not None
    field = _elsewhere("loader")
    action = action_of(s, "RollBack")
    moved = action.model_copy(update={"writes": (action.writes[1].model_copy(update={"path": field.path}),)})
    told = not_kept_out(_with_fields(field), moved, HISTORY, None)
    assert told.startswith("RollBack to v1 goes ahead, and nothing keeps what it takes out from coming back: no policy")
    assert f"can deny loader (Deployment summarizer {field.path})" in told
    assert "such as in Git" in told


def test_what_is_denied_in_part_is_told_so() -> None:
    """The prompt is denied, the other field is not."""
    s = settled(opened(policy=a_policy(ROLL_BACK)), T0)
    action = action_of(s, "RollBack")
    field = _elsewhere("loader")
    assert s.incident is not None
    moved = action.model_copy(
        update={"writes": (action.writes[0], action.writes[1].model_copy(update={"path": field.path}))}
    )
    prompt = a_service().spec.revision
    assert prompt is not None
    service = _with_fields(prompt.fields[1], field)
    wanted = quarantine_of(s.incident, a_service(), action, HISTORY)
    assert "part of what it takes out may come back: no policy can deny loader" in not_kept_out(
        service, moved, HISTORY, wanted
    )


def test_of_what_is_denied_whole_nothing_is_told() -> None:
    """As of every rollback of images, environment values and prompts."""
    s = settled(opened(policy=a_policy(ROLL_BACK)), T0)
    assert s.incident is not None
    action = action_of(s, "RollBack")
    assert not_kept_out(a_service(), action, HISTORY, quarantine_of(s.incident, a_service(), action, HISTORY)) == ""


class _Open:
    """A gate behind which everything is denied at once."""

    async def create(self, namespace: str, name: str, spec: QuarantineSpec) -> None:
        raise AssertionError("there is nothing to deny")

    async def in_force(self, target: ObjectKey, name: str) -> bool:
        raise AssertionError("there is nothing to deny")


async def test_it_stands_in_the_incident_once() -> None:
    """In the timeline, and in the condition Contained once the rollback is shown to help."""
    s = settled(opened(policy=a_policy(ROLL_BACK)), T0)
    assert s.incident is not None
    service = _with_fields(_elsewhere("loader"))
    actuator = Actuator(SimulatedCluster(service), _Open(), SimulatedClock())
    action = action_of(s, "RollBack")
    write = action.writes[1].model_copy(update={"path": _elsewhere("loader").path})
    s = with_status(s, with_action(status_of(s), action.model_copy(update={"writes": (write,)})))
    for _ in range(3):
        assert s.incident is not None
        s = with_status(s, await actuator.carry_out(s.incident, Context(service=service, history=HISTORY)))
    told = [e.message for e in status_of(s).timeline if e.reason == Reason.NOT_DENIABLE]
    assert len(told) == 1
    s = now_saying(in_force(s, "RollBack", at(minutes=2)), recoveries=(a_recovery(),))
    status = with_conditions(status_of(settled(s, at(minutes=5))), 1, at(minutes=5))
    contained = next(c for c in status.conditions if c.type == "Contained")
    assert contained.message.endswith(told[0])
