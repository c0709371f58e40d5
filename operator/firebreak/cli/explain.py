"""What does one read about an incident at three in the morning? Pure: the record in, something to print out.

Top to bottom in the order of the questions: what is it, what is wanted of me, what is wrong, what changed, what was done
and did it help, what comes next, and what happened when.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from firebreak.api.conditions import ConditionType
from firebreak.api.v1alpha1 import AIIncident, AIService, Quarantine
from firebreak.api.v1alpha1.aiservice import ClusteringBasis, Mode
from firebreak.api.v1alpha1.incident import ActionPhase, AIIncidentStatus, Outcome, Phase
from firebreak.api.v1alpha1.model import ConditionStatus
from firebreak.api.v1alpha1.policy import ActionKind, Release, ReleaseWhen
from firebreak.api.v1alpha1.quantities import format_duration
from firebreak.cli.actions import what_was_done
from firebreak.cli.show import ago, clock, coloured, grid, lasted, when
from firebreak.core.approval import is_given
from firebreak.core.commands import Reason
from firebreak.core.ladder import next_step
from firebreak.core.opening import DETECTOR, OPENED_BY
from firebreak.core.paging import is_acknowledged
from firebreak.core.proof import active
from firebreak.core.release import release_of


def explanation(
    incident: AIIncident, service: AIService | None, quarantines: Sequence[Quarantine], now: datetime
) -> RenderableType:
    """Everything about one incident, in words."""
    parts: list[RenderableType] = [_head(incident), Padding(_facts(incident, now), (0, 0, 0, 2))]
    for title, body in (
        ("Asked of you", _asked(incident, service)),
        ("What is wrong", (*_wrong(incident, now), *_weighed(incident, service))),
        ("What changed", _suspects(incident)),
        ("What was done" if incident.status.mode is Mode.ENFORCE else "What would be done", what_was_done(incident)),
        ("Kept from coming back", _quarantines(incident, quarantines)),
        ("What comes next", _next(incident, service)),
        ("Timeline", _timeline(incident)),
    ):
        lines = list(body)
        if lines:
            parts += [Text(), Text(title, style="bold"), *(Padding(line, (0, 0, 0, 2)) for line in lines)]
    return Group(*parts)


def _head(incident: AIIncident) -> Text:
    status, meta = incident.status, incident.metadata
    severity = incident.spec.severity or status.severity or ""
    return Text.assemble(
        (f"{meta.namespace}/{meta.name}", "bold"),
        f"  {severity} {status.category or incident.spec.category or ''}  ",
        coloured(status.phase),
        f"  mode {status.mode}" if status.detected_at else "",
    )


def _facts(incident: AIIncident, now: datetime) -> Table:
    status = incident.status
    facts = grid(2)
    served = f", revision {status.revision} when it was opened" if status.revision else ""
    facts.add_row("service", f"{incident.spec.service}{served}")
    by_detector = incident.metadata.labels.get(OPENED_BY) == DETECTOR
    facts.add_row("found by", "a detector" if by_detector else "a person")
    if incident.spec.description:
        facts.add_row("said", incident.spec.description)
    if status.onset:
        before = f", {lasted(status.onset, status.detected_at)} before it was detected" if status.detected_at else ""
        facts.add_row("onset", f"{when(status.onset)}{_between(status)}{before}")
    if status.detected_at:
        facts.add_row("detected", f"{when(status.detected_at)}, {ago(status.detected_at, now)} ago")
    else:
        facts.add_row("detected", "the operator has not taken it up yet; is it running, and does it lead?")
    if status.contained_at:
        facts.add_row(
            "contained",
            f"{when(status.contained_at)}, {lasted(status.detected_at, status.contained_at)} after it was detected",
        )
    elif status.resolved_at is None and status.detected_at:
        facts.add_row("contained", "not yet")
    if status.resolved_at:
        facts.add_row(
            "resolved",
            f"{when(status.resolved_at)}, {lasted(status.detected_at, status.resolved_at)} after it was detected",
        )
    touched = []
    seen = status.exposure
    if seen.bad_answers is not None:
        among = f" of {seen.answers}" if seen.answers is not None else ""
        known = seen.bad_answers_low is not None and seen.bad_answers_high is not None
        between = f" ({seen.bad_answers_low} to {seen.bad_answers_high})" if known else ""
        touched.append(f"about {seen.bad_answers}{between} bad answers served{among}")
    if seen.segments:
        share = f" ({seen.affected_share} of what was judged)" if seen.affected_share else ""
        touched.append(f"worst in {', '.join(seen.segments)}{share}")
    if seen.unaffected_segments:
        touched.append(f"well in {', '.join(seen.unaffected_segments)}")
    if touched:
        facts.add_row("exposure", "; ".join(touched))
    return facts


def _between(status: AIIncidentStatus) -> str:
    first = next((o for o in status.objectives if o.onset == status.onset), None)
    if first is None or first.onset_earliest is None or first.onset_latest is None:
        return ""
    return f" (between {clock(first.onset_earliest)} and {clock(first.onset_latest)})"


def _asked(incident: AIIncident, service: AIService | None) -> Iterable[RenderableType]:
    page, meta = incident.status.page, incident.metadata
    if page is not None:
        often = f", said {page.times} times" if page.times > 1 else ""
        yield Text.assemble((page.reason, "bold red"), f": {page.message}")
        number = f"page {page.number}, " if page.number else ""
        yield Text(f"{number}since {clock(page.since)}{often}", style="dim")
        if not is_acknowledged(incident, page):
            which = f" --page {page.number}" if page.number else ""
            verb = f"kubectl firebreak ack {meta.name} -n {meta.namespace}{which}"
            yield Text(f"{verb}   (you have it: no longer repeated)")
    held = incident.status.held
    if held is not None and (page is None or page.message != held.message):
        yield Text.assemble((held.reason, "bold yellow"), f": {held.message}")
        yield Text(f"held since {clock(held.since)}", style="dim")
    if service is None and incident.status.phase is not Phase.RESOLVED:
        yield Text(f"AIService {incident.spec.service} does not exist any more")
    if service is not None and incident.status.phase is not Phase.RESOLVED:
        for condition in service.status.conditions:
            wrong = condition.status is ConditionStatus.FALSE
            if wrong and condition.type in (ConditionType.CONTAINMENT_READY, ConditionType.INDICATOR_HEALTHY):
                yield Text(f"{condition.type} is False ({condition.reason}): {condition.message}")


def _wrong(incident: AIIncident, now: datetime) -> Iterable[RenderableType]:
    told = grid(4)
    for o in incident.status.objectives:
        state = Text(o.tier, style="red") if o.breached else Text("met again", style="green")
        since = (
            f"since {clock(o.onset)}"
            if o.breached and o.onset
            else f"since {clock(o.cleared_at)}"
            if o.cleared_at
            else ""
        )
        told.add_row(o.name, state, since, o.because)
    for c in incident.status.coverage:
        state = Text("not seen", style="red") if c.lost else Text("judged again", style="green")
        since = f"since {clock(c.lost_since if c.lost else c.back_at or c.lost_since)}"
        told.add_row(c.name, state, since, c.because)
    if incident.status.objectives or incident.status.coverage:
        yield told


def _weighed(incident: AIIncident, service: AIService | None) -> Iterable[RenderableType]:
    """How far what is counted is discounted, since failures cluster."""
    names = {o.name for o in incident.status.objectives}
    for told in service.status.objectives if service else ():
        weight = told.clustering
        if weight is None or told.name not in names:
            continue
        if weight.basis is ClusteringBasis.MEASURED:
            rests = f"measured on {weight.healthy} of healthy history"
        else:
            rests = f"assumed: {weight.healthy or '0s'} of {weight.needed} of healthy history"
        yield Text(f"{told.name} is discounted for clustered failures by G {weight.value} ({rests})", style="dim")


def _suspects(incident: AIIncident) -> Iterable[RenderableType]:
    told = grid(4)
    for s in incident.status.suspects:
        told.add_row(s.field, f"{s.before or 'nothing'} → {s.after or 'nothing'}", f"at {clock(s.changed_at)}", s.note)
    if incident.status.suspects:
        yield told
    elif incident.status.detected_at:
        yield Text("nothing that differs from a revision proven good: look at data, traffic and the provider")


def _quarantines(incident: AIIncident, quarantines: Sequence[Quarantine]) -> Iterable[RenderableType]:
    for q in quarantines:
        fields = ", ".join(d.name for d in q.spec.denied)
        yield Text(
            f"revision {q.spec.revision} ({fields}): writing it back is denied; a new revision lifts that by itself"
        )
        yield Text(f"kubectl delete quarantine {q.metadata.name} -n {incident.metadata.namespace}   (lifts it now)")
    for entry in incident.status.timeline:
        if entry.reason == Reason.NOT_DENIABLE:
            yield Text(entry.message, style="yellow")


def _next(incident: AIIncident, service: AIService | None) -> Iterable[RenderableType]:
    status, meta = incident.status, incident.metadata
    verb, where = "kubectl firebreak", f"{meta.name} -n {meta.namespace}"
    if status.phase is Phase.RESOLVED or status.detected_at is None:
        return
    if status.closing is not None:
        yield Text(
            f"it is ending ({status.closing.reason}: {status.closing.message}); what can be given back is being given back"
        )
        return
    release = release_of(status)
    if status.remediating_since is not None:
        about = f"revision {status.remediated_revision}" if status.remediated_revision else "the repair"
        shares = " → ".join(f"{p}%" for p in release.ramp)
        switch = active(status, ActionKind.SWITCH_TRAFFIC)
        ramp = f" at each of {shares} of traffic" if switch else ""
        yield Text(
            f"{about} is being proven since {clock(status.remediating_since)}: {format_duration(release.stable_for)}{ramp}"
        )
        return
    wish = status.approval
    if wish is not None and not is_given(incident):
        yield Text(f"{verb} approve {where} --request {wish.request}   ({wish.would or wish.step}, which would set)")
        for change in wish.changes:
            yield Padding(Text(change), (0, 0, 0, 2))
    elif wish is not None and incident.spec.approval is not None:
        yield Text(f"{wish.would or wish.step} is approved by {incident.spec.approval.by} ({wish.request})")
    upcoming = next_step(status)
    pending = [
        a
        for a in status.actions
        if a.outcome is Outcome.PENDING
        and a.phase in (ActionPhase.INTENDED, ActionPhase.APPLIED, ActionPhase.IN_FORCE)
        and a.kind is not ActionKind.RAISE_HUMAN_REVIEW
    ]
    if status.phase is not Phase.CONTAINED and upcoming is not None:
        step = upcoming[1]
        about = step.feature or (step.fallback.name or step.fallback.role if step.fallback else "") or ""
        after = f"when {pending[-1].kind} is shown not to help" if pending else f"at evidence {step.evidence}"
        if status.mode is Mode.OBSERVE:
            after += ", in words only: mode is Observe"
        yield Text(f"the next step is {' '.join(filter(None, (str(step.action), about)))}, {after}")
        if status.mode is Mode.ENFORCE and not incident.spec.contain:
            yield Text(f"{verb} contain {where}   (take it on your word)")
    if any(a.phase is ActionPhase.IN_FORCE for a in status.actions):
        yield Text(_given_back_when(release))
        yield Text(f"{verb} release {where}   (give back now, without waiting for that)")
        if any(a.kind is ActionKind.ROLL_BACK and a.phase is ActionPhase.IN_FORCE for a in status.actions):
            yield Text(f"{verb} resolve --as KnownGoodAccepted {where}   (stay on the known-good revision)")
    yield Text(f"{verb} resolve --as FalseAlarm {where}   (it was none: what can be given back is given back)")


def _given_back_when(release: Release) -> str:
    steady = format_duration(release.stable_for)
    match release.when:
        case ReleaseWhen.NEW_REVISION:
            return f"control is given back when a new revision is deployed and holds for {steady}: deploy the fix"
        case ReleaseWhen.GAUGE_RECOVERED:
            return (
                f"control is given back when the breached gauges are within their limits for {steady}: repair the cause"
            )
        case ReleaseWhen.PERSON:
            return "control is given back when a person says so"


def _timeline(incident: AIIncident) -> Iterable[RenderableType]:
    told = grid(3)
    day = None
    for entry in incident.status.timeline:
        shown = clock(entry.at) if entry.at.date() == day else when(entry.at)
        day = entry.at.date()
        told.add_row(Text(shown, justify="right"), entry.reason, entry.message)
    if incident.status.timeline:
        yield told
