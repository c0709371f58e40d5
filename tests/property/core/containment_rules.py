"""What must never happen in a containment, whatever the evidence, the people, the cluster and the crashes do.

Each rule looks at a world, at one turn of `decide`, or at one go of the actuator, and answers in words or not at all.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

from tests.builders import V2, V4
from tests.property.core.containment_world import (
    HISTORY,
    PLACES,
    TICK,
    Setting,
    World,
    Written,
    as_seen,
    awaited,
    decided,
    drifts_of,
    fields_of,
    is_frozen,
    is_had,
    named_by,
    revision_of,
)

from firebreak.api.v1alpha1.aiservice import DetectorKind, Mode
from firebreak.api.v1alpha1.incident import Action, ActionPhase, Outcome, Phase
from firebreak.api.v1alpha1.policy import ActionKind, ReleaseWhen, Severity
from firebreak.core.commands import (
    AbandonRemedy,
    AskPeople,
    BeginClosing,
    BeginRemedy,
    BeginValidation,
    Command,
    Decision,
    Judge,
    NoteUnready,
    OpenIncident,
    Reason,
    Resolve,
    Retarget,
    SkipStep,
    TakeShare,
    TakeStep,
    WithdrawApproval,
)
from firebreak.core.deadlines import is_out_of_date
from firebreak.core.drift import drifted_since
from firebreak.core.evidence import is_gauge
from firebreak.core.field_writes import value_of
from firebreak.core.paging import PAGE_EVERY
from firebreak.core.proof import ACTIVE
from firebreak.core.record import recorded
from firebreak.core.steps import changes_answers, is_contained, is_taken_back

_BREACHED = ("Suspected", "Confirmed", "ConfirmedAnew")
_CONFIRMED = ("Confirmed", "ConfirmedAnew")


def broken_by_world(w: World) -> Iterator[str]:
    """True at every moment."""
    if w.status is None:
        return
    pending = [a.id for a in w.status.actions if _is_under_way(a)]
    if len(pending) > 1:
        yield f"two containments are under way at once: {pending}"
    for action in w.status.actions:
        if action.phase is ActionPhase.INTENDED and action.outcome is not Outcome.PENDING:
            yield f"{action.kind} is judged, and is being written still"
        if action.kind is ActionKind.ROLL_BACK and action.phase in (ActionPhase.UNDOING, ActionPhase.UNDONE):
            yield "a rollback is undone"
    taken = [a for a in w.status.actions if a.phase not in (ActionPhase.SKIPPED, ActionPhase.WOULD_DO)]
    if sum(a.kind is ActionKind.ROLL_BACK for a in taken) > 1:
        yield "there is more than one rollback in the incident"


def broken_by_repetition(w: World, decision: Decision) -> Iterator[str]:
    """A command that is recorded twice changes nothing the second time."""
    status = w.status
    for command in decision.commands:
        if status is None or isinstance(command, OpenIncident):
            return
        status = recorded(status, command, w.now)
        if recorded(status, command, w.now + timedelta(seconds=1)) != status:
            yield f"recorded twice, {type(command).__name__} changes something the second time"


def _is_under_way(action: Action) -> bool:
    return changes_answers(action.kind) and action.outcome is Outcome.PENDING and action.phase in ACTIVE


def broken_by_turn(setting: Setting, w: World, decision: Decision) -> Iterator[str]:
    """True of everything that is decided."""
    w = as_seen(w)
    assert w.status is not None or all(isinstance(c, OpenIncident) for c in decision.commands)
    for command in decision.commands:
        match command:
            case TakeStep(action=action):
                yield from _a_step(setting, w, action)
            case SkipStep(action=action):
                yield from _a_skip(w, action)
            case Retarget():
                yield from _giving_back(setting, w, decision.commands, command)
            case BeginClosing(reason=reason):
                yield from _an_end(setting, w, reason)
            case BeginValidation():
                yield from _a_job(setting, w)
            case BeginRemedy(on=ReleaseWhen.NEW_REVISION):
                if w.rollout != "InForce":
                    yield "a fix that does not serve begins to be proven"
            case TakeShare(action_id=action_id):
                if w.effect != "InForce" or not w.is_ready:
                    yield "more traffic is taken, and the share before is not in force, or the fallback not ready"
                if next(a for a in w.status.actions if a.id == action_id).outcome is not Outcome.PENDING:
                    yield "more traffic is taken by a step that was given up"
            case Judge(outcome=Outcome.NOT_RECOVERED, action_id=action_id):
                if not _is_in_force(w, action_id):
                    yield f"{action_id} is found not to help, and was never in force"
                if not _is_bad_still(setting, w):
                    yield f"{action_id} is found not to help without fresh evidence of a breach"
            case NoteUnready(looks=looks, action_id=action_id):
                known = next(a for a in w.status.actions if a.id == action_id)
                if (
                    looks
                    and known.unready_at is not None
                    and w.now - known.unready_at < max(o.detector.step for o in setting.spec.objectives)
                ):
                    yield "one look at a fallback counts as two"
            case AskPeople(reason=Reason.BOTH_LEGS_BAD) if w.is_ready or not any(
                a.unready_looks >= 3 for a in w.status.actions
            ):
                yield "people are asked of a fallback that missed a look"
            case AskPeople(reason=Reason.CIRCUIT_BREAKER):
                yield "people are asked of the circuit breaker by each incident"
            case AskPeople(reason=reason, subject=subject, number=number):
                assert w.status is not None
                before = [a for a in w.status.asked if (a.reason, a.subject) == (reason, subject)]
                if before and w.now - before[0].at < PAGE_EVERY:
                    yield f"people are asked of {reason} again within {PAGE_EVERY}"
                if before and is_had(w.said, w.status, before[0].number):
                    yield f"people are asked of {reason} again although somebody has it"
                if not before and is_had(w.said, w.status, number):
                    yield f"{reason} was acknowledged before it came up"
            case WithdrawApproval():
                yield from _a_withdrawal(setting, w)
            case Resolve():
                yield from _a_resolution(setting, w)
            case _:
                pass


def _a_step(setting: Setting, w: World, action: Action) -> Iterator[str]:
    assert w.status is not None
    if w.mode is Mode.OBSERVE:
        yield f"{action.kind} is taken in mode Observe"
    if w.is_paused:
        yield f"{action.kind} is taken while everything is paused"
    if action.phase is not ActionPhase.INTENDED:
        yield f"{action.kind} begins as {action.phase}"
    needed = _CONFIRMED if changes_answers(action.kind) else _BREACHED
    by_person = w.said.contain and not w.status.contain_followed
    if not by_person and not any(v in needed for v in w.verdicts):
        yield f"{action.kind} is taken on {w.verdicts}"
    if drifted_since(w.status) and not by_person and not _is_bad_still(setting, w):
        yield f"{action.kind} is taken because of what was measured before somebody changed what was in force"
    if w.status.closing or w.status.remediating_since:
        yield f"{action.kind} is taken while control is given back"
    free = w.said.contain or _is_counted_p1(setting, w) or not changes_answers(action.kind)
    if is_frozen(setting, w) and not free:
        yield f"{action.kind} is taken in a freeze"
    if setting.needs_approval and changes_answers(action.kind):
        wish, word = w.status.approval, w.said.approval
        if wish is None or word is None or wish.request != word.request or action.id not in ("", wish.step):
            yield f"{action.kind} is taken without approval"
        elif action.id and w.named != named_by(action):
            yield f"{action.kind} is approved, and does something else than what was asked: {w.named}"
    if w.is_wave and not free:
        yield f"{action.kind} is taken while the circuit breaker holds"
    first = not any(changes_answers(a.kind) and a.writes and a.phase != "WouldDo" for a in w.status.actions)
    if changes_answers(action.kind) and first and not w.said.contain and w.status.policy is not None:
        rails = w.status.policy.guardrails
        if any(w.now - p.ended_at < rails.cooldown for p in w.past):
            yield "a containment begins within the cooldown"
        recent = [p for p in w.past if w.now - p.at < rails.max_containments.per]
        if len(recent) >= rails.max_containments.count:
            yield f"{len(recent)} containments have been, and one more begins"


def _a_withdrawal(setting: Setting, w: World) -> Iterator[str]:
    """A wish stays until it is known that its step is not called for, or something else has happened."""
    assert w.status is not None
    assert w.status.approval is not None
    wish, status = w.status.approval, w.status
    since = drifted_since(status)
    is_taken_back = wish.on_request and not w.said.contain
    moved_on = (
        status.remediating_since is not None
        or is_contained(status)
        or _release_is_asked(w)
        or w.mode is Mode.OBSERVE
        or since is not None
        or is_taken_back
        or any(a.id == wish.step for a in status.actions)
        or not wish.step.startswith(f"l{status.ladder}-")
    )
    mine = [v for n, v in zip(setting.names, w.verdicts, strict=True) if _is_part(w, n)]
    if moved_on:
        return
    if any(v in ("Inconclusive", "Error") for v in mine):
        yield f"a wish is withdrawn on {mine}"
    if any(v in _CONFIRMED for v in mine):
        yield f"a wish is withdrawn while its step is called for: {mine}"


def _is_counted_p1(setting: Setting, w: World) -> bool:
    counted = [o.detector.kind is DetectorKind.COUNT for o in setting.spec.objectives]
    surely = any(c and v in _CONFIRMED for c, v in zip(counted, w.verdicts, strict=True))
    return surely and w.status is not None and w.status.severity is Severity.P1


def _giving_back(setting: Setting, w: World, commands: tuple[Command, ...], command: Retarget) -> Iterator[str]:
    assert w.status is not None
    action = next(a for a in w.status.actions if a.id == command.action_id)
    if command.undo:
        given_up = any(isinstance(c, Judge) and c.action_id == action.id for c in commands)
        is_of_no_use = action.phase is ActionPhase.APPLIED and (action.share < 100 or not w.is_ready)
        if w.status.closing is None and _makes_room(w, action):
            yield from _a_step(setting, w, action.model_copy(update={"phase": ActionPhase.INTENDED, "id": ""}))
        elif changes_answers(action.kind) and w.status.closing is None and not (given_up and is_of_no_use):
            yield f"{action.kind} is undone while the incident goes on"
        return
    if command.given_back == 0:
        if not any(isinstance(c, AbandonRemedy) for c in commands):
            yield "traffic is taken again without a reason"
        return
    if w.status.remediating_since is None:
        yield "traffic is given back, and nothing proves the fix"
    if w.rollout != "InForce" and not _release_is_asked(w) and action.given_back == 0:
        yield "users are sent to a fix that does not serve"
    wants_job = w.status.policy is not None and w.status.policy.release.validation is not None
    if wants_job and not _release_is_asked(w) and not _is_validated(setting, w):
        yield "traffic is given back to a fix that its Job has not passed"
    if action.given_back > 0:
        yield from _unproven(setting, w, f"{command.given_back}% of traffic is given back")


def _is_validated(setting: Setting, w: World) -> bool:
    assert w.status is not None
    known, current = w.status.validation, revision_of(setting, w).current
    if known is None or known.outcome != "Passed" or known.ended_at is None or w.status.remediating_since is None:
        return False
    is_fresh = w.status.remediating_since - known.ended_at <= timedelta(hours=1)
    return is_fresh and (
        current is None or known.revision == current.name or any(a.given_back for a in w.status.actions)
    )


def _a_job(setting: Setting, w: World) -> Iterator[str]:
    """What has failed is not asked again of the same revision, and nothing is asked all the time."""
    assert w.status is not None
    known, current = w.status.validation, revision_of(setting, w).current
    if known is not None and known.outcome == "Failed" and current is not None and known.revision == current.name:
        yield "a revision that its Job has failed gets another Job"
    if known is not None and known.outcome == "Pending" and current is not None and known.revision == current.name:
        yield "a second Job is run beside the first"
    if len([at for at in w.status.validations_begun if w.now - at < timedelta(hours=1)]) >= 3:
        yield "a fourth Job is run within an hour"
    since = w.status.remediating_since
    if w.status.remediating_on is ReleaseWhen.GAUGE_RECOVERED and since is not None and w.now - since < TICK:
        yield "a Job is run as soon as a gauge looks well"


def _makes_room(w: World, action: Action) -> bool:
    """Whether it is a switch that was never seen in force, and another fallback could serve."""
    unseen = action.phase is ActionPhase.APPLIED and action.outcome is Outcome.UNKNOWN
    return action.kind is ActionKind.SWITCH_TRAFFIC and unseen and w.is_ready


def _a_skip(w: World, action: Action) -> Iterator[str]:
    """What was never seen in force keeps no other fallback from being tried."""
    assert w.status is not None
    if action.kind is not ActionKind.SWITCH_TRAFFIC or action.reason != Reason.ALREADY_SO:
        return
    switches = [a for a in w.status.actions if a.kind is action.kind and a.phase in ACTIVE]
    if switches and switches[-1].phase is ActionPhase.APPLIED and switches[-1].outcome is not Outcome.PENDING:
        yield "a switch is skipped because of one that was never seen in force"


def _an_end(setting: Setting, w: World, reason: Reason) -> Iterator[str]:
    assert w.status is not None
    if reason is Reason.FIX_PROVEN:
        if w.rollout != "InForce" and w.status.remediated_revision and not _release_is_asked(w):
            yield "the incident ends as fixed by a revision that does not serve"
        yield from _unproven(setting, w, "the incident ends as fixed")
    if reason is Reason.COVERAGE_BACK:
        if w.coverage == "Lost" or any(c.lost for c in w.status.coverage):
            yield "the incident ends as seen again, and it cannot be seen"
        if w.status.objectives or any(changes_answers(a.kind) and a.phase in ACTIVE for a in w.status.actions):
            yield "the incident ends as seen again, and something is breached, or in force"
    if reason is Reason.RECOVERED_BY_ITSELF:
        if not w.status.objectives or any(
            v != "Met" for n, v in zip(setting.names, w.verdicts, strict=True) if _is_part(w, n)
        ):
            yield f"the incident ends by itself on {w.verdicts}"
        current = revision_of(setting, w).current
        for action in w.status.actions:
            gone = action.kind is ActionKind.ROLL_BACK and current and current.name != action.subject
            if changes_answers(action.kind) and action.phase is ActionPhase.IN_FORCE and not gone:
                yield f"the incident ends by itself while {action.kind} is in force"


def _unproven(setting: Setting, w: World, what: str) -> Iterator[str]:
    shown = [_shown(setting, w, name) for name in setting.names if _is_part(w, name)]
    if "Bad" in shown:
        yield f"{what} although it is bad still"
    if not _release_is_asked(w) and (not shown or any(s != "Good" for s in shown)):
        yield f"{what} without proof"


def _shown(setting: Setting, w: World, name: str) -> str:
    i = setting.names.index(name)
    if is_gauge(setting.spec, name):
        return {"Met": "Good", "Inconclusive": "", "Error": ""}.get(w.verdicts[i], "Bad")
    return {"Recovered": "Good", "NotHelped": "Bad"}.get(w.folds[i], "")


def _is_bad_still(setting: Setting, w: World) -> bool:
    return any(_shown(setting, w, name) == "Bad" for name in setting.names if _is_part(w, name))


def _is_part(w: World, name: str) -> bool:
    return w.status is not None and any(o.name == name for o in w.status.objectives)


def _release_is_asked(w: World) -> bool:
    return w.said.release and w.status is not None and ReleaseWhen.PERSON not in w.status.refuted


def _is_in_force(w: World, action_id: str) -> bool:
    return w.status is not None and any(a.id == action_id and a.phase is ActionPhase.IN_FORCE for a in w.status.actions)


def _a_resolution(setting: Setting, w: World) -> Iterator[str]:
    """At the end nothing of what can be given back is left, and no rollback is left half done."""
    assert w.status is not None
    if w.status.closing is not None and w.status.closing.leave:
        return
    normal = fields_of(V2)
    over = (ActionPhase.UNDONE, ActionPhase.SKIPPED, ActionPhase.WOULD_DO)
    for action in w.status.actions:
        if action.phase in over:
            pass
        elif action.kind is not ActionKind.ROLL_BACK:
            yield f"the incident ends, and {action.kind} is {action.phase}"
        elif action.phase is ActionPhase.INTENDED or is_taken_back(action):
            yield "the incident ends in the middle of a rollback"
    for i in range(3, len(PLACES)):
        if w.fields[i] != normal[i] and i not in w.theirs:
            yield f"the incident ends, and {PLACES[i][1]} holds {w.fields[i]}, not {normal[i]} as before"


def broken_by_writing(setting: Setting, before: World, written: Written) -> Iterator[str]:
    """True of every write."""
    if setting.spec.containment.mode is Mode.OBSERVE and written.places:
        yield "something is written in mode Observe"
    for action in before.status.actions if before.status and written.places and not before.status.closing else ():
        since = action.renewed_at or action.intended_at
        is_begun = any(x.landed for x in action.writes) or action.phase is not ActionPhase.INTENDED
        if not is_begun and changes_answers(action.kind) and before.now - since >= TICK:
            yield f"{action.kind} is begun on evidence as old as the time that it has"
    ours = _ever_ours(before)
    for place in written.places:
        if before.fields[place] not in ours.get(place, ()):
            yield f"{PLACES[place][1]}: {before.fields[place]} was somebody's, and is overwritten"
        if written.world.fields[place] in _taken_back(before).get(place, ()):
            continue
        if written.world.fields[place] in (V2.values.get(_FIELD.get(place, "")), V4.values.get(_FIELD.get(place, ""))):
            yield f"{PLACES[place][1]}: a bad revision is written"


def _taken_back(w: World) -> dict[int, set[object]]:
    """What a rollback that could not be carried through puts back: half of it is a revision that nobody has tried."""
    assert w.status is not None
    found: dict[int, set[object]] = {}
    for action in filter(is_taken_back, w.status.actions):
        for x in action.writes:
            found.setdefault(PLACES.index((x.target, x.path)), set()).add(value_of(x.original, HISTORY))
    return found


_FIELD = {0: "model", 1: "prompt"}


def _ever_ours(w: World) -> dict[int, set[object]]:
    """What the places held before, and everything that Firebreak may have put there."""
    assert w.status is not None
    found: dict[int, set[object]] = {}
    for action in w.status.actions:
        for x in action.writes:
            values = (x.original, x.last, x.desired, *x.attempted)
            place = PLACES.index((x.target, x.path))
            found.setdefault(place, set()).update(value_of(v, HISTORY) for v in values)
    return found


def broken_at_rest(
    setting: Setting, w: World, decision: Decision, decide: Callable[[Setting, World], Decision] = decided
) -> Iterator[str]:
    """True whenever nothing is left to decide or to do: what is awaited has a name, a time or a page."""
    status = w.status
    if status is None or status.phase is Phase.RESOLVED:
        return
    looked_for = bool(awaited(status)) or any(
        (a.phase is ActionPhase.INTENDED and not is_out_of_date(status, a, w.now))
        or a.phase is ActionPhase.UNDOING
        or is_taken_back(a)
        for a in status.actions
    )
    rolls_out = status.remediating_since is not None and w.rollout != "InForce"
    elsewhere = w.is_wave and status.held is not None and status.held.reason == Reason.CIRCUIT_BREAKER
    by_fix = is_contained(status) and status.remediating_since is None
    if not (decision.wake_at or status.page or looked_for or rolls_out or by_fix or elsewhere):
        yield f"nothing will ever happen: {status.phase}, {[(a.id, a.phase, a.outcome) for a in status.actions]}"
    for action in status.actions if not status.closing else ():
        is_watched = action.kind is not ActionKind.ROLL_BACK and action.phase is ActionPhase.IN_FORCE
        if is_watched and (changed := drifts_of(w).get(action.id)):
            yield f"{action.kind} counts as in force: {changed}"
    if decision.wake_at and decision.wake_at <= w.now:
        yield f"to be woken at {decision.wake_at:%H:%M}, which is past"
    later = w.now + timedelta(days=2) if decision.wake_at is None else decision.wake_at - timedelta(seconds=1)
    if "ConfirmedAnew" not in w.verdicts and decide(setting, replace(w, now=later)).commands:
        yield f"time passes, and something is to be done before it is woken ({decision.wake_at})"
    wish, word = status.approval, w.said.approval
    is_answered = wish is not None and word is not None and word.request == wish.request
    waits = status.held is not None and status.held.reason == Reason.APPROVAL_REQUIRED
    if wish and waits and not is_answered and not any(a.subject == wish.request for a in status.asked):
        yield f"{wish.request} waits for approval, and nobody was asked"
    if any(c.lost for c in status.coverage) and not status.page:
        yield "it cannot be seen, and nobody is asked"
    confirmed = any(v in _CONFIRMED for n, v in zip(setting.names, as_seen(w).verdicts, strict=True) if _is_part(w, n))
    acts = status.closing or status.remediating_since or is_contained(status) or any(map(_is_under_way, status.actions))
    if confirmed and not acts and not status.page and not decision.wake_at and not elsewhere:
        yield "it is surely bad, nothing is done about it, and nobody is asked"
