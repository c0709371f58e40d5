"""Which values must not come back, and when may they again?

Asked by app/actuator.py before a rollback, and by app/loop.py in each turn.
Only fields that differ from the known-good revision are denied; the quarantine is lifted as soon as one of them moves to
a value that is neither the bad nor the known-good one: that is a new revision, to be judged as such.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from firebreak.api.v1alpha1 import AIIncident, AIService, Quarantine
from firebreak.api.v1alpha1.aiservice import Revision, RevisionField
from firebreak.api.v1alpha1.incident import Action
from firebreak.api.v1alpha1.quarantine import LONGEST, DeniedField, QuarantineSpec
from firebreak.core.field_writes import value_of
from firebreak.core.revision import Snapshot, digest_of
from firebreak.core.steps import in_words

_CONTAINER = re.compile(r"\.containers\[\?@\.name=='([^']+)'\]\.image$")
_ENV = re.compile(r"\.containers\[\?@\.name=='([^']+)'\]\.env\[\?@\.name=='([^']+)'\]\.value$")
_VOLUME = re.compile(r"\.volumes\[\?@\.name=='([^']+)'\]\.configMap\.name$")
NEVER_DEPLOYED = "firebreak-drill"
"""The revision of a drill's quarantine: none that serves has this name."""
_KEY = re.compile(r"^\$\.data(?:\.([A-Za-z_][A-Za-z0-9_-]*)|\['([^']+)'\])$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Whether a bad revision would be kept from coming back, and why; `is_in_force` is None when nobody can tell."""

    is_in_force: bool | None
    because: str


def quarantine_of(
    incident: AIIncident, service: AIService | None, action: Action, history: tuple[Snapshot, ...]
) -> QuarantineSpec | None:
    """The quarantine that belongs to a rollback; None when no field of it is of a kind that can be denied."""
    good = next((s for s in history if s.name == action.subject), None)
    if service is None or service.spec.revision is None or good is None:
        return None
    bad = _taken_out(service.spec.revision, action, good, history)
    if bad is None:
        return None
    denied = []
    for field in service.spec.revision.fields:
        value = bad.values.get(field.name)
        if value is None or value == good.values.get(field.name):
            continue
        if (one := _denied(field, str(value))) is not None:
            denied.append(one)
    if not denied:
        return None
    return QuarantineSpec(
        service=incident.spec.service,
        incident=incident.metadata.name,
        revision=bad.name,
        reason=action.because,
        denied=tuple(denied),
    )


def not_kept_out(
    service: AIService | None, action: Action, history: tuple[Snapshot, ...], wanted: QuarantineSpec | None
) -> str:
    """What of the revision that a rollback takes out nothing keeps from coming back; empty where all of it is denied."""
    declared = service.spec.revision.fields if service is not None and service.spec.revision else ()
    replaced = {(w.target, w.path): value_of(w.original, history) for w in action.writes}
    denied = {d.name for d in wanted.denied} if wanted else set()
    open_ = [f for f in declared if (f.target, f.path) in replaced and f.name not in denied]
    if wanted is not None and not open_:
        return ""
    what = f"{in_words(action)} goes ahead, and nothing keeps what it takes out from coming back"
    if wanted is not None:
        what = f"{in_words(action)}: part of what it takes out may come back"
    cannot = [f"{f.name} ({f.target.kind} {f.target.name} {f.path})" for f in open_]
    why = f"no policy can deny {', '.join(cannot)}" if cannot else "nothing of it is known that could be denied"
    if all(_denied(f, str(replaced[f.target, f.path])) is not None for f in open_) and wanted is None:
        why = "what served before is no revision that is known whole"
    return f"{what}: {why}; take it back where it is deployed from too, such as in Git, or it is undone there"[:1024]


def never_deployed(service: AIService, drill: str) -> QuarantineSpec | None:
    """A quarantine of values that nobody deploys: by it a drill sees whether a real one would be in force."""
    fields = service.spec.revision.fields if service.spec.revision else ()
    value = "firebreak.dev/drill: nobody deploys this value"
    denied = tuple(one for field in fields if (one := _denied(field, value)) is not None)
    if not denied:
        return None
    return QuarantineSpec(
        service=service.metadata.name,
        incident=drill,
        revision=NEVER_DEPLOYED,
        reason=f"ContainmentDrill {drill} looks whether quarantines are in force; it keeps nothing out",
        denied=denied,
    )


def _denied(field: RevisionField, value: str) -> DeniedField | None:
    place = _place(field)
    if not place or len(value) > LONGEST:
        return None
    return DeniedField.model_validate({"name": field.name, "target": field.target, "value": value} | place)


def is_deniable(field: RevisionField) -> bool:
    """Whether the chart's policies can deny a value there."""
    return bool(_place(field))


def _place(field: RevisionField) -> dict[str, str]:
    """Where in its object a field is, as the chart's policies look for it; empty where they cannot."""
    if field.target.kind == "ConfigMap":
        key = _KEY.search(field.path)
        return {"key": key[1] or key[2]} if key else {}
    if found := _CONTAINER.search(field.path):
        return {"container": found[1]}
    if found := _ENV.search(field.path):
        return {"container": found[1], "env": found[2]}
    if found := _VOLUME.search(field.path):
        return {"volume": found[1]}
    return {}


def _taken_out(declared: Revision, action: Action, good: Snapshot, history: tuple[Snapshot, ...]) -> Snapshot | None:
    """The revision that the rollback takes out: what it replaces, which may have come after the incident was opened."""
    replaced = {(w.target, w.path): value_of(w.original, history) for w in action.writes}
    values = dict(good.values)
    for field in declared.fields:
        value = replaced.get((field.target, field.path))
        if isinstance(value, str | int):
            values[field.name] = value
    return next((s for s in history if s.digest == digest_of(values)), None)


def is_to_be_lifted(quarantine: Quarantine, current: Mapping[str, str | int], history: tuple[Snapshot, ...]) -> str:
    """Why the quarantine has done its work; empty while it has not."""
    bad = next((s for s in history if s.name == quarantine.spec.revision), None)
    if bad is None:
        return ""
    proven = [s for s in history if s.known_good_since is not None]
    for denied in quarantine.spec.denied:
        value = current.get(denied.name)
        if value is None or str(value) == denied.value:
            continue
        if any(s.values.get(denied.name) == value and s.first_seen <= bad.first_seen for s in proven):
            continue
        return f"{denied.name} has moved to a new value: this is another revision, and is judged as such"
    return ""
