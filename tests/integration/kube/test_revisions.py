"""Which revision serves, by the objects as they are and the snapshots as they are kept, on a real API server."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.integration.kube.kubeplace import Place, a_config_map, a_deployment

from firebreak.adapters.kube.kinds import CONFIG_MAP, CONTROLLER_REVISION, DEPLOYMENT
from firebreak.adapters.kube.snapshots import Snapshots
from firebreak.api.v1alpha1 import AIService
from firebreak.app.catalog import Catalog
from firebreak.app.revisions import Revisions
from firebreak.app.status import service_status
from firebreak.core.memory import Memory
from firebreak.core.objectives import ServiceKey
from firebreak.core.revision import RevisionFacts

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("crds")]

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
IMAGE = "$.spec.template.spec.containers[?@.name=='server'].image"
BOTH = "{model|tag}-{prompt|sha8}"


def leading() -> None:
    """A fence that lets everything pass."""


@dataclass
class Team:
    """A service whose team deploys, and what is known of its revisions."""

    place: Place
    label: str = BOTH
    catalog: Catalog = field(default_factory=lambda: Catalog(lambda _: None))

    def __post_init__(self) -> None:
        self.revisions = Revisions(Snapshots(self.place.client, fence=leading), self.catalog)
        self.service = self._service()

    @property
    def key(self) -> ServiceKey:
        return ServiceKey(self.place.namespace, "qa")

    async def deploys(self, image: str, prompt: str, now: datetime, **annotations: str) -> RevisionFacts:
        """Apply both objects; what is known of the revision then, and is remembered in the service's status."""
        workload = a_deployment(image=image)
        workload["metadata"]["annotations"] = {f"firebreak.dev/{k}": v for k, v in annotations.items()}
        await self.place.apply(workload, manager="team")
        await self.place.apply(a_config_map(data={"system.txt": prompt}), manager="team")
        for kind, name in ((DEPLOYMENT, "web"), (CONFIG_MAP, "prompt")):
            self.catalog.keep_target(self.place.key(kind, name), await self.place.get(kind, name))
        facts = await self.revisions.facts(self.service, frozenset(), now)
        told = service_status(
            self.service,
            verdicts={},
            revision=facts,
            incident=None,
            problems=(),
            holds=(),
            memory=Memory(),
            now=now,
        )
        self.service = self.service.model_copy(update={"status": told})
        return facts

    async def proves(self, facts: RevisionFacts, now: datetime) -> None:
        assert facts.current is not None
        await self.revisions.mark_known_good(self.key, facts.current, now)

    def _service(self) -> AIService:
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
        prompt = {"apiVersion": "v1", "kind": "ConfigMap", "name": "prompt"}
        raw: dict[str, Any] = {
            "apiVersion": "firebreak.dev/v1alpha1",
            "kind": "AIService",
            "metadata": {"name": "qa", "namespace": self.place.namespace, "uid": "1", "resourceVersion": "1"},
            "spec": {
                "revision": {
                    "fields": [
                        {"name": "model", "target": target, "path": IMAGE},
                        {"name": "prompt", "target": prompt, "path": "$.data['system.txt']"},
                    ],
                    "metricLabel": {"format": self.label},
                },
                "metrics": {"labels": {"service": "qa"}},
                "objectives": [
                    {
                        "name": "violations",
                        "category": "PolicyViolation",
                        "indicator": {"badSelector": "violations_total"},
                        "detector": {"kind": "Count"},
                    }
                ],
                "containment": {"policy": {"name": "nobody"}},
            },
        }
        self.catalog.see(raw)
        return AIService.model_validate(raw)


async def test_a_migration_that_is_marked_late_is_not_gone_back_over(place: Place):
    """The annotation comes with the migration, hours after the revision was first seen."""
    team = Team(place)
    first = await team.deploys("web:1", "be brief", NOON)
    assert first.current is not None
    assert first.current.rollbackable
    marked = await team.deploys("web:1", "be brief", NOON + timedelta(hours=1), rollbackable="false")
    assert marked.current is not None
    assert not marked.current.rollbackable
    kept = await place.client.list(CONTROLLER_REVISION, place.namespace)
    assert [o["metadata"]["annotations"]["firebreak.dev/rollbackable"] for o in kept.items] == ["false"]


async def test_it_is_remembered_when_the_known_good_revision_left(place: Place):
    """Whatever else is deployed until the breach is seen: going back is judged by when the good one stopped serving."""
    team = Team(place)
    good = await team.deploys("web:1", "be brief", NOON)
    await team.proves(good, NOON)
    assert (await team.deploys("web:1", "be brief", NOON)).left_known_good is None

    left = (await team.deploys("web:2", "be brief", datetime.now(UTC))).left_known_good
    assert left is not None
    later = await team.deploys("web:3", "be brief", datetime.now(UTC) + timedelta(hours=1))
    assert later.current is not None
    assert (later.current.name[:2], later.left_known_good) == ("3-", left)

    assert (await team.deploys("web:1", "be brief", datetime.now(UTC))).left_known_good is None


async def test_revisions_that_the_metrics_cannot_tell_apart_are_said(place: Place):
    """Else the bad prompt would be taken for the good one, with all that was proven of that."""
    team = Team(place, label="{model|tag}")
    await team.proves(await team.deploys("web:1", "be brief", NOON), NOON)
    confused = await team.deploys("web:1", "be careless", NOON + timedelta(hours=1))
    assert confused.current is None
    assert "two revisions that differ in prompt" in confused.problem
    assert confused.known_good is not None
    assert (await team.deploys("web:1", "be brief", NOON)).problem == ""


async def test_a_snapshot_that_is_refused_is_said(place: Place):
    """Without it there is nothing to go back to, and an incident is no time to find that out."""
    before_the_epoch = datetime(1969, 1, 1, tzinfo=UTC)
    facts = await Team(place).deploys("web:1", "be brief", before_the_epoch)
    assert facts.current is None
    assert "was refused (422" in facts.problem
