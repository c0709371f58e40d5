"""A small world around the real `decide`: one service, its incident's record, the fields it may write, and an actuator.

The model checker and the random walks drive it. A world is a value: every step makes a new one.
The actuator does what app/actuator.py does, field by field, and can be killed after any write.
Everything that takes time takes a multiple of `TICK`, so that only the ages of what is still awaited tell states apart.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any

from tests.builders import (
    IMAGE_PATH,
    KEY,
    PROMPT,
    PROMPT_PATH,
    REVIEW,
    ROUTE,
    SWITCHES,
    T0,
    V1,
    V2,
    V3,
    V4,
    WORKLOAD,
    a_policy,
    a_recovery,
    a_service,
    a_verdict,
    an_incident,
)

from firebreak.api.v1alpha1 import AIIncident
from firebreak.api.v1alpha1.aiservice import AIServiceSpec, Mode
from firebreak.api.v1alpha1.incident import (
    Action,
    ActionPhase,
    AIIncidentSpec,
    AIIncidentStatus,
    Asked,
    FieldValue,
    FieldWrite,
    Page,
    Phase,
)
from firebreak.api.v1alpha1.policy import ActionKind, ContainmentPolicySpec
from firebreak.api.v1alpha1.references import TargetRef
from firebreak.core import release
from firebreak.core.commands import (
    AskApproval,
    AskPeople,
    BeginValidation,
    Command,
    Decision,
    KeepAsking,
    NoteAcknowledged,
    NoteHold,
    OpenIncident,
    Reason,
)
from firebreak.core.coverage import Coverage
from firebreak.core.deadlines import is_out_of_date
from firebreak.core.decide import decide, is_share_awaited, without_service
from firebreak.core.drift import drift_of, is_drifted
from firebreak.core.field_writes import RESTART_PATH, ours, value_of
from firebreak.core.observations import Effect, Failed, InForce, Waiting
from firebreak.core.ports import ABSENT, Held, KubeObject
from firebreak.core.proof import Question, question
from firebreak.core.record import begun, blocked, landed, recorded, with_action
from firebreak.core.revision import RevisionFacts, Snapshot
from firebreak.core.situation import Hold, PastContainment, Situation
from firebreak.core.steps import is_contained, is_owed, is_taken_back
from firebreak.core.verdict import Finding, RecoveryFinding, RecoveryVerdict, Tier, Verdict

TICK = timedelta(minutes=15)
"""Of this length is everything that a policy of these worlds gives time for, and the time after which pages repeat."""
PATIENCE = release.PATIENCE
"""Ticks after which people are asked about a proof that does not come."""

Place = tuple[TargetRef, str]
_WEIGHT = "$.spec.rules[?@.name=='answers'].backendRefs[?@.name=='{}'].weight"
PRIMARY: Place = (ROUTE, _WEIGHT.format("summarizer"))
SMALL: Place = (ROUTE, _WEIGHT.format("summarizer-small"))
STATIC: Place = (ROUTE, _WEIGHT.format("firebreak-responder"))
IMAGE: Place = (WORKLOAD, IMAGE_PATH)
TEXT: Place = (PROMPT, PROMPT_PATH)
RESTART: Place = (WORKLOAD, RESTART_PATH)
REPLICAS: Place = (REVIEW, "$.spec.replicas")
RATE: Place = (SWITCHES, "$.data['review-rate']")
DATES: Place = (SWITCHES, "$.data['dates']")
PLACES = (IMAGE, TEXT, RESTART, PRIMARY, SMALL, STATIC, REPLICAS, RATE, DATES)
Fields = tuple[Held, ...]
"""What the places hold, in the order of PLACES."""
HISTORY = (V1, V2, V3, V4)


def fields_of(revision: Snapshot) -> Fields:
    """The cluster in good order, with this revision."""
    return (revision.values["model"], revision.values["prompt"], ABSENT, 100, 0, 0, 2, "2%", "true")


_NUMBERS = re.compile(r"[0-9]+")
_PAGES = (AskPeople, KeepAsking, NoteAcknowledged, NoteHold)
_WITH_V2 = fields_of(V2)
_NOTHING_SAID = AIIncidentSpec(service=KEY.name)


Named = tuple[str, str, str, int, tuple[tuple[Place, FieldValue, FieldValue], ...]]
"""Everything that a step would do: its id, kind and subject, and each place with what stands there and what would."""


def named_by(action: Action) -> Named:
    """What this step does."""
    writes = tuple(((x.target, x.path), x.original, x.desired) for x in action.writes)
    return action.id, action.kind, action.subject, action.share, writes


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What stays the same through a whole search."""

    spec: AIServiceSpec = field(default_factory=lambda: a_service().spec)
    policy: ContainmentPolicySpec | None = field(default_factory=a_policy)
    known_good: Snapshot | None = V1
    needs_approval: bool = False
    """Whether the policy wants each step approved, said once more in the tests' own words."""
    freeze_ends: datetime | None = None
    """Until when the policy's freeze lasts, said once more in the tests' own words."""
    has_pager: bool = True
    """Whether somebody acknowledges whatever is asked as soon as it is said."""
    remembers_pages: bool = True
    """Whether the record keeps what people were asked before; without it far fewer worlds are told apart."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(o.name for o in self.spec.objectives)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that may change."""

    now: datetime = T0
    fields: Fields = _WITH_V2
    changed_at: datetime = T0 - timedelta(minutes=10)
    theirs: frozenset[int] = frozenset()
    """The places, by number, that someone else has set since the beginning."""
    said: AIIncidentSpec = _NOTHING_SAID
    is_declared: bool = False
    status: AIIncidentStatus | None = None
    verdicts: tuple[str, ...]
    folds: tuple[str, ...]
    coverage: str = ""
    """Of the first objective: Usual, or Lost since the revision changed; empty while it cannot be said."""
    effect: str = "Waiting"
    rollout: str = "InForce"
    is_ready: bool = True
    job: str = "Waiting"
    """What came of the Job that is to prove the fix."""
    refuses: bool = False
    is_paused: bool = False
    is_wave: bool = False
    """Whether the circuit breaker has tripped."""
    is_gone: bool = False
    mode: Mode = Mode.ENFORCE
    past: tuple[PastContainment, ...] = ()
    named: Named | None = None
    """What was said to whom an approval was asked for last, in the tests' own words."""


_VERDICTS = {
    "Met": (Finding.MET, Tier.NONE),
    "Suspected": (Finding.BREACHED, Tier.SUSPECTED),
    "Confirmed": (Finding.BREACHED, Tier.CONFIRMED),
    "ConfirmedAnew": (Finding.BREACHED, Tier.CONFIRMED),
    "Inconclusive": (Finding.INCONCLUSIVE, Tier.NONE),
    "Error": (Finding.ERROR, Tier.NONE),
}


def verdict_of(name: str, symbol: str, now: datetime) -> Verdict:
    """A verdict by its symbol; what is breached anew began just now."""
    finding, tier = _VERDICTS[symbol]
    return a_verdict(name, finding, tier, since=now if symbol == "ConfirmedAnew" else T0, at=now)


@cache
def _fold_of(name: str, symbol: str) -> RecoveryVerdict:
    return a_recovery(name, RecoveryFinding(symbol))


def _effect_of(symbol: str) -> Effect:
    kinds: dict[str, type[InForce | Waiting | Failed]] = {"InForce": InForce, "Waiting": Waiting, "Failed": Failed}
    return kinds[symbol](because=f"the effect: {symbol}")


@lru_cache(maxsize=4096)
def objects_of(fields: Fields) -> dict[TargetRef, KubeObject | None]:
    """The objects as the API server would hold them."""
    image, text, restart, primary, small, static, replicas, rate, dates = fields
    names = zip(("summarizer", "summarizer-small", "firebreak-responder"), (primary, small, static), strict=True)
    annotations = {} if restart is ABSENT else {"firebreak.dev/restarted-for": restart}
    template = {"metadata": {"annotations": annotations}, "spec": {"containers": [{"name": "server", "image": image}]}}
    rules = [{"name": "answers", "backendRefs": [{"name": n, "port": 80, "weight": w} for n, w in names]}]
    bodies: dict[TargetRef, dict[str, Any]] = {
        WORKLOAD: {"spec": {"template": template}},
        PROMPT: {"data": {"system.txt": text}},
        ROUTE: {"spec": {"rules": rules}},
        REVIEW: {"spec": {"replicas": replicas}},
        SWITCHES: {"data": {"review-rate": rate, "dates": dates}},
    }
    return {
        target: {"apiVersion": target.api_version, "kind": target.kind, "metadata": {"name": target.name}} | body
        for target, body in bodies.items()
    }


def revision_of(setting: Setting, w: World) -> RevisionFacts:
    """What the declared fields hold now, and since when."""
    values = {"model": str(w.fields[0]), "prompt": str(w.fields[1])}
    known = next((s for s in HISTORY if s.values == values), None)
    mixed = f"{values['model'].rpartition(':')[2]}+{values['prompt'].rpartition(' ')[2]}"
    current = known or Snapshot(digest=f"digest-{mixed}", name=mixed, values=values, first_seen=w.changed_at)
    return RevisionFacts(current=current, since=w.changed_at, history=HISTORY, known_good=setting.known_good)


def incident_of(w: World) -> AIIncident | None:
    """The object, or none."""
    if w.status is None and not w.is_declared:
        return None
    made = an_incident(w.status, by="person" if w.is_declared else "detector")
    return made.model_copy(update={"spec": w.said})


def situation_of(setting: Setting, w: World) -> Situation:
    """What app/observe.py would gather."""
    incident = incident_of(w)
    status = w.status or AIIncidentStatus()
    asked = question(status) if incident else None
    spec = setting.spec
    w = as_seen(w)
    if w.mode is not spec.containment.mode:
        spec = spec.model_copy(update={"containment": spec.containment.model_copy(update={"mode": w.mode})})
    effect, ready = _effect_of(w.effect), InForce(because="ready") if w.is_ready else Waiting(because="0 ready")
    return Situation(
        service=KEY,
        spec=spec,
        incident_count=len(w.past),
        policy=setting.policy,
        verdicts={n: verdict_of(n, v, w.now) for n, v in zip(setting.names, w.verdicts, strict=True)},
        recoveries={n: _fold_of(n, f) for n, f in zip(setting.names, w.folds, strict=True)} if asked else {},
        coverage={setting.names[0]: _coverage_of(w)} if w.coverage else {},
        revision=revision_of(setting, w),
        responder="firebreak-responder",
        incident=incident,
        objects=objects_of(w.fields),
        effects={a.id: ready if a.kind == "SwitchTraffic" and not w.is_ready else effect for a in awaited(status)},
        drifts=drifts_of(w),
        rollout=_effect_of(w.rollout),
        validation=_effect_of(w.job) if status.validation else None,
        fallbacks={f.name: ready for f in spec.fallbacks},
        holds=(Hold(reason=Reason.PAUSED, because="the installation is paused"),) if w.is_paused else (),
        breaker=Hold(reason=Reason.CIRCUIT_BREAKER, because="trip 1") if w.is_wave else None,
        past=w.past,
        last_resolved=max((p.ended_at for p in w.past), default=None),
    )


def as_seen(w: World) -> World:
    """Of an objective whose judge has stopped nothing can be said, as app/sampler.py has it."""
    if w.coverage != "Lost":
        return w
    return replace(w, verdicts=("Inconclusive", *w.verdicts[1:]), folds=("Inconclusive", *w.folds[1:]))


def _coverage_of(w: World) -> Coverage:
    is_lost = w.coverage == "Lost"
    return Coverage(
        judged=0.0 if is_lost else 300.0,
        answers=6000.0,
        usual=0.05,
        known_from=T0 - timedelta(hours=20),
        lost_since=w.changed_at if is_lost else None,
    )


def awaited(status: AIIncidentStatus) -> tuple[Action, ...]:
    """The actions whose effect is looked for."""
    return tuple(
        a
        for a in status.actions
        if a.phase is ActionPhase.APPLIED or is_drifted(a) or (is_share_awaited(a) and all(x.landed for x in a.writes))
    )


def drifts_of(w: World) -> dict[str, str]:
    """What others have changed of what is in force."""
    found = {a.id: drift_of(a, objects_of(w.fields), HISTORY) for a in w.status.actions} if w.status else {}
    return {name: words for name, words in found.items() if words}


def decided(setting: Setting, w: World) -> Decision:
    """What the real `decide` says."""
    if w.is_gone:
        incident = incident_of(w)
        return without_service(incident, w.now) if incident else Decision()
    return decide(situation_of(setting, w), w.now)


def with_commands(setting: Setting, w: World, commands: tuple[Command, ...]) -> World:
    """Recorded in one write, as app/loop.py does it."""
    status = w.status
    for command in commands:
        if isinstance(command, OpenIncident):
            revision = revision_of(setting, w).current
            ref = setting.spec.containment.policy
            status = begun(command, setting.policy, ref, w.mode, revision.name if revision else "", w.now)
        else:
            status = status or AIIncidentStatus(detected_at=w.now)
            status = recorded(status, command, w.now)
        if isinstance(command, BeginValidation):
            w = replace(w, job="Waiting")
    assert status is not None, "an incident is opened before anything else"
    asked, said = status.asked, w.said
    if setting.has_pager and status.pages > said.acknowledged_up_to:
        said = said.model_copy(update={"acknowledged_up_to": status.pages})
    if not setting.remembers_pages and (status.page is None or not all(isinstance(c, _PAGES) for c in commands)):
        # While nothing else happens it stays, or of two things at once each would make the other be forgotten.
        shown = (status.page.reason, status.page.subject) if status.page else None
        asked = tuple(a for a in asked if (a.reason, a.subject) == shown)
    status = status.model_copy(update={"mode": w.mode, "timeline": (), "asked": asked})
    asks = [named_by(c.action) for c in commands if isinstance(c, AskApproval)]
    return with_status(replace(w, said=said, named=asks[-1] if asks else w.named), status)


def with_status(w: World, status: AIIncidentStatus) -> World:
    """A fold that answers another question begins afresh; so does an effect that is awaited anew."""
    before = question(w.status) if w.status else None
    is_same = before == question(status)
    folds = w.folds if is_same else ("Inconclusive",) * len(w.folds)
    waits = {a.id for a in awaited(w.status)} if w.status else set()
    effect = w.effect if {a.id for a in awaited(status)} <= waits else "Waiting"
    if not awaited(status):
        effect = "Waiting"
    return replace(w, status=status, folds=folds, effect=effect)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What the actuator did in one go: the world after it, and the places that it set."""

    world: World
    places: tuple[int, ...]
    was_killed: bool


def acted(w: World) -> Iterator[Written]:
    """Every way in which one go of the actuator may end: carried through, or killed after any write before the record."""
    assert w.status is not None
    status, fields, places = w.status, list(w.fields), []
    for action in w.status.actions:
        if is_out_of_date(status, action, w.now):
            continue
        owed = is_owed(action)
        is_undo = action.phase is ActionPhase.UNDOING or is_taken_back(action)
        if not is_undo and action.phase not in (ActionPhase.INTENDED, ActionPhase.APPLIED, ActionPhase.IN_FORCE):
            continue
        if not is_undo and not owed and action.phase is not ActionPhase.INTENDED:
            continue
        writes, why = list(action.writes), ""
        for i, write in enumerate(writes):
            if write.landed or write.left:
                continue
            place = PLACES.index((write.target, write.path))
            held, wanted = fields[place], _value(write.desired)
            may_write = held in [_value(v) for v in ours(write)]
            if held == wanted:
                writes[i] = landed(write)
            elif w.refuses:
                why = f"refused: {write.path}"
            elif may_write:
                fields[place] = wanted
                places.append(place)
                writes[i] = landed(write)
                if w.status.mode is w.mode:
                    yield _written(w, w.status, fields, places, was_killed=True)
            elif is_undo:
                writes[i] = write.model_copy(update={"left": True})
            else:
                why = f"someone else has set {write.path}"
            if why:
                break
        status = with_action(status, _after(action, tuple(writes), why, w.now))
    if status != w.status:
        yield _written(w, status, fields, places, was_killed=False)


def _after(action: Action, writes: tuple[FieldWrite, ...], why: str, now: datetime) -> Action:
    changes: dict[str, Any] = {"writes": writes}
    if why and (action.phase is ActionPhase.UNDOING or is_taken_back(action)):
        changes["message"] = why
    elif why:
        return blocked(action.model_copy(update=changes), why)
    elif action.phase is ActionPhase.UNDOING:
        changes |= {"phase": ActionPhase.UNDONE, "ended_at": now, "message": ""}
    elif action.phase is ActionPhase.INTENDED:
        changes |= {"phase": ActionPhase.APPLIED, "applied_at": now, "message": ""}
    return action.model_copy(update=changes)


def _written(w: World, status: AIIncidentStatus, fields: list[Held], places: list[int], *, was_killed: bool) -> Written:
    moved = any(fields[i] != w.fields[i] for i in (0, 1))
    after = replace(w, fields=tuple(fields), changed_at=w.now if moved else w.changed_at)
    return Written(world=with_status(after, status), places=tuple(places), was_killed=was_killed)


def _value(value: FieldValue) -> Held:
    found = value_of(value, HISTORY)
    assert found is not None, "no snapshot is lost here"
    return found


def set_by_someone(w: World, values: dict[int, Held]) -> World:
    """Someone else sets these places."""
    fields = tuple(values.get(i, held) for i, held in enumerate(w.fields))
    moved = fields[:2] != w.fields[:2]
    return replace(w, fields=fields, theirs=w.theirs | set(values), changed_at=w.now if moved else w.changed_at)


def deployed(w: World, revision: Snapshot) -> World:
    """Someone deploys this revision."""
    return set_by_someone(w, {0: revision.values["model"], 1: revision.values["prompt"]})


def is_over(w: World) -> bool:
    """The incident has ended."""
    return w.status is not None and w.status.phase is Phase.RESOLVED


def asked_about(w: World) -> Question | None:
    """What the folds answer now."""
    return question(w.status) if w.status else None


def is_frozen(setting: Setting, w: World) -> bool:
    """Whether the policy's freeze is in force."""
    return setting.freeze_ends is not None and w.now < setting.freeze_ends


def state_key(setting: Setting, w: World) -> object:
    """What tells two worlds apart as far as anything that can happen from here on is concerned."""

    def age(moment: datetime | None, oldest: int = 1) -> int | None:
        return None if moment is None else min((w.now - moment) // TICK, oldest)

    said = w.said
    return (
        w.fields,
        w.theirs,
        (said.contain, said.acknowledged, said.release, said.resolution, said.severity),
        w.is_declared,
        w.verdicts,
        w.folds if asked_about(w) else (),
        w.coverage,
        w.effect,
        w.rollout,
        w.is_ready,
        w.job if w.status and w.status.validation else "",
        w.refuses,
        w.is_paused,
        w.is_wave,
        w.is_gone,
        w.mode,
        (setting.freeze_ends - w.now) // TICK if setting.freeze_ends and is_frozen(setting, w) else None,
        w.changed_at > T0 + timedelta(seconds=90),
        tuple((w.now - p.at >= timedelta(days=1), age(p.ended_at)) for p in w.past),
        w.named if w.status and w.status.approval else None,
        _record_key(w.status, w.said, age) if w.status else None,
    )


def _record_key(status: AIIncidentStatus, said: AIIncidentSpec, age: Any) -> object:
    under_way = [a for a in status.actions if a.outcome == "Pending"]
    return (
        status.mode,
        status.category,
        status.severity,
        status.ladder,
        status.policy is None,
        status.revision,
        status.remediated_revision,
        status.remediating_on,
        status.failed_revisions,
        status.refuted,
        status.contain_followed,
        _validation_key(status, age),
        age(status.remediating_since, PATIENCE),
        age(_last_news(status), PATIENCE),
        status.onset is None or status.onset > T0,
        (status.closing.reason, age(status.closing.at)) if status.closing else None,
        status.resolved_at is not None,
        (status.page.reason, _subject(status, status.page)) if status.page else None,
        status.acknowledged_up_to is None,
        (status.held.reason, _NUMBERS.sub("#", status.held.message) if status.approval else "")
        if status.held
        else None,
        (
            status.approval.plan,
            status.approval.on_request,
            said.approval is not None and said.approval.request == status.approval.request,
        )
        if status.approval
        else None,
        status.on_delete,
        age(status.orphaned_at),
        frozenset(
            (a.reason, _subject(status, a), is_had(said, status, a.number) or age(a.at))
            for a in status.asked
            if _may_be_so_again(status, a)
        ),
        tuple((o.name, o.tier, o.breached, age(o.cleared_at)) for o in status.objectives),
        tuple((c.name, c.lost, age(c.back_at)) for c in status.coverage),
        tuple(
            (
                a.id,
                a.phase,
                a.outcome,
                a.subject,
                bool(a.message),
                a.given_back,
                a.share,
                age(a.given_back_at, PATIENCE),
                age(max(a.intended_at, a.applied_at or a.intended_at))
                if a in under_way or a.phase is ActionPhase.WOULD_DO
                else None,
                age(a.renewed_at) if a in under_way and a.phase is ActionPhase.INTENDED else None,
                age(a.proven_at),
                age(a.drifted_at),
                (a.unready_looks, age(a.unready_at)),
                tuple((x.path, x.original, x.last, x.desired, x.landed, x.left, x.attempted) for x in a.writes),
            )
            for a in status.actions
        ),
    )


def is_had(said: AIIncidentSpec, status: AIIncidentStatus, number: int) -> bool:
    """Whether a person has this page."""
    return number <= said.acknowledged_up_to or (said.acknowledged and number <= (status.acknowledged_up_to or 0))


def _may_be_so_again(status: AIIncidentStatus, said: Asked) -> bool:
    """What has a number or a moment of its own never comes up twice."""
    match said.reason:
        case Reason.APPROVAL_REQUIRED:
            return status.approval is not None and said.subject == status.approval.request
        case Reason.DRIFTED:
            drifted = (a.drifted_at for a in status.actions if is_drifted(a))
            return any(moment is not None and moment.isoformat() in said.subject for moment in drifted)
        case Reason.VALIDATION_FAILED:
            return status.validation is not None and said.subject == status.validation.job
        case _:
            return True


def _subject(status: AIIncidentStatus, said: Asked | Page) -> str:
    """What it is about; the number or the moment in it tells no two worlds apart."""
    unique = (Reason.APPROVAL_REQUIRED, Reason.DRIFTED, Reason.VALIDATION_FAILED, Reason.SERVICE_GONE)
    if said.reason not in unique:
        return said.subject
    return said.subject.partition(".")[0].partition(" since ")[0].partition("-validate-")[0]


def _validation_key(status: AIIncidentStatus, age: Any) -> object:
    """What is known of the last Job, as far as it may still speak for a fix, and how many may follow."""
    known = status.validation
    if known is None:
        return None
    ended = None
    if known.outcome == "Passed" and known.ended_at is not None:
        since = status.remediating_since
        ended = age(known.ended_at, 5) if since is None else ("before", min((since - known.ended_at) // TICK, 5))
    running = age(known.since) if known.outcome == "Pending" else None
    return known.outcome, known.revision, running, ended, tuple(age(at, 4) for at in status.validations_begun)


def _last_news(status: AIIncidentStatus) -> datetime | None:
    """What patience counts from; as long as a way on is open it does not matter."""
    if is_contained(status) or status.closing or status.remediating_since:
        return None
    moments = (status.detected_at, *(o.cleared_at for o in status.objectives), *(a.proven_at for a in status.actions))
    return max((m for m in moments if m is not None), default=None)


def past_of(w: World) -> tuple[PastContainment, ...]:
    """The ended incident, where it changed what users get, beside those before it."""
    assert w.status is not None
    begun_at = [a.intended_at for a in w.status.actions if a.applied_at and a.kind is not ActionKind.RAISE_HUMAN_REVIEW]
    if not begun_at or w.status.resolved_at is None:
        return w.past
    ended = PastContainment(incident="earlier", at=min(begun_at), ended_at=w.status.resolved_at)
    return (*w.past, ended)
