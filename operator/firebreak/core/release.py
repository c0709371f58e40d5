"""When is control given back, and how: only after proof, a share at a time, and with an immediate step back.

Asked by `decide` once something is in force that was shown to help.
A rollback is never given back: it ends when a revision that is neither quarantined nor the known-good one passes, or
when a person accepts the known-good one.
"""

from datetime import datetime, timedelta

from firebreak.api.v1alpha1.incident import Action, ActionPhase, AIIncident, AIIncidentStatus, Outcome
from firebreak.api.v1alpha1.policy import ActionKind, Release, ReleaseWhen
from firebreak.api.v1alpha1.quantities import format_duration
from firebreak.core.blindness import is_blind
from firebreak.core.commands import (
    AbandonRemedy,
    BeginClosing,
    BeginRemedy,
    Command,
    Concern,
    Judge,
    Move,
    Reason,
    Resolve,
    Retarget,
)
from firebreak.core.containment import is_anything_in_force
from firebreak.core.drift import is_drifted
from firebreak.core.evidence import declared_of, is_gauge
from firebreak.core.field_writes import contained_again, given_back, undone
from firebreak.core.guardrails import taken_together
from firebreak.core.observations import Failed, Waiting
from firebreak.core.over import over_at
from firebreak.core.paging import PAGE_EVERY
from firebreak.core.proof import OVER, active
from firebreak.core.requests import gauges_breached, release_is_asked
from firebreak.core.revision import may_be_the_fix
from firebreak.core.situation import Situation
from firebreak.core.steps import helping, in_words, is_contained, is_taken_back, under_way
from firebreak.core.validation import validated
from firebreak.core.verdict import Finding, Tier
from firebreak.core.verify import ProofOf, shown

PATIENCE = 10
"""After so many times stableFor without proof in either direction, people are asked."""


def close(status: AIIncidentStatus, now: datetime) -> Move:
    """Give everything back that can be, then end; a rollback that was begun is carried through first.

    Half of it would leave a revision that nobody has ever tried.
    """
    assert status.closing is not None
    undo = [a for a in _reversible(status) if a.phase is not ActionPhase.UNDOING]
    if undo and not status.closing.leave:
        return Move(commands=tuple(_undo(a, status.closing.message) for a in undo))
    written = (ActionPhase.UNDOING, ActionPhase.INTENDED)
    owed = [a for a in status.actions if a.phase in written or is_taken_back(a)]
    if owed:
        late = status.closing.at + PAGE_EVERY
        words = f"the incident cannot end: {', '.join(in_words(a) for a in owed)} is still being written"
        words += "; what keeps it stands in the message of the action"
        concern = Concern(reason=Reason.NOT_IN_FORCE, subject="the end", because=words)
        return Move(wake_at=late) if now < late else Move(concern=concern)
    over = "the incident is over, and nothing is left to give back"
    if status.closing.leave:
        over = "the incident is over, and what is in force stays as it is"
    return Move(commands=(Resolve(reason=Reason(status.closing.reason), because=over),))


def _reversible(status: AIIncidentStatus) -> list[Action]:
    over = (*OVER, ActionPhase.SKIPPED, ActionPhase.WOULD_DO)
    return [a for a in status.actions if a.kind is not ActionKind.ROLL_BACK and a.phase not in over]


def _undo(action: Action, because: str) -> Command:
    return Retarget(
        action_id=action.id,
        writes=undone(action.writes),
        given_back=100,
        reason=Reason.GIVING_BACK,
        because=f"{in_words(action)} is given back: {because}"[:1024],
        undo=True,
    )


def release_of(status: AIIncidentStatus) -> Release:
    """How this incident's control is given back: the ladder in use may say when."""
    if status.policy is None:
        return Release()
    own = status.policy.ladders[status.ladder].release if status.ladder is not None else None
    return status.policy.release if own is None else status.policy.release.model_copy(update={"when": own.when})


def next_move(s: Situation, incident: AIIncident, now: datetime) -> Move:
    """The next move on the way back."""
    status = incident.status
    release = release_of(status)
    if under_way(status):
        return Move()
    if status.remediating_since is not None:
        move = _prove(s, incident, release, now)
    elif not (release_is_asked(incident) and is_anything_in_force(status)) and not is_contained(status):
        move = _by_itself(s, status, release, now)
    else:
        fix = _fix(s, incident, release)
        move = _begin(s, fix, release, now) if fix else _review_no_longer_needed(s, status, release, now)
        if not (fix or move.commands) and _awaits_nothing(s, status, release):
            move = _only_a_person(status, release, now)
    return _unless_held(s, incident, move)


def _unless_held(s: Situation, incident: AIIncident, move: Move) -> Move:
    """A service that is to be left alone is given nothing back either, unless a person asks; a step back is taken."""
    if not s.holds or not move.commands or release_is_asked(incident):
        return move
    if any(isinstance(c, AbandonRemedy) for c in move.commands):
        return move
    if isinstance(move.commands[0], BeginClosing) and not _reversible(incident.status):
        return move
    hold = taken_together(s.holds)
    assert hold is not None, "there is one"
    because = f"giving back is held: {hold.because}; to have it given back all the same set spec.release: true"
    return Move(concern=Concern(reason=hold.reason, subject="giving back", because=because, holds=True))


def _by_itself(s: Situation, status: AIIncidentStatus, release: Release, now: datetime) -> Move:
    """Over without a containment that was shown to help: every objective has been met for as long as a proof takes."""
    stable = release.stable_for
    over = over_at(s, status, stable)
    if over is None:
        return _undecided(status, stable, now)
    if now < over:
        return Move(wake_at=over)
    because = f"every objective has been met for {format_duration(stable)}"
    return Move(commands=(BeginClosing(reason=Reason.RECOVERED_BY_ITSELF, because=because),))


def _undecided(status: AIIncidentStatus, stable: timedelta, now: datetime) -> Move:
    """Open, too little evidence to go on and none that it is over: after a while people are asked which it is."""
    ways = "take the next step with spec.contain, or end it with spec.resolution"
    if not status.objectives:
        if is_blind(status) or (status.coverage and not is_anything_in_force(status)):
            return Move()  # people are asked about the judge, and when it is back that is the end
        began = "the judge is back" if status.coverage else "declared by a person"
        words = f"{began}, and no objective is breached: {ways}"
        return Move(concern=Concern(reason=Reason.EVIDENCE_THIN, subject=began, because=words))
    moments = (status.detected_at, *(o.cleared_at for o in status.objectives), *(a.proven_at for a in status.actions))
    since = max(m for m in moments if m is not None)
    if now < (late := since + stable * PATIENCE):
        return Move(wake_at=late)
    words = f"not seen to be over, and nothing more can be done on the evidence there is: {ways}"
    return Move(concern=Concern(reason=Reason.EVIDENCE_THIN, subject="not seen to be over", because=words))


def _fix(s: Situation, incident: AIIncident, release: Release) -> BeginRemedy | None:
    status, current = incident.status, s.revision.current
    name = current.name if current else ""
    if release_is_asked(incident):
        because = "a person asked to give back"
        return BeginRemedy(on=ReleaseWhen.PERSON, revision=name, reason=Reason.REQUESTED_BY_PERSON, because=because)
    when = release.when
    gauges = [n for n in declared_of(s, status) if is_gauge(s.spec, n)]
    if when is ReleaseWhen.GAUGE_RECOVERED and not gauges:
        when = ReleaseWhen.NEW_REVISION
    match when:
        case ReleaseWhen.PERSON:
            return None
        case ReleaseWhen.NEW_REVISION:
            if not may_be_the_fix(s.revision, status):
                return None
            because = f"revision {name} is neither the one that failed nor one that was rolled back to"
            return BeginRemedy(on=when, revision=name, reason=Reason.FIX_SEEN, because=because)
        case ReleaseWhen.GAUGE_RECOVERED:
            found = [s.verdicts.get(n) for n in gauges]
            if when in status.refuted or any(v is None or v.finding is not Finding.MET for v in found):
                return None
            words = "; ".join(f"{v.objective.objective}: {v.because}" for v in found if v)
            return BeginRemedy(on=when, revision="", reason=Reason.FIX_SEEN, because=words[:1024])


def _awaits_nothing(s: Situation, status: AIIncidentStatus, release: Release) -> bool:
    """Whether no sign of a fix can ever be seen: a new revision is awaited, and the service declares none."""
    by_gauge = release.when is ReleaseWhen.GAUGE_RECOVERED and any(is_gauge(s.spec, n) for n in declared_of(s, status))
    return s.spec.revision is None and release.when is not ReleaseWhen.PERSON and not by_gauge


def _only_a_person(status: AIIncidentStatus, release: Release, now: datetime) -> Move:
    late = max(a.proven_at or a.intended_at for a in helping(status)) + release.stable_for * PATIENCE
    if now < late:
        return Move(wake_at=late)
    words = (
        "contained, and no new revision can be seen, since the service declares no spec.revision: when it is repaired, "
        "set spec.release, or end it with spec.resolution"
    )
    return Move(concern=Concern(reason=Reason.EVIDENCE_THIN, subject="contained", because=words))


def _begin(s: Situation, fix: BeginRemedy, release: Release, now: datetime) -> Move:
    """The proof begins when the fix serves: until then every answer is one of the revision that it replaces."""
    seen = s.revision.since or now
    if fix.on is ReleaseWhen.NEW_REVISION and (
        waiting := _not_serving(s, fix.revision, seen + release.stable_for, now)
    ):
        return waiting
    return Move(commands=(fix,))


def _not_serving(s: Situation, fix: str, late: datetime, now: datetime) -> Move | None:
    """None while the pods are those that are declared; who is to be told of it, and when, while they are not."""
    if not isinstance(s.rollout, Waiting | Failed):
        return None
    if isinstance(s.rollout, Waiting) and now < late:
        return Move(wake_at=late)
    because = f"the fix does not serve, and nothing is given back until it does: {s.rollout.because}"
    return Move(concern=Concern(reason=Reason.NOT_IN_FORCE, subject=f"fix {fix}".strip(), because=because))


def _prove(s: Situation, incident: AIIncident, release: Release, now: datetime) -> Move:
    """Collect proof: at each share of traffic, or on the new revision that serves all of it already."""
    status = incident.status
    assert status.remediating_since is not None
    switch = active(status, ActionKind.SWITCH_TRAFFIC)
    gone = _proof_is_gone(s, incident)
    if gone:
        return _step_back(s, status, switch, failed=False, because=gone)
    since, is_asked = status.remediating_since, release_is_asked(incident)
    concerns_pods = bool(switch or status.remediated_revision) and not is_asked
    fix = status.remediated_revision
    awaited = _not_serving(s, fix, since + release.stable_for, now) if concerns_pods else None
    if switch is not None:
        if is_drifted(switch):
            # Shares that someone else has set prove nothing, and are not ours to set: people have been asked.
            return Move()
        if switch.given_back == 0:
            # Users get the probe's answers too: what they are to judge must be what serves.
            if awaited:
                return awaited
            # A gauge may come and go: the team's questions are asked once it has been well for as long as the probe waits.
            steady, is_steady = Move(wake_at=since + release.stable_for), now >= since + release.stable_for
            if not (is_asked or is_steady) and status.remediating_on is ReleaseWhen.GAUGE_RECOVERED:
                return steady
            if not is_asked and (awaited := validated(s, incident, release, now)) is not None:
                return awaited
            if not (is_asked or is_steady):
                return steady
            return _give_back(switch, release.ramp[0], "the first share is the probe")
        if switch.given_back_at is None:
            return Move()
        since = switch.given_back_at
    proof = shown(s, declared_of(s, status), since)
    if proof.of is ProofOf.NO_HELP:
        return _step_back(s, status, switch, failed=True, because=proof.because)
    if switch is not None and (again := _bad_again(s, status, since)):
        # Not in the fix's own series, so what it replaces serves still: back, and the probe begins anew.
        return _step_back(s, status, switch, failed=False, because=again)
    if awaited:
        return awaited
    if now < since + release.stable_for:
        return Move(wake_at=since + release.stable_for)
    told = is_asked and proof.of is ProofOf.NOTHING
    if proof.of is ProofOf.HELP or told:
        words = f"held for {format_duration(release.stable_for)}: {proof.because}"
        if told:
            words = f"a person asked to give back, without proof: {proof.because}"
        if switch is not None and switch.given_back < 100:
            share = next((p for p in release.ramp if p > switch.given_back), 100)
            return _give_back(switch, share, words)
        if not is_asked and (awaited := validated(s, incident, release, now)) is not None:
            return awaited
        reason = Reason.REQUESTED_BY_PERSON if told else Reason.FIX_PROVEN
        return Move(commands=(BeginClosing(reason=reason, because=words[:1024]),))
    late = since + release.stable_for * PATIENCE
    if now < late:
        return Move(wake_at=late)
    because = (
        f"cannot prove the fix, so nothing more is given back: {proof.because}; see that the judge judges, or give "
    )
    because += "back without proof: spec.release: true on this incident"
    return Move(concern=Concern(reason=Reason.EVIDENCE_THIN, subject=f"fix {fix}".strip(), because=because))


def _bad_again(s: Situation, status: AIIncidentStatus, since: datetime) -> str:
    """What users get is confirmed to be bad since a share was given back, whichever revision it comes from."""
    verdicts = [s.verdicts.get(name) for name in declared_of(s, status)]
    return "; ".join(
        v.because for v in verdicts if v and v.reaches(Tier.CONFIRMED) and v.onset is not None and v.onset.at > since
    )


def _proof_is_gone(s: Situation, incident: AIIncident) -> str:
    """Why what began the giving back no longer holds; empty while it does."""
    status, current = incident.status, s.revision.current
    if status.remediated_revision and current is not None and current.name != status.remediated_revision:
        return f"revision {current.name} has taken the place of {status.remediated_revision}"
    if release_is_asked(incident):
        return ""
    if status.remediating_on is ReleaseWhen.PERSON:
        return "the person who asked for it has taken it back"
    if status.remediating_on is ReleaseWhen.GAUGE_RECOVERED:
        return "; ".join(gauges_breached(s, incident))
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


def _step_back(s: Situation, status: AIIncidentStatus, switch: Action | None, *, failed: bool, because: str) -> Move:
    reason = Reason.FIX_FAILED if failed else Reason.FIX_SEEN
    commands: list[Command] = [
        AbandonRemedy(
            revision=status.remediated_revision,
            failed=failed,
            reason=reason,
            because=f"giving back ends: {because}"[:1024],
        )
    ]
    for action in helping(status):
        # What failed has taken its place, so the rollback contains nothing any more, and the ladder goes on.
        if failed and action.kind is ActionKind.ROLL_BACK and action.subject != status.remediated_revision:
            words = f"{in_words(action)}: {because}"[:1024]
            commands.append(Judge(action_id=action.id, outcome=Outcome.UNKNOWN, reason=Reason.OVERTAKEN, because=words))
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


def _review_no_longer_needed(s: Situation, status: AIIncidentStatus, release: Release, now: datetime) -> Move:
    """After a rollback that helped, people need not look at every answer until the fix comes."""
    rolled_back = active(status, ActionKind.ROLL_BACK)
    review = active(status, ActionKind.RAISE_HUMAN_REVIEW)
    if review is None or rolled_back is None or rolled_back.outcome is not Outcome.RECOVERED:
        return Move()
    if rolled_back.proven_at is None or active(status, ActionKind.SWITCH_TRAFFIC):
        return Move()
    if s.revision.current is None or s.revision.current.name != rolled_back.subject:
        return Move()
    over = rolled_back.proven_at + release.stable_for
    if now < over:
        return Move(wake_at=over)
    return Move(
        commands=(_undo(review, f"{rolled_back.subject} has served well for {format_duration(release.stable_for)}"),)
    )
