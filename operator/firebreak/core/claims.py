"""Do two services claim the same place? Then neither is contained, and both are told.

Asked by app/catalog.py whenever a service's spec has changed.
One lock per place, not per service: whoever wrote first would have its undo overwritten by the other.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from firebreak.api.v1alpha1.aiservice import AIServiceSpec, autoscaler_target, workload_target
from firebreak.api.v1alpha1.references import TargetRef
from firebreak.core.autoscaling import FLOOR_PATHS, REPLICAS_PATH
from firebreak.core.field_paths import FieldPath, PathError, overlaps
from firebreak.core.objectives import ServiceKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A place that a service may write to, and where its spec says so."""

    service: ServiceKey
    place: str
    target: TargetRef
    path: FieldPath
    written: str
    """The path that is written, within `path`."""


def claims_of(service: ServiceKey, spec: AIServiceSpec) -> tuple[Claim, ...]:
    """Every place that the service may write to; a path that cannot be read claims nothing and is reported elsewhere."""
    places: list[tuple[str, TargetRef, str]] = []
    routes = spec.traffic.routes if spec.traffic else ()
    if spec.revision:
        places += [(f"spec.revision.fields[{i}]", f.target, f.path) for i, f in enumerate(spec.revision.fields)]
    if spec.human_review and spec.human_review.workload:
        places.append(("spec.humanReview.workload", workload_target(spec.human_review.workload), REPLICAS_PATH))
    if spec.human_review and spec.human_review.autoscaler:
        scaler = autoscaler_target(spec.human_review.autoscaler)
        places.append(("spec.humanReview.autoscaler", scaler, FLOOR_PATHS[scaler.kind]))
    if spec.human_review and spec.human_review.rate:
        places.append(("spec.humanReview.rate", spec.human_review.rate.target, spec.human_review.rate.path))
    if spec.judge:
        rate = spec.judge.sampling_rate
        places.append(("spec.judge.samplingRate", rate.target, rate.path))
    places += [(f"spec.features[{i}].flag", f.flag.target, f.flag.path) for i, f in enumerate(spec.features)]
    claims = [_claim(service, place, target, path, path) for place, target, path in places]
    for i, route in enumerate(routes):
        target = TargetRef(api_version=route.api_version, kind=route.kind, name=route.name)
        rule = f"$.spec.rules[?@.name=='{route.rule}']"
        weight = f"{rule}.backendRefs[?@.name=='{route.primary.name}'].weight"
        claims.append(_claim(service, f"spec.traffic.routes[{i}]", target, rule, weight))
    return tuple(c for c in claims if c is not None)


def _claim(service: ServiceKey, place: str, target: TargetRef, path: str, written: str) -> Claim | None:
    try:
        return Claim(service=service, place=place, target=target, path=FieldPath.parse(path), written=written)
    except PathError:
        return None


def conflicts(claims: Iterable[Claim]) -> Mapping[ServiceKey, str]:
    """For each service in conflict, the first overlap in words."""
    by_object: dict[tuple[str, TargetRef], list[Claim]] = defaultdict(list)
    for claim in claims:
        by_object[claim.service.namespace, claim.target].append(claim)
    found: dict[ServiceKey, str] = {}
    for held in by_object.values():
        for i, one in enumerate(held):
            for other in held[i + 1 :]:
                if overlaps(one.path, other.path):
                    for mine, theirs in ((one, other), (other, one)):
                        found.setdefault(mine.service, _words(mine, theirs))
    return found


def _words(mine: Claim, theirs: Claim) -> str:
    whose = "the same service" if mine.service == theirs.service else f"AIService {theirs.service.name}"
    return (
        f"{mine.place}: {mine.target.kind} {mine.target.name} {mine.path} is claimed by {whose} too ({theirs.place}); "
        f"let one of them give it up"
    )
