"""What to do next about one service: the one decision function.

Live operation, drills and backtests call it with everything it may look at and the time; it reads nothing else.
It answers with commands, each with its reason, and is called again as soon as they are recorded: a turn is one move.
What must stay true:
- Inconclusive and Error contain nothing and give nothing back.
- A step is taken only when the one before it has been judged, or is not expected to cure anything.
- Whatever is held or awaited says so, and when to look again.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from firebreak.api.v1alpha1.incident import Action, ActionPhase, AIIncident, AIIncidentStatus, Exposure, Outcome, Phase
from firebreak.api.v1alpha1.policy import ActionKind
from firebreak.core import blindness, containment, judging, release, requests, validation, withdrawal
from firebreak.core.both_bad import both_bad
from firebreak.core.commands import (
    AdoptPolicy,
    BeginClosing,
    Command,
    Concern,
    Decision,
    Move,
    NoteOnDelete,
    NoteService,
    Reason,
    SeeDrift,
    SeeGivenBack,
    SeeInForce,
    SwitchLadder,
    TakeShare,
    UpdateEvidence,
)
from firebreak.core.drift import is_drifted
from firebreak.core.evidence import categories_of, merged
from firebreak.core.field_writes import contained_again
from firebreak.core.ladder import share_after
from firebreak.core.observations import Failed, InForce
from firebreak.core.opening import opening
from firebreak.core.paging import note_hold, page
from firebreak.core.proof import ACTIVE
from firebreak.core.severity import ladder_of, severity_of, worst
from firebreak.core.situation import Situation
from firebreak.core.steps import changes_answers, in_words, is_contained

EXPOSURE_EVERY = timedelta(minutes=5)
"""While nothing is contained, how many users it touches is estimated again this often; that is not told by itself."""
ORPHANED_FOR = timedelta(minutes=15)
"""So long may an AIService be away before what contains its incident is given back."""


def decide(s: Situation, now: datetime) -> Decision:
    """The next move for this service."""
    incident = s.incident
    if incident is None or incident.status.detected_at is None:
        return _decided(opening(s, now))
    if incident.status.phase is Phase.RESOLVED:
        return Decision()
    if incident.status.closing is not None:
        return _first_that_acts((*_blocked(incident), release.close(incident.status, now)), incident, now)
    moves = (
        requests.resolution(incident),
        requests.heard_again(s, incident),
        _classify(s, incident),
        _join(s, incident, now),
        blindness.watch(s, incident, now),
        *_blocked(incident),
        _see(s, incident),
        *_fails(s, incident),
        *both_bad(s, incident, now),
        judging.judge(s, incident, now),
        validation.watch(s, incident, now),
        withdrawal.withdrawn(s, incident),
        containment.advance(s, incident, now),
        release.next_move(s, incident, now),
        _back_or_failed(s, incident),
    )
    return _first_that_acts(moves, incident, now)


def without_service(incident: AIIncident, now: datetime) -> Decision:
    """The AIService is gone while its incident is open: give back what can be given back, and end.

    Not at once while traffic would go back to what failed: a service that is replaced is there again in a moment, and
    one that was deleted by mistake is not for its users to pay for.
    """
    if incident.status.phase is Phase.RESOLVED:
        return Decision()
    if incident.status.closing is None and _would_give_back(incident):
        gone_at = incident.status.orphaned_at
        until = (gone_at or now) + ORPHANED_FOR
        words = (
            f"AIService {incident.spec.service} does not exist: apply it again, or what is in force is given back at "
            f"{until:%H:%M:%SZ}; delete the incident to have it given back now"
        )
        if gone_at is None:
            noted = NoteService(is_gone=True, reason=Reason.SERVICE_GONE, because=words)
            return Decision(commands=(noted,), wake_at=until)
        if now < until:
            concern = Concern(reason=Reason.SERVICE_GONE, subject=f"since {gone_at.isoformat()}", because=words)
            return _first_that_acts((Move(concern=concern, wake_at=until),), incident, now)
    if incident.status.detected_at is None or incident.status.closing is None:
        because = f"AIService {incident.spec.service} does not exist: nothing is watched any more"
        leave = requests.is_left(incident)
        because += ", and what is in force stays" if leave else ""
        return Decision(commands=(BeginClosing(reason=Reason.SERVICE_GONE, because=because, leave=leave),))
    return _first_that_acts((*_blocked(incident), release.close(incident.status, now)), incident, now)


def _would_give_back(incident: AIIncident) -> bool:
    if incident.metadata.deletion_timestamp is not None or requests.is_left(incident):
        return False
    held = [a for a in incident.status.actions if a.phase in ACTIVE and changes_answers(a.kind)]
    return any(a.kind is not ActionKind.ROLL_BACK for a in held)


def _first_that_acts(moves: tuple[Move, ...], incident: AIIncident, now: datetime) -> Decision:
    for move in moves:
        if move.commands:
            return _decided(move)
    concerns = tuple(m.concern for m in moves if m.concern and m.concern.pages)
    noted = note_hold(incident, next((m.concern for m in moves if m.concern and m.concern.holds), None))
    paged = page(incident, concerns, now)
    wakes = [m.wake_at for m in (*moves, paged) if m.wake_at]
    return Decision(commands=(*noted.commands, *paged.commands), wake_at=min(wakes, default=None))


def _decided(move: Move) -> Decision:
    return Decision(commands=move.commands, wake_at=move.wake_at)


def _classify(s: Situation, incident: AIIncident) -> Move:
    """Take up a policy that was missing, and a person's word on the severity."""
    status, said = incident.status, incident.spec.severity
    if status.category is None:
        return Move()
    if status.policy is None and s.policy is not None:
        ref = s.spec.containment.policy
        adopted = AdoptPolicy(
            policy=s.policy,
            severity=said or severity_of(s.policy, status.category),
            ladder=ladder_of(s.policy, status.category),
            reason=Reason.POLICY_FOUND,
            because=f"{ref.kind} {ref.name} is there now",
        )
        return Move(commands=(adopted,))
    if status.orphaned_at is not None:
        words = f"AIService {incident.spec.service} exists again; what is in force has stayed"
        return Move(commands=(NoteService(is_gone=False, reason=Reason.SERVICE_BACK, because=words),))
    if status.on_delete is not s.spec.containment.on_delete:
        on_delete = s.spec.containment.on_delete
        words = f"the service says spec.containment.onDelete: {on_delete}"
        return Move(commands=(NoteOnDelete(on_delete=on_delete, because=words),))
    if said is None or said == status.severity:
        return Move()
    switched = SwitchLadder(
        category=status.category,
        severity=said,
        ladder=status.ladder,
        reason=Reason.REQUESTED_BY_PERSON,
        because=f"a person sees it as {said}",
    )
    return Move(commands=(switched,))


def _join(s: Situation, incident: AIIncident, now: datetime) -> Move:
    """Bring the incident's objectives up to date; a worse category asks for its own ladder, where there is one."""
    status = incident.status
    objectives = merged(status.objectives, s, now)
    before = {o.name: (o.tier, o.breached) for o in status.objectives}
    if {o.name: (o.tier, o.breached) for o in objectives} != before:
        changed = [o for o in objectives if before.get(o.name) != (o.tier, o.breached)]
        told = [
            f"{o.name} is breached ({o.tier}): {o.because}" if o.breached else f"{o.name} is met again" for o in changed
        ]
        updated = UpdateEvidence(
            objectives=objectives,
            exposure=_exposure(s, status, now),
            because="; ".join(told)[:1024],
            reason=Reason.OBJECTIVE_JOINED if any(o.breached for o in changed) else Reason.OBJECTIVE_MET,
        )
        return Move(commands=(updated,))
    if _exposure_is_due(s, status, now):
        quiet = UpdateEvidence(objectives=status.objectives, exposure=_exposure(s, status, now))
        return Move(commands=(quiet,))
    if status.category is None or incident.spec.category is not None:
        return Move()
    # What could not be seen named the category of an incident that began so; from the first breach on that one does.
    known = {o.category for o in objectives} if status.coverage else {status.category}
    if not known:
        return Move()
    category = worst(status.policy, categories_of(objectives) | known)
    if category is status.category:
        return Move()
    severity = incident.spec.severity or severity_of(status.policy, category)
    own = ladder_of(status.policy, category)
    switched = SwitchLadder(
        category=category,
        severity=severity,
        ladder=status.ladder if own is None else own,
        reason=Reason.LADDER_SWITCHED,
        because=f"{category} is what is breached, not {status.category}: severity {severity}"
        if status.coverage
        else f"{category} is worse than {status.category}: severity {severity}; what is in force stays",
    )
    return Move(commands=(switched,))


def _exposure(s: Situation, status: AIIncidentStatus, now: datetime) -> Exposure:
    """As estimated now; once contained, and where it cannot be estimated any more, as it was."""
    if s.exposure == Exposure() or (is_contained(status) and status.exposure.as_of):
        return status.exposure
    if s.exposure.bad_answers is None and status.exposure.bad_answers is not None:
        return status.exposure
    return s.exposure.model_copy(update={"as_of": now})


def _exposure_is_due(s: Situation, status: AIIncidentStatus, now: datetime) -> bool:
    last = status.exposure.as_of
    if last is not None and now - last < EXPOSURE_EVERY:
        return False
    fresh = _exposure(s, status, now)
    return fresh.model_copy(update={"as_of": last}) != status.exposure


def _see(s: Situation, incident: AIIncident) -> Move:
    """See what was written come into force, and what was in force be changed by others."""
    commands: list[Command] = []
    for action in incident.status.actions:
        effect, drift = s.effects.get(action.id), s.drifts.get(action.id)
        # A revision that someone deploys after a rollback is no drift: it is judged as what it is.
        if drift and action.phase is ActionPhase.IN_FORCE and action.kind is not ActionKind.ROLL_BACK:
            because = f"{in_words(action)} is not in force any more: {drift}; it is left as it is"[:1024]
            commands.append(SeeDrift(action_id=action.id, reason=Reason.DRIFTED, because=because))
        elif not drift and is_drifted(action) and isinstance(effect, InForce):
            because = f"{in_words(action)} is in force again: {effect.because}"[:1024]
            commands.append(SeeInForce(action_id=action.id, reason=Reason.IN_FORCE, because=because))
        elif action.phase is ActionPhase.APPLIED and isinstance(effect, InForce) and action.share < 100:
            if action.outcome is Outcome.PENDING:
                commands.append(_next_share(incident, action, effect))
        elif action.phase is ActionPhase.APPLIED and isinstance(effect, InForce):
            because = f"{action.kind} is in force: {effect.because}"[:1024]
            commands.append(SeeInForce(action_id=action.id, reason=Reason.IN_FORCE, because=because))
        elif is_share_awaited(action) and isinstance(effect, InForce):
            because = f"{action.given_back}% of traffic is on the primary: {effect.because}"[:1024]
            commands.append(SeeGivenBack(action_id=action.id, reason=Reason.IN_FORCE, because=because))
    return Move(commands=tuple(commands))


def _fails(s: Situation, incident: AIIncident) -> Iterator[Move]:
    """Ask people about what was written and cannot come into force."""
    for action in incident.status.actions:
        effect = s.effects.get(action.id)
        if isinstance(effect, Failed) and action.phase in (ActionPhase.APPLIED, ActionPhase.IN_FORCE):
            because = (
                f"{in_words(action)} is not in force: {effect.because}; repair what keeps it, or take the next step "
            )
            because += "with spec.contain: true on this incident"
            yield Move(concern=Concern(reason=Reason.NOT_IN_FORCE, subject=action.id, because=because))


def _next_share(incident: AIIncident, action: Action, effect: InForce) -> TakeShare:
    share = share_after(incident.status, action)
    because = f"{share}% of traffic to {action.subject}: {action.share}% is in force ({effect.because})"[:1024]
    writes = contained_again(action.writes, share)
    return TakeShare(action_id=action.id, writes=writes, share=share, reason=Reason.SHARE_TAKEN, because=because)


def is_share_awaited(action: Action) -> bool:
    """Whether a share of traffic was given back and has not been seen in force yet."""
    return action.phase is ActionPhase.IN_FORCE and action.given_back > 0 and action.given_back_at is None


def _blocked(incident: AIIncident) -> Iterator[Move]:
    """Ask people about each write that was refused, and each place that someone else has changed."""
    for action in incident.status.actions:
        if is_drifted(action) and action.drifted_at is not None:
            # Changed once more after it was put back, it is another change.
            subject = f"{action.id} since {action.drifted_at.isoformat()}"
            because = f"{action.message[:800]}; put it back as it was, or take the next step with spec.contain: true"
            yield Move(concern=Concern(reason=Reason.DRIFTED, subject=subject, because=because))
        elif action.phase is ActionPhase.BLOCKED:
            because = f"{in_words(action)} could not be carried out: {action.message[:800]}; it is not tried again, so "
            because += "mend that place by hand, or leave it to the next step (at once with spec.contain: true)"
            yield Move(concern=Concern(reason=Reason.WRITE_BLOCKED, subject=action.id, because=because))
        elif action.phase is ActionPhase.UNDOING and action.message:
            because = (
                f"{in_words(action)} is not given back yet: {action.message[:800]}; it is tried again until it succeeds"
            )
            subject = f"{action.id} given back"
            yield Move(concern=Concern(reason=Reason.WRITE_BLOCKED, subject=subject, because=because))


def _back_or_failed(s: Situation, incident: AIIncident) -> Move:
    """What serves is a revision that was rolled back, or a fix that did not pass: another one is needed."""
    status, current = incident.status, s.revision.current
    if status.remediating_since is not None:
        return Move()
    rolled_back = [a for a in status.actions if a.kind is ActionKind.ROLL_BACK and a.phase is ActionPhase.IN_FORCE]
    if rolled_back and current is not None and current.name == status.revision:
        by = s.drifts.get(rolled_back[-1].id)
        because = (
            f"revision {current.name} is back although it was rolled back: {by or 'nothing keeps it out'}; stop what "
        )
        because += "deploys it, such as a GitOps loop, or deploy another revision"
        return Move(concern=Concern(reason=Reason.QUARANTINE_MISSING, subject=current.name, because=because))
    if current is not None and current.name in status.failed_revisions:
        because = f"revision {current.name} did not pass; deploy another revision"
        return Move(concern=Concern(reason=Reason.FIX_FAILED, subject=current.name, because=because))
    if status.refuted:
        tried = ", ".join(status.refuted)
        because = f"giving back was tried ({tried}), and it was bad still; repair the cause"
        return Move(concern=Concern(reason=Reason.FIX_FAILED, subject=tried, because=because))
    return Move()
