"""When is control given back, and how: only after proof, a share at a time, and with an immediate step back.

Asked by `decide` once something is in force that was shown to help.
A rollback is never given back: it ends when a revision that is neither quarantined nor the known-good one passes, or
when a person accepts the known-good one.
"""

from datetime import datetime

from firebreak.api.v1alpha1.incident import Action, ActionPhase, AIIncident, AIIncidentStatus, Outcome, Resolution
from firebreak.api.v1alpha1.policy import ActionKind, ContainmentPolicySpec, Release, ReleaseWhen
from firebreak.api.v1alpha1.quantities import format_duration
from firebreak.core.commands import (
    AbandonRemedy,
    BeginClosing,
    BeginRemedy,
    Command,
    Concern,
    Move,
    Reason,
    Resolve,
    Retarget,
)
from firebreak.core.containment import is_contained, under_way
from firebreak.core.evidence import is_gauge
from firebreak.core.field_writes import contained_again, given_back, undone
from firebreak.core.observations import Failed, Waiting
from firebreak.core.proof import active
from firebreak.core.situation import Situation
from firebreak.core.verdict import Finding
from firebreak.core.verify import ProofOf, shown

_PATIENCE = 10
"""After so many times stableFor without proof in either direction, people are asked."""


def by_person(incident: AIIncident) -> Move:
    """A person ends the incident, by its spec or by deleting it (the finalizer holds it until all is given back)."""
    if incident.metadata.deletion_timestamp is not None and incident.spec.resolution is None:
        because = "the incident was deleted"
        return Move(commands=(BeginClosing(reason=Reason.REQUESTED_BY_PERSON, because=because),))
    match incident.spec.resolution:
        case Resolution.KNOWN_GOOD_ACCEPTED:
            because = "a person accepted the known-good revision"
            return Move(commands=(BeginClosing(reason=Reason.KNOWN_GOOD_ACCEPTED, because=because),))
        case Resolution.FALSE_ALARM:
            because = "a person says that it was a false alarm"
            return Move(commands=(BeginClosing(reason=Reason.FALSE_ALARM, because=because, lift_quarantine=True),))
        case None:
            return Move()


def close(status: AIIncidentStatus) -> Move:
    """Give everything back that can be, then end."""
    assert status.closing is not None
    undo = [a for a in _reversible(status) if a.phase is not ActionPhase.UNDOING]
    if undo:
        return Move(commands=tuple(_undo(a, status.closing.message) for a in undo))
    if any(a.phase is ActionPhase.UNDOING for a in status.actions):
        return Move()
    over = "the incident is over, and nothing is left to give back"
    return Move(commands=(Resolve(reason=Reason(status.closing.reason), because=over),))


def _reversible(status: AIIncidentStatus) -> list[Action]:
    over = (ActionPhase.UNDONE, ActionPhase.KEPT, ActionPhase.SKIPPED, ActionPhase.WOULD_DO)
    return [a for a in status.actions if a.kind is not ActionKind.ROLL_BACK and a.phase not in over]


def _undo(action: Action, because: str) -> Command:
    return Retarget(
        action_id=action.id,
        writes=undone(action.writes),
        given_back=100,
        reason=Reason.GIVING_BACK,
        because=f"{action.kind} is given back: {because}"[:1024],
        undo=True,
    )


def next_move(s: Situation, incident: AIIncident, now: datetime) -> Move:
    """The next move on the way back; nothing while nothing is contained."""
    status = incident.status
    if status.policy is None or under_way(status):
        return Move()
    if status.remediating_since is not None:
        return _prove(s, incident, status.policy.release, now)
    if not is_contained(status):
        return _by_itself(status, status.policy, now)
    fix = _fix(s, incident, status.policy.release)
    if fix is not None:
        return Move(commands=(fix,))
    return _review_no_longer_needed(status, status.policy.release, now)


def _by_itself(status: AIIncidentStatus, policy: ContainmentPolicySpec, now: datetime) -> Move:
    """Over without a containment that was shown to help: every objective has been met for as long as a proof takes."""
    cleared = [o.cleared_at for o in status.objectives]
    if not cleared or any(c is None for c in cleared):
        return Move()
    stable = policy.release.stable_for
    over = max(c for c in cleared if c is not None) + stable
    if now < over:
        return Move(wake_at=over)
    because = f"every objective has been met for {format_duration(stable)}"
    return Move(commands=(BeginClosing(reason=Reason.RECOVERED_BY_ITSELF, because=because),))


def _fix(s: Situation, incident: AIIncident, release: Release) -> BeginRemedy | None:
    status, current = incident.status, s.revision.current
    if incident.spec.release:
        because = "a person asked to give back"
        return BeginRemedy(revision=current.name if current else "", reason=Reason.REQUESTED_BY_PERSON, because=because)
    match release.when:
        case ReleaseWhen.PERSON:
            return None
        case ReleaseWhen.NEW_REVISION:
            if current is None or not _is_new(s, status, current.name):
                return None
            because = f"revision {current.name} is neither quarantined nor the known-good one"
            return BeginRemedy(revision=current.name, reason=Reason.FIX_SEEN, because=because)
        case ReleaseWhen.GAUGE_RECOVERED:
            if not _gauges_met(s, status):
                return None
            words = "; ".join(
                f"{o.name}: {s.verdicts[o.name].because}" for o in status.objectives if is_gauge(s.spec, o.name)
            )
            return BeginRemedy(revision="", reason=Reason.FIX_SEEN, because=words[:1024])


def _is_new(s: Situation, status: AIIncidentStatus, name: str) -> bool:
    known_good = s.revision.known_good
    rolled_back = {a.subject for a in status.actions if a.kind is ActionKind.ROLL_BACK}
    return (
        name not in s.revision.quarantined
        and name not in status.failed_revisions
        and name not in rolled_back
        and name != status.revision
        and (known_good is None or name != known_good.name)
    )


def _gauges_met(s: Situation, status: AIIncidentStatus) -> bool:
    names = [o.name for o in status.objectives if is_gauge(s.spec, o.name)]
    return bool(names) and all(n in s.verdicts and s.verdicts[n].finding is Finding.MET for n in names)


def _prove(s: Situation, incident: AIIncident, release: Release, now: datetime) -> Move:
    """Collect proof: at each share of traffic, or on the new revision that serves all of it already."""
    status = incident.status
    assert status.remediating_since is not None
    switch = active(status, ActionKind.SWITCH_TRAFFIC)
    gone = _proof_is_gone(s, incident, release)
    if gone:
        return _step_back(status, switch, failed=False, because=gone)
    since = status.remediating_since
    if switch is not None:
        if switch.given_back == 0:
            # Users get the probe's answers too: what they are to judge must be what serves.
            if isinstance(s.rollout, Waiting | Failed) and not incident.spec.release:
                concern = Concern(reason=Reason.NOT_IN_FORCE, because=f"the fix does not serve: {s.rollout.because}")
                return Move(concern=concern if isinstance(s.rollout, Failed) else None)
            if not incident.spec.release and now < since + release.stable_for:
                return Move(wake_at=since + release.stable_for)
            return _give_back(switch, release.ramp[0], "the first share is the probe")
        if switch.given_back_at is None:
            return Move()
        since = switch.given_back_at
    proof = shown(s, [o.name for o in status.objectives])
    if proof.of is ProofOf.NO_HELP:
        return _step_back(status, switch, failed=True, because=proof.because)
    if now < since + release.stable_for:
        return Move(wake_at=since + release.stable_for)
    told = incident.spec.release and proof.of is ProofOf.NOTHING
    if proof.of is ProofOf.HELP or told:
        words = f"held for {format_duration(release.stable_for)}: {proof.because}"
        if switch is not None and switch.given_back < 100:
            share = next((p for p in release.ramp if p > switch.given_back), 100)
            return _give_back(switch, share, words)
        return Move(commands=(BeginClosing(reason=Reason.FIX_PROVEN, because=words[:1024]),))
    late = since + release.stable_for * _PATIENCE
    if now < late:
        return Move(wake_at=late)
    return Move(concern=Concern(reason=Reason.EVIDENCE_THIN, because=f"cannot prove the fix: {proof.because}"))


def _proof_is_gone(s: Situation, incident: AIIncident, release: Release) -> str:
    """Why what began the giving back no longer holds; empty while it does."""
    status, current = incident.status, s.revision.current
    if incident.spec.release:
        return ""
    if release.when is ReleaseWhen.NEW_REVISION and current is not None and current.name != status.remediated_revision:
        return f"revision {current.name} has taken the place of {status.remediated_revision}"
    if release.when is ReleaseWhen.GAUGE_RECOVERED:
        broken = [
            f"{o.name}: {s.verdicts[o.name].because}"
            for o in status.objectives
            if is_gauge(s.spec, o.name) and o.name in s.verdicts and s.verdicts[o.name].finding is Finding.BREACHED
        ]
        return "; ".join(broken)
    return ""


def _give_back(switch: Action, share: int, because: str) -> Move:
    return Move(
        commands=(
            Retarget(
                action_id=switch.id,
                writes=given_back(switch.writes, share),
                given_back=share,
                reason=Reason.GIVING_BACK,
                because=f"{share}% of traffic back to the primary: {because}"[:1024],
            ),
        )
    )


def _step_back(status: AIIncidentStatus, switch: Action | None, *, failed: bool, because: str) -> Move:
    reason = Reason.FIX_FAILED if failed else Reason.FIX_SEEN
    commands: list[Command] = [
        AbandonRemedy(
            revision=status.remediated_revision,
            failed=failed,
            reason=reason,
            because=f"giving back ends: {because}"[:1024],
        )
    ]
    if switch is not None and switch.given_back:
        commands.append(
            Retarget(
                action_id=switch.id,
                writes=contained_again(switch.writes),
                given_back=0,
                reason=reason,
                because=f"all traffic to {switch.subject} again: {because}"[:1024],
            )
        )
    return Move(commands=tuple(commands))


def _review_no_longer_needed(status: AIIncidentStatus, release: Release, now: datetime) -> Move:
    """After a rollback that helped, people need not look at every answer until the fix comes."""
    rolled_back = active(status, ActionKind.ROLL_BACK)
    review = active(status, ActionKind.RAISE_HUMAN_REVIEW)
    if review is None or rolled_back is None or rolled_back.outcome is not Outcome.RECOVERED:
        return Move()
    if rolled_back.proven_at is None or active(status, ActionKind.SWITCH_TRAFFIC):
        return Move()
    over = rolled_back.proven_at + release.stable_for
    if now < over:
        return Move(wake_at=over)
    return Move(
        commands=(_undo(review, f"{rolled_back.subject} has served well for {format_duration(release.stable_for)}"),)
    )
