"""A drill finds out what an incident would: with the rights of whoever would write."""

import asyncio
import random

from bench.faults.api import FakeApi
from bench.faults.connection import Boundaries, Connection
from bench.faults.virtual import T0, WorldClock
from tests.builders import a_cluster, a_service, a_situation

from firebreak.adapters.kube.quarantines import Quarantines
from firebreak.api.v1alpha1 import AIService, ContainmentDrill
from firebreak.api.v1alpha1.drill import DrillMode, DrillOption, OptionResult
from firebreak.api.v1alpha1.quantities import parse_duration
from firebreak.app.backtest.cluster import SimulatedCluster
from firebreak.app.rehearsal import Rehearsal
from firebreak.core.commands import Reason
from firebreak.core.drill_options import Finding
from firebreak.core.ports import Cluster, Held, ObjectKey, Refused, WriteResult

REVIEW = DrillOption.model_validate(
    {
        "name": "RaiseHumanReview",
        "step": {"action": "RaiseHumanReview"},
        "mode": DrillMode.VALIDATE,
        "within": parse_duration("1m"),
    }
)
DRILL = ContainmentDrill.model_validate(
    {"metadata": {"name": "quarterly", "namespace": "docs"}, "spec": {"service": "summarizer"}}
)


class MayNothing(SimulatedCluster):
    """The same cluster for an account without rights."""

    async def set_field(
        self, key: ObjectKey, path: str, *, expected: tuple[Held, ...], desired: Held, dry_run: bool = False
    ) -> WriteResult:
        assert dry_run, "a rehearsal changes nothing"
        return Refused(code=403, message="system:serviceaccount:docs:robot may not patch configmaps")


def rehearsed(service: AIService, clusters: dict[str, Cluster]) -> Finding | None:
    """What is found of raising human review; clusters by the user who writes, "" for Firebreak itself."""
    client = Connection(
        FakeApi(now=lambda: T0, elapsed=lambda: 0.0), Boundaries({}, lambda _: None), random.Random(), exit
    )
    rehearsal = Rehearsal(
        cluster=clusters[""],
        acting_as=lambda user: clusters[user],
        client=client,
        quarantines=Quarantines(client, fence=lambda: None),
        clock=WorldClock(),
    )
    situation = a_situation(service=service, objects=a_cluster())
    return asyncio.run(rehearsal.check(DRILL, service, situation, REVIEW, ()))


def with_rates(cluster: SimulatedCluster, service: AIService) -> SimulatedCluster:
    """What the situation shows stands in it."""
    review = service.spec.human_review
    assert review is not None
    assert review.rate is not None
    cluster.put(review.rate.target, review.rate.path, "2%")
    targets = {t for place, t in service.spec.targets() if place == "spec.humanReview.workload"}
    for target in targets:
        cluster.put(target, "$.spec.replicas", 2)
    return cluster


def test_what_the_named_account_may_not_do_is_in_the_way() -> None:
    """Although Firebreak itself could: the incident would be refused all the same."""
    plain = a_service()
    named = a_service(
        containment={"policy": {"name": "customer-facing"}, "mode": "Enforce", "serviceAccountName": "robot"}
    )
    clusters: dict[str, Cluster] = {
        "": with_rates(SimulatedCluster(plain), plain),
        "system:serviceaccount:docs:robot": MayNothing(plain),
    }

    own, other = rehearsed(plain, clusters), rehearsed(named, clusters)

    assert own is not None
    assert other is not None
    assert own.result is OptionResult.READY, own.message
    assert (other.result, other.reason) == (OptionResult.BLOCKED, Reason.WRITE_BLOCKED)
    assert "system:serviceaccount:docs:robot may not patch" in other.message
