"""How does what the record wants become so? The one place that changes anything of the user's.

Called by app/loop.py in each turn with the incident's record; what it wants to write stands there already. So killed at
any line, it is called again with the same record and finds out from the cluster what is left to do: a place that holds
what is wanted is done, one that holds what we know to have stood there is written, and anything else was put there by
someone and is left alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

import structlog

from firebreak.adapters.kube.client import ClusterDenied
from firebreak.adapters.kube.restoring import Restoring
from firebreak.adapters.kube.validations import Validations
from firebreak.api.v1alpha1 import AIIncident, AIService, Quarantine
from firebreak.api.v1alpha1.incident import Action, ActionPhase, AIIncidentStatus, FieldWrite, ValidationOutcome
from firebreak.api.v1alpha1.model import API_VERSION
from firebreak.api.v1alpha1.policy import ActionKind
from firebreak.api.v1alpha1.quarantine import QuarantineSpec
from firebreak.api.v1alpha1.references import TargetRef
from firebreak.app.catalog import target_key
from firebreak.app.clock import Clock
from firebreak.core.commands import Reason, SeeValidated
from firebreak.core.deadlines import is_out_of_date
from firebreak.core.field_paths import held_at
from firebreak.core.field_writes import ours, value_of
from firebreak.core.ports import (
    Changed,
    Cluster,
    ClusterError,
    Landed,
    Missing,
    ObjectKey,
    QuarantineGate,
    Refused,
    Unmatched,
    WriteResult,
    why_not,
)
from firebreak.core.quarantine import not_kept_out, quarantine_of
from firebreak.core.record import blocked, landed, recorded, with_action, with_entry
from firebreak.core.revision import Snapshot
from firebreak.core.steps import is_owed, is_taken_back
from firebreak.core.validation import told_to_the_job

log = structlog.get_logger()

_QUARANTINE_WITHIN_SECONDS = 10.0
"""A policy takes about a second to take effect; past this the rollback goes ahead without, and says so. An API server
that has just started may need 30 s, until it finds the Quarantines' kind: that is too long for users to wait."""

_REFUSED_FOR_SECONDS = 30.0
"""What is refused (403, 422) is tried again for so long: a webhook that is just restarting, a role that is bound a moment
later. Past this the step is blocked and the ladder goes on, since users should not wait for what may never come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the actuator needs beside the record."""

    service: AIService | None
    history: tuple[Snapshot, ...]
    not_before: datetime | None = None
    """Of when the newest evidence is that was read: a clock that says less is behind."""


class Actuator:
    """Carries out what the record says."""

    def __init__(
        self,
        cluster: Cluster,
        quarantines: QuarantineGate,
        clock: Clock,
        restoring: Restoring | None = None,
        acting_as: Callable[[str], Cluster] | None = None,
    ) -> None:
        """`acting_as` gives the cluster as it is written with the rights of another user."""
        self._cluster = cluster
        self._restoring = restoring
        self._acting_as = acting_as
        self._quarantines = quarantines
        self._clock = clock
        self._not_denying_since: dict[ObjectKey, float] = {}
        """Quarantines that are awaited: since when (monotonic) the API server answers, and does not deny."""
        self._refused_since: dict[tuple[ObjectKey, str], float] = {}
        """Actions of which a write is refused: since when (monotonic), without an outage in between."""

    async def carry_out(self, incident: AIIncident, context: Context) -> AIIncidentStatus:
        """Do what is outstanding; returns the record after it, equal to the one given when there was nothing to do.

        Raises ClusterError when it is not known whether a write was carried out: call again.
        """
        status = incident.status
        for action in status.actions:
            if is_out_of_date(status, action, self._now(context)):
                # What it was decided on may be so no longer: `decide` renews it or gives it up. But an answer may have
                # been lost, and what stands there by our own hand is no reason to give it up.
                status = await self._looked_at(incident, status, action, context)
                continue
            if action.phase is ActionPhase.UNDOING or is_taken_back(action):
                status = await self._undo(incident, status, action, context)
            elif action.phase in (ActionPhase.INTENDED, ActionPhase.APPLIED, ActionPhase.IN_FORCE) and is_owed(action):
                status = await self._apply(incident, status, action, context)
            elif action.phase is ActionPhase.INTENDED:
                status = self._applied(status, action, context)
        return status

    async def _looked_at(
        self, incident: AIIncident, status: AIIncidentStatus, action: Action, context: Context
    ) -> AIIncidentStatus:
        """Note which of its writes stand already; nothing is written."""
        writes = list(action.writes)
        for i, write in enumerate(writes):
            try:
                live = await self._cluster.read(target_key(incident.metadata.namespace, write.target))
            except ClusterDenied:
                continue
            desired = value_of(write.desired, context.history)
            if desired is not None and held_at(live, write.path) == desired:
                writes[i] = landed(write)
        if tuple(writes) == action.writes:
            return status
        log.info("writes_found", action=action.id)
        return with_action(status, action.model_copy(update={"writes": tuple(writes)}))

    def _now(self, context: Context) -> datetime:
        now = self._clock.now()
        return max(now, context.not_before) if context.not_before else now

    async def set(self, namespace: str, account: str, write: FieldWrite) -> WriteResult:
        """One place whose record is not an incident's (app/raising.py); where it holds what the record says, as ever."""
        return await self._write(namespace, account, write, ())

    async def let_go(self, namespace: str, account: str, target: TargetRef) -> None:
        """Whatever stays in this object as Firebreak wrote it is nobody's."""
        await self._as(namespace, account).disown(target_key(namespace, target))

    async def validate(self, incident: AIIncident, validations: Validations) -> AIIncidentStatus:
        """Make the Job that the record names; what keeps it from being made is a failed validation."""
        status, wanted = incident.status, incident.status.validation
        release = status.policy.release.validation if status.policy else None
        if wanted is None or release is None or status.closing or wanted.outcome is not ValidationOutcome.PENDING:
            return status
        account = next((a.account for a in status.actions if a.account), "")
        refused = await validations.run(
            incident,
            wanted.job,
            release.cron_job,
            int(release.timeout.total_seconds()),
            told_to_the_job(incident),
            user_of(incident.metadata.namespace, account) if account else "",
        )
        if not refused:
            log.info("validation_started", job=wanted.job)
            return status
        told = SeeValidated(outcome=ValidationOutcome.FAILED, reason=Reason.VALIDATION_FAILED, because=refused[:1024])
        return recorded(status, told, self._clock.now())

    async def disown(self, incident: AIIncident) -> None:
        """At the end: whatever stays as Firebreak wrote it is nobody's, so that a later apply conflicts with no one."""
        namespace = incident.metadata.namespace
        for action in incident.status.actions:
            restored = [TargetRef(api_version="v1", kind="ConfigMap", name=name) for name in action.restores]
            for target in dict.fromkeys((*(w.target for w in action.writes), *restored)):
                await self._as(namespace, action.account).disown(target_key(namespace, target))

    def _as(self, namespace: str, account: str) -> Cluster:
        """Who began an action also ends it, whatever the service says meanwhile."""
        return writer(self._cluster, self._acting_as, namespace, account)

    async def _apply(
        self, incident: AIIncident, status: AIIncidentStatus, action: Action, context: Context
    ) -> AIIncidentStatus:
        if action.kind is ActionKind.ROLL_BACK and action.phase is ActionPhase.INTENDED:
            if refused := await self._restore(incident, action, context):
                return self._blocked(status, action, refused)
            status, ready = await self._quarantine(incident, status, action, context)
            if not ready:
                return status
        writes = list(action.writes)
        for i, write in enumerate(writes):
            if write.landed or write.left:
                continue
            result = await self._write(incident.metadata.namespace, action.account, write, context.history)
            match result:
                case Landed():
                    writes[i] = landed(write)
                    log.info(
                        "field_written",
                        action=action.id,
                        kind=write.target.kind,
                        name=write.target.name,
                        path=write.path,
                    )
                case Refused() if self._is_tried_again(incident, action):
                    message = (
                        f"{write.target.kind} {write.target.name} {write.path}: {why_not(result)}; it is tried again"
                    )
                    waits = action.model_copy(update={"writes": tuple(writes), "message": message[:1024]})
                    return with_action(status, waits)
                case Changed() | Unmatched() | Missing() | Refused():
                    message = f"{write.target.kind} {write.target.name} {write.path}: {why_not(result)}"
                    return self._blocked(status, action.model_copy(update={"writes": tuple(writes)}), message)
                case _:
                    assert_never(result)
        self._refused_since.pop(_refusal(incident, action), None)
        written = action.model_copy(update={"writes": tuple(writes), "message": ""})
        if action.phase is ActionPhase.INTENDED:
            return self._applied(status, written, context)
        return with_action(status, written)

    def _is_tried_again(self, incident: AIIncident, action: Action) -> bool:
        now = self._clock.monotonic()
        if now - self._refused_since.setdefault(_refusal(incident, action), now) < _REFUSED_FOR_SECONDS:
            return True
        del self._refused_since[_refusal(incident, action)]
        return False

    def _blocked(self, status: AIIncidentStatus, action: Action, message: str) -> AIIncidentStatus:
        held_up = blocked(action, message)
        return with_entry(with_action(status, held_up), Reason.WRITE_BLOCKED, message[:1024], self._clock.now())

    async def _restore(self, incident: AIIncident, action: Action, context: Context) -> str:
        """Make again what the pods need and the record names; what stands in the way, in words."""
        good = next((s for s in context.history if s.name == action.subject), None)
        kept = {f.name: f for f in good.follow} if good else {}
        for name in action.restores:
            if self._restoring is None or name not in kept:
                return f"ConfigMap {name} cannot be made again: the snapshot of {action.subject} no longer holds it"
            refused = await self._restoring.restore(
                incident.metadata.namespace,
                kept[name],
                incident.metadata.name,
                user_of(incident.metadata.namespace, action.account) if action.account else "",
            )
            if refused is not None:
                return f"ConfigMap {name} cannot be made again: {why_not(refused)}"
            log.info("configmap_restored", action=action.id, name=name)
        return ""

    def _applied(self, status: AIIncidentStatus, action: Action, context: Context) -> AIIncidentStatus:
        at = self._now(context)
        done = action.model_copy(update={"phase": ActionPhase.APPLIED, "applied_at": at, "message": ""})
        return with_action(status, done)

    async def _undo(
        self, incident: AIIncident, status: AIIncidentStatus, action: Action, context: Context
    ) -> AIIncidentStatus:
        """Put back what stood there; what someone has changed since is theirs and is left as it is."""
        now = self._now(context)
        writes = list(action.writes)
        left: list[str] = []
        has_written = False
        for i, write in enumerate(writes):
            if write.landed or write.left:
                continue
            result = await self._write(incident.metadata.namespace, action.account, write, context.history)
            match result:
                case Landed(changed=changed):
                    writes[i] = landed(write)
                    has_written |= changed
                case Changed() | Unmatched() | Missing():
                    writes[i] = write.model_copy(update={"left": True})
                    left.append(f"{write.target.kind} {write.target.name} {write.path}: {why_not(result)}")
                case Refused():
                    where = f"{write.target.kind} {write.target.name} {write.path}"
                    message = f"cannot {_giving_back(action)} {where}: {why_not(result)}"
                    if action.message == message[:1024] and tuple(writes) == action.writes:
                        return status
                    held = action.model_copy(update={"writes": tuple(writes), "message": message[:1024]})
                    words = "; ".join([message, *left])[:1024]
                    return with_entry(with_action(status, held), Reason.WRITE_BLOCKED, words, now)
                case _:
                    assert_never(result)
        for target in dict.fromkeys(w.target for w in writes):
            if not _still_used(status, action, target):
                namespace = incident.metadata.namespace
                await self._as(namespace, action.account).disown(target_key(namespace, target))
        if action.phase is ActionPhase.BLOCKED:
            status = with_action(status, action.model_copy(update={"writes": tuple(writes)}))
            if not has_written and not left:
                return status
            back = ", and what was written is taken back" if has_written else ""
            words = "; ".join([f"{action.kind} could not be carried through{back}", *left])
            reason = Reason.LEFT_AS_CHANGED if left else Reason.GIVEN_BACK
            return with_entry(status, reason, words[:1024], now)
        done = action.model_copy(
            update={
                "writes": tuple(writes),
                "phase": ActionPhase.UNDONE,
                "ended_at": now,
                "message": "; ".join(left)[:1024],
            }
        )
        reason = Reason.LEFT_AS_CHANGED if left else Reason.GIVEN_BACK
        stays = any(w.left for w in writes)  # told when it was met
        as_before = "what others have set stays" if stays else "everything stands as it was before"
        words = "; ".join(left) or as_before
        return with_entry(with_action(status, done), reason, f"{action.kind} is given back: {words}"[:1024], now)

    async def _write(
        self, namespace: str, account: str, write: FieldWrite, history: tuple[Snapshot, ...]
    ) -> WriteResult:
        desired, held = value_of(write.desired, history), [value_of(v, history) for v in ours(write)]
        if desired is None or held[0] is None:
            gone = (write.desired if desired is None else write.last).revision
            return Unmatched(message=f"the snapshot of revision {gone}, which holds the value, no longer exists")
        expected = tuple(v for v in held if v is not None)
        return await self._as(namespace, account).set_field(
            target_key(namespace, write.target), write.path, expected=expected, desired=desired
        )

    async def _quarantine(
        self, incident: AIIncident, status: AIIncidentStatus, action: Action, context: Context
    ) -> tuple[AIIncidentStatus, bool]:
        """The bad revision must not come back: the quarantine first, and seen to deny, then the patch.

        GitOps reverts a patch within seconds, a policy takes about one to take effect.
        """
        wanted = quarantine_of(incident, context.service, action, context.history)
        open_ = not_kept_out(context.service, action, context.history, wanted)
        if open_ and not any(e.reason == Reason.NOT_DENIABLE for e in status.timeline):
            status = with_entry(status, Reason.NOT_DENIABLE, open_, self._clock.now())
        if wanted is None:
            return status, True
        name = incident.metadata.name
        where = ObjectKey(API_VERSION, Quarantine.__name__, incident.metadata.namespace, name)
        try:
            await self._quarantines.create(where.namespace, name, wanted)
            denies = await self._denies(incident, name, wanted)
        except ClusterError:
            # What could not be asked is no time in which it could have taken effect: an outage begins the wait anew.
            self._not_denying_since.pop(where, None)
            raise
        if denies:
            self._not_denying_since.pop(where, None)
            return status, True
        now = self._clock.monotonic()
        waited = now - self._not_denying_since.setdefault(where, now)
        if waited < _QUARANTINE_WITHIN_SECONDS:
            return status, False
        self._not_denying_since.pop(where, None)
        message = (
            f"the quarantine of revision {wanted.revision} is not in force after {waited:.0f} s: nothing keeps it from "
            f"coming back; check the ValidatingAdmissionPolicies of the chart (an API server that has just started takes "
            f"up to 30 s to heed them)"
        )
        if not any(e.reason == Reason.QUARANTINE_MISSING for e in status.timeline):
            status = with_entry(status, Reason.QUARANTINE_MISSING, message, self._clock.now())
        return status, True

    async def _denies(self, incident: AIIncident, name: str, wanted: QuarantineSpec) -> bool:
        for target in dict.fromkeys(d.target for d in wanted.denied):
            try:
                if not await self._quarantines.in_force(target_key(incident.metadata.namespace, target), name):
                    return False
            except ClusterDenied as error:
                # Whether it is in force cannot be found out; that must not keep the rollback from happening.
                log.warning("quarantine_not_probed", quarantine=name, error=str(error))
                return False
        return True


def _refusal(incident: AIIncident, action: Action) -> tuple[ObjectKey, str]:
    meta = incident.metadata
    return ObjectKey(API_VERSION, AIIncident.__name__, meta.namespace, meta.name), action.id


def _giving_back(action: Action) -> str:
    return "take back" if action.phase is ActionPhase.BLOCKED else "give back"


def writer(own: Cluster, acting_as: Callable[[str], Cluster] | None, namespace: str, account: str) -> Cluster:
    """The cluster as it is written with the rights of a ServiceAccount; without one, with Firebreak's own."""
    if not account:
        return own
    if acting_as is None:
        raise ClusterError(f"cannot act as ServiceAccount {namespace}/{account} here")
    return acting_as(user_of(namespace, account))


def user_of(namespace: str, account: str) -> str:
    """A ServiceAccount as the API server names it."""
    return f"system:serviceaccount:{namespace}:{account}"


def _still_used(status: AIIncidentStatus, action: Action, target: TargetRef) -> bool:
    """Whether another action still holds a place in this object: then Firebreak's name on it stays."""
    over = (ActionPhase.UNDONE, ActionPhase.TAKEN_BACK, ActionPhase.SKIPPED, ActionPhase.WOULD_DO)
    return any(
        w.target == target for a in status.actions if a.id != action.id and a.phase not in over for w in a.writes
    )
