"""Can a step be carried out as things are? What can be found out without changing anything of the user's.

Asked by app/drills.py for each step of a drill. The API server is asked to do each write without storing it, so what it
says covers admission policies, webhooks, the schema and the rights of whoever would write: Firebreak, or the account that
the service names.
"""

from collections.abc import Callable, Iterator
from typing import assert_never

from firebreak.adapters.kube.client import ClusterDenied, KubeClient
from firebreak.adapters.kube.kinds import FIREBREAK, RESOURCE_QUOTA
from firebreak.adapters.kube.quarantines import Quarantines
from firebreak.adapters.kube.quotas import lacking, surge
from firebreak.api.v1alpha1 import AIService, ContainmentDrill
from firebreak.api.v1alpha1.aiservice import workload_target
from firebreak.api.v1alpha1.drill import DrillMode, DrillOption, OptionResult
from firebreak.api.v1alpha1.incident import FieldWrite
from firebreak.api.v1alpha1.policy import ActionKind
from firebreak.app.actuator import writer
from firebreak.app.catalog import target_key
from firebreak.app.clock import Clock
from firebreak.core.autoscaling import is_floor
from firebreak.core.commands import Reason
from firebreak.core.drill_options import Finding, finding_of, rehearsed
from firebreak.core.field_writes import value_of
from firebreak.core.ladder import CannotHelp, Plan
from firebreak.core.ports import Changed, Cluster, KubeObject, Landed, Missing, ObjectKey, Refused, Unmatched, why_not
from firebreak.core.quarantine import never_deployed
from firebreak.core.revision import Snapshot
from firebreak.core.situation import Situation

_QUARANTINE_WITHIN_SECONDS = 10.0
"""As long as a rollback waits for it (app/actuator.py)."""


class Rehearsal:
    """Rehearses one step at a time."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        acting_as: Callable[[str], Cluster] | None,
        client: KubeClient,
        quarantines: Quarantines,
        clock: Clock,
    ) -> None:
        """`acting_as` gives the cluster as it is written with the rights of another user."""
        self._cluster = cluster
        self._acting_as = acting_as
        self._client = client
        self._quarantines = quarantines
        self._clock = clock
        self._asked_since: dict[ObjectKey, float] = {}
        """Quarantines of drills that do not deny yet: since when (monotonic)."""

    async def check(
        self,
        drill: ContainmentDrill,
        service: AIService,
        s: Situation,
        option: DrillOption,
        history: tuple[Snapshot, ...],
    ) -> Finding | None:
        """What stands in the way of a step; None while that is still being found out. Raises ClusterError."""
        forbidden = (Reason.TARGET_CONFLICT, Reason.TARGET_NOT_ALLOWED)
        if (hold := next((h for h in s.holds if h.reason in forbidden), None)) is not None:
            return _blocked(hold.reason, hold.because)
        planned = rehearsed(s, option)
        if isinstance(planned, CannotHelp):
            return finding_of(s, planned)
        for write in planned.writes:
            if (refused := await self._refused(s, write, history)) is not None:
                return _blocked(Reason.WRITE_BLOCKED, refused)
        seen = [f"the API server accepts {_places(planned.writes)}"]
        if planned.subject and option.step.action is ActionKind.ROLL_BACK:
            seen.insert(0, planned.because)
        if option.mode is not DrillMode.VALIDATE:
            if (missing := await self._no_room(s, planned)) is not None:
                return _blocked(Reason.QUOTA_EXCEEDED, missing)
            match option.step.action:
                case ActionKind.ROLL_BACK:
                    unkept = await self._not_kept_out(drill, service)
                    if isinstance(unkept, _Asking):
                        return None
                    if unkept:
                        return _blocked(Reason.QUARANTINE_MISSING, unkept)
                    seen.append("a revision that was rolled back would be kept out")
                case ActionKind.SWITCH_TRAFFIC:
                    seen.append(planned.because)
                case ActionKind.RAISE_HUMAN_REVIEW | ActionKind.DISABLE_FEATURE:
                    pass
                case _:
                    assert_never(option.step.action)
        return Finding(result=OptionResult.READY, reason=Reason.REHEARSED, message="; ".join(seen))

    async def clean(self, drill: ContainmentDrill) -> None:
        """Nothing of a drill's own stays behind."""
        if not any(o.step.action is ActionKind.ROLL_BACK for o in drill.status.options):
            return
        where = _quarantine_key(drill)
        self._asked_since.pop(where, None)
        await self._quarantines.delete(where.namespace, where.name)

    async def _refused(self, s: Situation, write: FieldWrite, history: tuple[Snapshot, ...]) -> str | None:
        namespace = s.service.namespace
        where = f"{write.target.kind} {write.target.name} {write.path}"
        expected, desired = value_of(write.last, history), value_of(write.desired, history)
        if expected is None or desired is None:
            return f"{where}: the snapshot that holds the value no longer exists"
        # With the rights with which it would be written: others may lack what we have, or have what we lack.
        cluster = writer(self._cluster, self._acting_as, namespace, s.spec.containment.service_account_name or "")
        result = await cluster.set_field(
            target_key(namespace, write.target), write.path, expected=(expected,), desired=desired, dry_run=True
        )
        match result:
            case Landed():
                return None
            case Changed() | Unmatched() | Missing() | Refused():
                return f"{where}: {why_not(result)}"
        assert_never(result)

    async def _no_room(self, s: Situation, planned: Plan) -> str | None:
        """Whether a quota keeps the pods out that the step needs."""
        for deployment, pods in _more_pods(s, planned):
            try:
                quotas = await self._client.list(RESOURCE_QUOTA, s.service.namespace)
            except ClusterDenied as error:
                return f"the namespace's quotas cannot be read: {error}"
            if said := lacking(quotas.items, deployment, pods):
                return said
        return None

    async def _not_kept_out(self, drill: ContainmentDrill, service: AIService) -> "str | _Asking":
        """Why a bad revision would not be kept out; seen by a quarantine of values that nobody deploys."""
        wanted = never_deployed(service, drill.metadata.name)
        if wanted is None:
            return ""
        where = _quarantine_key(drill)
        created = await self._quarantines.create(where.namespace, where.name, wanted)
        if isinstance(created, Refused):
            return f"no quarantine can be made: {created.message}"
        for target in dict.fromkeys(d.target for d in wanted.denied):
            try:
                if await self._quarantines.in_force(target_key(where.namespace, target), where.name):
                    continue
            except ClusterDenied as error:
                return f"whether a quarantine is in force cannot be found out: {error}"
            now = self._clock.monotonic()
            if now - self._asked_since.setdefault(where, now) < _QUARANTINE_WITHIN_SECONDS:
                return _Asking()
            return (
                f"a quarantine does not deny {target.kind} {target.name} after {_QUARANTINE_WITHIN_SECONDS:.0f} s: a "
                f"rollback would go ahead, and nothing would keep the bad revision out; check the "
                f"ValidatingAdmissionPolicies of the chart"
            )
        return ""


def _more_pods(s: Situation, planned: Plan) -> Iterator[tuple[KubeObject, int]]:
    """The Deployments of which a step would run more pods, and how many more."""
    review = s.spec.human_review
    for write in planned.writes:
        if is_floor(write.path) and review is not None and review.workload is not None:
            # An autoscaler's floor says as much of the workload as its replicas do.
            live = s.objects.get(workload_target(review.workload))
            now = int(live["spec"].get("replicas", 1)) if live is not None else 0
            pods = write.desired.value - now if isinstance(write.desired.value, int) else 0
        else:
            live = s.objects.get(write.target) if write.target.kind == "Deployment" else None
            pods = surge(live) if live is not None else 0
        if live is not None and pods > 0:
            yield live, pods


class _Asking:
    """A policy takes about a second to take effect: ask again."""


def _quarantine_key(drill: ContainmentDrill) -> ObjectKey:
    """No incident's quarantine has a dot in its name."""
    return FIREBREAK["Quarantine"].key(drill.metadata.namespace, f"{drill.metadata.name[:240]}.drill")


def _blocked(reason: Reason, message: str) -> Finding:
    return Finding(result=OptionResult.BLOCKED, reason=reason, message=message)


def _places(writes: tuple[FieldWrite, ...]) -> str:
    return " and ".join(dict.fromkeys(f"{w.target.kind} {w.target.name}" for w in writes))
