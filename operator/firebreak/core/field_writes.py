"""Which places does a step set, and to what: the compilers, one per kind of action, and their reverse.

Asked by `decide`; the result is recorded in the incident and carried out by app/actuator.py.
A new kind of action is one more function here and an observer for its effect.
"""

from collections.abc import Iterable

from firebreak.api.v1alpha1.aiservice import Fallback, Feature, HumanReview, Route, autoscaler_target, workload_target
from firebreak.api.v1alpha1.incident import FieldValue, FieldWrite
from firebreak.api.v1alpha1.references import TargetRef
from firebreak.core.autoscaling import FLOOR_PATHS, REPLICAS_PATH, ceiling_of, floor_of, problem_of, scales
from firebreak.core.commands import Reason
from firebreak.core.field_paths import FieldPath, PathError, find
from firebreak.core.ports import ABSENT, Absent, Held, Unmatched
from firebreak.core.revision import Snapshot
from firebreak.core.situation import Situation

RESTART_PATH = "$.spec.template.metadata.annotations['firebreak.dev/restarted-for']"
INLINE_LIMIT = 1024
"""Longer values stand in a snapshot, and the incident refers to it."""


class CannotCompile(Exception):
    """The step cannot be carried out as declared; `because` says what to change."""

    def __init__(self, *, reason: Reason, because: str) -> None:
        super().__init__(because)
        self.reason = reason
        self.because = because


def inline(value: Held) -> FieldValue:
    """A value that stands in the incident itself; absent when the field is."""
    if isinstance(value, Absent) or value is None:
        return FieldValue()
    return FieldValue(value=value if isinstance(value, int) else str(value))


def roll_back(s: Situation, to: Snapshot) -> tuple[FieldWrite, ...]:
    """All fields of the revision that differ from the known-good one, ConfigMaps first: pods that start then read them.

    Where only ConfigMap fields moved, the declared workloads are restarted as well. What marks the restart is this
    incident's alone: an annotation that stands there already would restart nothing.
    """
    assert s.spec.revision is not None
    mark = (s.incident.metadata.uid or s.incident.metadata.name) if s.incident else str(s.incident_count)
    writes, restarts = [], {}
    for field in sorted(s.spec.revision.fields, key=lambda f: f.target.kind != "ConfigMap"):
        if field.name not in to.values:
            raise CannotCompile(
                reason=Reason.CANNOT_COMPILE,
                because=f"revision {to.name} was recorded before field {field.name} was declared",
            )
        held = _held(s, field.target, field.path)
        if held == to.values[field.name]:
            continue
        original = inline(held)
        if isinstance(held, str) and len(held) > INLINE_LIMIT:
            if s.revision.current is None or s.revision.current.values.get(field.name) != held:
                raise CannotCompile(
                    reason=Reason.CANNOT_COMPILE, because=f"{field.target.name} {field.path} is changing just now"
                )
            original = FieldValue(revision=s.revision.current.digest, field=field.name)
        desired = inline(to.values[field.name])
        if isinstance(desired.value, str) and len(desired.value) > INLINE_LIMIT:
            desired = FieldValue(revision=to.digest, field=field.name)
        writes.append(_write(field.target, field.path, original, desired))
        if field.reload:
            restarts[workload_target(field.reload)] = True
    replaced = {w.target for w in writes if w.target.kind != "ConfigMap"}
    for target in restarts:
        if target not in replaced:
            held = _held(s, target, RESTART_PATH)
            writes.append(_write(target, RESTART_PATH, inline(held), inline(f"{to.digest}-{mark}")))
    return tuple(writes)


def switch_traffic(
    s: Situation, fallback: Fallback, share: int = 100, *, without: Iterable[FieldWrite] = ()
) -> tuple[FieldWrite, ...]:
    """Every route's rule: the primary's weight to 0, the fallback's to what the primary had; a share as percentages.

    `without`: the writes of a switch that is given back first, taken as if it were already.
    """
    assert s.spec.traffic is not None
    writes = []
    before = {(w.target, w.path): ABSENT if w.original.value is None else w.original.value for w in without}

    def held(target: TargetRef, path: str) -> Held:
        found = _held(s, target, path)
        return before.get((target, path), found)

    for route in s.spec.traffic.routes:
        target = route_target(route)
        primary, other = _weight_path(route, route.primary.name), _weight_path(route, backend_name(s, fallback))
        primary_held, other_held = held(target, primary), held(target, other)
        weight = 1 if isinstance(primary_held, Absent) else primary_held
        if not isinstance(weight, int) or weight == 0:
            raise CannotCompile(
                reason=Reason.ALREADY_SO,
                because=f"HTTPRoute {route.name}, rule {route.rule}: {route.primary.name} has no weight to move",
            )
        if other_held != 0:
            raise CannotCompile(
                reason=Reason.CANNOT_COMPILE,
                because=f"HTTPRoute {route.name}, rule {route.rule}: declare {backend_name(s, fallback)} with weight 0; "
                f"it has {'none, which means 1' if isinstance(other_held, Absent) else other_held}",
            )
        to_fallback, to_primary = (weight, 0) if share >= 100 else (share, 100 - share)
        writes.append(_write(target, other, inline(other_held), inline(to_fallback)))
        writes.append(_write(target, primary, inline(primary_held), inline(to_primary)))
    return tuple(writes)


def raise_human_review(s: Situation, review: HumanReview) -> tuple[FieldWrite, ...]:
    """More reviewers first, then the rate; replicas are never lowered. Where an autoscaler sets them, its floor is raised."""
    writes = []
    if review.workload and review.replicas and review.autoscaler:
        target = autoscaler_target(review.autoscaler)
        scaler = s.objects.get(target)
        if scaler is None or scales(scaler) != review.workload.name:
            because = problem_of(s, review) or f"{target.kind} {target.name} does not exist"
            raise CannotCompile(reason=Reason.CANNOT_COMPILE, because=because)
        # A floor above the maximum is refused: as far as it goes is better than not at all, and a condition tells it.
        floor = min(review.replicas, ceiling_of(scaler))
        if floor > floor_of(scaler):
            path = FLOOR_PATHS[target.kind]
            writes.append(_write(target, path, inline(_held(s, target, path)), inline(floor)))
    elif review.workload and review.replicas:
        target = workload_target(review.workload)
        held = _held(s, target, REPLICAS_PATH)
        now = held if isinstance(held, int) else 1
        if review.replicas > now:
            writes.append(_write(target, REPLICAS_PATH, inline(held), inline(review.replicas)))
    if review.rate:
        held = _held(s, review.rate.target, review.rate.path)
        if held != review.rate.value:
            writes.append(_write(review.rate.target, review.rate.path, inline(held), inline(review.rate.value)))
    return tuple(writes)


def disable_feature(s: Situation, feature: Feature) -> tuple[FieldWrite, ...]:
    """The flag to its disabled value."""
    held = _held(s, feature.flag.target, feature.flag.path)
    if held == feature.flag.disabled_value:
        return ()
    return (_write(feature.flag.target, feature.flag.path, inline(held), inline(feature.flag.disabled_value)),)


def given_back(writes: Iterable[FieldWrite], percent: int) -> tuple[FieldWrite, ...]:
    """The writes of a SwitchTraffic with `percent` of the traffic back on the primary; 0 is contained, 100 all undone.

    Between the two, weights are written as percentages: the primary's (contained: 0) gets the share, the fallback's
    the rest.
    """
    if percent >= 100:
        return undone(writes)
    if percent == 0:
        raise ValueError("contained weights stand in the action as it was taken; see contained_again")
    return tuple(_towards(w, inline(percent if is_primary(w) else 100 - percent)) for w in writes)


def contained_again(writes: Iterable[FieldWrite], share: int = 100) -> tuple[FieldWrite, ...]:
    """The writes of a SwitchTraffic with this share of the traffic on the fallback (again)."""
    return tuple(_towards(w, inline(100 - share if is_primary(w) else share)) for w in writes)


def undone(writes: Iterable[FieldWrite]) -> tuple[FieldWrite, ...]:
    """The writes that put back what stood there before, last write first."""
    return tuple(_towards(w, w.original) for w in reversed(tuple(writes)))


def is_primary(write: FieldWrite) -> bool:
    """Of a switch: the fallback is declared with weight 0, the primary never is (absent means 1)."""
    return write.original.value != 0


def _towards(write: FieldWrite, desired: FieldValue) -> FieldWrite:
    """What is owed and was perhaps written just before a crash stays known as ours, or its undo would spare it."""
    if desired == write.desired:
        return write
    owed = () if write.landed else (write.desired,)
    attempted = tuple(dict.fromkeys((*write.attempted, *owed)))[-16:]
    return write.model_copy(update={"desired": desired, "landed": False, "attempted": attempted})


def ours(write: FieldWrite) -> tuple[FieldValue, ...]:
    """What may stand there without anybody else having changed it: only this may be overwritten."""
    return (write.last, *write.attempted)


def route_target(route: Route) -> TargetRef:
    """The route as a place to write to."""
    return TargetRef(api_version=route.api_version, kind=route.kind, name=route.name)


def backend_name(s: Situation, fallback: Fallback) -> str:
    """The Service that a route names for this fallback."""
    return fallback.backend.name if fallback.backend else s.responder


def _weight_path(route: Route, backend: str) -> str:
    return f"$.spec.rules[?@.name=='{route.rule}'].backendRefs[?@.name=='{backend}'].weight"


def _held(s: Situation, target: TargetRef, path: str) -> Held:
    live = s.objects.get(target)
    if live is None:
        raise CannotCompile(
            reason=Reason.CANNOT_COMPILE, because=f"{target.kind} {target.name} does not exist in {s.service.namespace}"
        )
    try:
        found = find(live, FieldPath.parse(path))
    except PathError as error:
        raise CannotCompile(reason=Reason.CANNOT_COMPILE, because=str(error)) from error
    if isinstance(found, Unmatched):
        raise CannotCompile(reason=Reason.CANNOT_COMPILE, because=f"{target.kind} {target.name}: {found.message}")
    return found.value


def _write(target: TargetRef, path: str, original: FieldValue, desired: FieldValue) -> FieldWrite:
    return FieldWrite(target=target, path=path, original=original, last=original, desired=desired)


def value_of(value: FieldValue, history: tuple[Snapshot, ...]) -> Held | None:
    """The value itself; None when it stood in a snapshot that no longer exists."""
    if value.revision is None or value.field is None:
        return ABSENT if value.value is None else value.value
    held = next((s for s in history if s.digest == value.revision), None)
    return held.values.get(value.field) if held else None
