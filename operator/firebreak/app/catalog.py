"""What do we know of the cluster, and whose turn does a change call for?

Fed by app/handlers.py (Kopf's events, for speed) and by app/relist.py (our own lists, the truth); read by everyone else.
In memory only, and rebuilt at start. An object that cannot be read as its model is kept as Invalid: nothing is lost,
and its owner can be told.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from firebreak.api.v1alpha1 import (
    KINDS,
    AIIncident,
    AIService,
    ContainmentDrill,
    FirebreakControl,
    Quarantine,
    SamplingRaise,
)
from firebreak.api.v1alpha1.incident import Phase
from firebreak.api.v1alpha1.model import API_VERSION, Resource
from firebreak.api.v1alpha1.references import TargetRef
from firebreak.core.claims import Claim, claims_of, conflicts
from firebreak.core.objectives import ServiceKey
from firebreak.core.ports import KubeObject, ObjectKey

MODELS: Mapping[str, type[Resource]] = {model.__name__: model for model in KINDS}

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalid:
    """An object that its model does not accept; a newer or damaged CRD let it through."""

    key: ObjectKey
    message: str


def key_of(raw: KubeObject) -> ObjectKey:
    """Which object this is."""
    meta = raw["metadata"]
    return ObjectKey(raw["apiVersion"], raw["kind"], meta.get("namespace", ""), meta["name"])


def target_key(namespace: str, target: TargetRef) -> ObjectKey:
    """The object that a service of this namespace means."""
    return ObjectKey(target.api_version, target.kind, namespace, target.name)


class Catalog:
    """Everything known, by key. `touched` is called with each service that a change concerns."""

    def __init__(self, touched: Callable[[ServiceKey], None]) -> None:
        self._touched = touched
        self._versions: dict[ObjectKey, str] = {}
        self._objects: dict[ObjectKey, Resource | Invalid] = {}
        self._targets: dict[ObjectKey, KubeObject] = {}
        self._users: dict[ObjectKey, set[ServiceKey]] = {}
        self._claims: dict[ServiceKey, tuple[Claim, ...]] = {}
        self._incidents: dict[ServiceKey, dict[ObjectKey, AIIncident]] = {}
        self._drills: dict[ServiceKey, dict[ObjectKey, ContainmentDrill]] = {}
        self._asked: set[ObjectKey] = set()
        self._gone: dict[ObjectKey, str] = {}
        """Objects of ours that were deleted, and the version of that; until a later list has shown it too."""
        self.conflicts: Mapping[ServiceKey, str] = {}
        self.listed = False

    # --- what is fed in

    def see(self, raw: KubeObject) -> None:
        """An object as it is now; the same version again is no news."""
        key, version = key_of(raw), raw["metadata"].get("resourceVersion", "")
        if key.api_version != API_VERSION:
            self._see_target(key, raw)
            return
        if not _is_newer(version, self._versions.get(key, self._gone.get(key))):
            return
        self._gone.pop(key, None)
        self._versions[key] = version
        try:
            seen: Resource | Invalid = MODELS[key.kind].model_validate(raw)
        except ValidationError as error:
            seen = Invalid(key=key, message=_words(error))
        self._objects[key] = seen
        self._index(key, seen)

    def forget(self, key: ObjectKey, version: str = "") -> None:
        """An object that is gone, as of `version`.

        The answer to a write of ours, or a list, may still be under way with it as it was before: it is no news then.
        """
        if key.api_version != API_VERSION:
            if self._targets.pop(key, None) is not None:
                self._touch(self._users.get(key, ()))
            return
        last = self._versions.pop(key, "")
        if version or last:
            self._gone[key] = version or last
        gone = self._objects.pop(key, None)
        if gone is not None:
            self._index(key, None, gone)

    def replace_all(self, kind: str, api_version: str, raws: Iterable[KubeObject], version: str) -> int:
        """A whole list as of `version`: what is not on it is gone, unless a watch has shown it later than the list.

        Returns how much of it was news.
        """
        news = 0
        seen: set[ObjectKey] = set()
        for raw in raws:
            raw = {**raw, "kind": kind, "apiVersion": api_version}  # items of a list carry neither
            key = key_of(raw)
            seen.add(key)
            relevant = api_version == API_VERSION or key in self._users
            news += relevant and _is_newer(raw["metadata"].get("resourceVersion", ""), self._version(key))
            self.see(raw)
        held = self._objects if api_version == API_VERSION else self._targets
        for key in [k for k in held if k.kind == kind and k not in seen]:
            if _is_newer(version, self._version(key)):
                news += 1
                self.forget(key, version)
        for key in [k for k, at in self._gone.items() if k.kind == kind and _is_newer(version, at)]:
            del self._gone[key]
        return news

    def _version(self, key: ObjectKey) -> str | None:
        if key.api_version == API_VERSION:
            return self._versions.get(key)
        held = self._targets.get(key)
        return held["metadata"].get("resourceVersion") if held else None

    def _see_target(self, key: ObjectKey, raw: KubeObject) -> None:
        users = self._users.get(key)
        if users is None:
            return  # nobody's target: not kept
        if _is_newer(raw["metadata"].get("resourceVersion", ""), self._version(key)):
            self._targets[key] = raw
            self._touch(users)

    def _index(self, key: ObjectKey, seen: Resource | Invalid | None, gone: Resource | Invalid | None = None) -> None:
        match key.kind:
            case "AIService":
                self._index_service(ServiceKey(key.namespace, key.name), seen)
            case "AIIncident":
                incident = seen if isinstance(seen, AIIncident) else gone
                if isinstance(incident, AIIncident):
                    owner = ServiceKey(key.namespace, incident.spec.service)
                    held = self._incidents.setdefault(owner, {})
                    if isinstance(seen, AIIncident):
                        held[key] = seen
                    else:
                        held.pop(key, None)
                    self._touched(owner)
            case "SamplingRaise":
                raised = seen if isinstance(seen, SamplingRaise) else gone
                if isinstance(raised, SamplingRaise):
                    self._touched(ServiceKey(key.namespace, raised.spec.service))
            case "ContainmentDrill":
                drill = seen if isinstance(seen, ContainmentDrill) else gone
                if isinstance(drill, ContainmentDrill):
                    rehearsed = ServiceKey(key.namespace, drill.spec.service)
                    held_drills = self._drills.setdefault(rehearsed, {})
                    if isinstance(seen, ContainmentDrill):
                        held_drills[key] = seen
                    else:
                        held_drills.pop(key, None)
                    self._touched(rehearsed)
            case "Quarantine":
                subject = seen if isinstance(seen, Quarantine) else gone
                if isinstance(subject, Quarantine):
                    self._touched(ServiceKey(key.namespace, subject.spec.service))
            case _:
                self._touch(self.services())

    def _index_service(self, service: ServiceKey, seen: Resource | Invalid | None) -> None:
        for users in self._users.values():
            users.discard(service)
        self._claims.pop(service, None)
        if isinstance(seen, AIService):
            for _, target in seen.spec.targets():
                self._users.setdefault(target_key(service.namespace, target), set()).add(service)
            self._claims[service] = claims_of(service, seen.spec)
        for key in [k for k, users in self._users.items() if not users]:
            del self._users[key]
            self._targets.pop(key, None)
            self._asked.discard(key)
        before = self.conflicts
        self.conflicts = conflicts(claim for held in self._claims.values() for claim in held)
        self._touch({service, *(set(before) ^ set(self.conflicts))})

    def _touch(self, services: Iterable[ServiceKey]) -> None:
        for service in tuple(services):
            self._touched(service)

    # --- what is asked

    def services(self) -> tuple[ServiceKey, ...]:
        """Every AIService, valid or not."""
        return tuple(ServiceKey(k.namespace, k.name) for k in self._objects if k.kind == "AIService")

    def service(self, key: ServiceKey) -> AIService | Invalid | None:
        """An AIService."""
        found = self._objects.get(ObjectKey(API_VERSION, "AIService", key.namespace, key.name))
        return found if isinstance(found, AIService | Invalid) else None

    def incidents(self, key: ServiceKey) -> tuple[AIIncident, ...]:
        """The service's incidents, oldest first."""
        held = self._incidents.get(key, {}).values()
        return tuple(
            sorted(
                held,
                key=lambda i: (i.metadata.creation_timestamp is None, i.metadata.creation_timestamp, i.metadata.name),
            )
        )

    def services_with_open_incidents(self) -> tuple[ServiceKey, ...]:
        """Also services that are gone while an incident of theirs is open."""
        return tuple(
            key
            for key, held in self._incidents.items()
            if any(i.status.phase is not Phase.RESOLVED for i in held.values())
        )

    def services_with_raises(self) -> tuple[ServiceKey, ...]:
        """Also services that are gone while their judge's sampling rate is raised."""
        return tuple(ServiceKey(r.metadata.namespace, r.spec.service) for r in self.all(SamplingRaise))

    def drills(self, key: ServiceKey) -> tuple[ContainmentDrill, ...]:
        """The drills of a service, by name."""
        held = self._drills.get(key)
        return tuple(sorted(held.values(), key=lambda d: d.metadata.name)) if held else ()

    def services_with_drills(self) -> tuple[ServiceKey, ...]:
        """Also services that are gone while a drill of theirs is there."""
        return tuple(key for key, held in self._drills.items() if held)

    def open_incidents(self) -> tuple[AIIncident, ...]:
        """Every incident that is not over."""
        return tuple(i for i in self.all(AIIncident) if i.status.phase is not Phase.RESOLVED)

    def quarantines(self, key: ServiceKey) -> tuple[Quarantine, ...]:
        """The service's quarantines."""
        return tuple(
            q for q in self.all(Quarantine) if q.metadata.namespace == key.namespace and q.spec.service == key.name
        )

    def get(self, model: type[R], namespace: str, name: str) -> R | Invalid | None:
        """An object by kind and name; the namespace of a cluster-scoped one is empty."""
        found = self._objects.get(ObjectKey(API_VERSION, model.__name__, namespace, name))
        return found if isinstance(found, model | Invalid) else None

    def all(self, model: type[R]) -> tuple[R, ...]:
        """All valid objects of a kind."""
        return tuple(o for k, o in self._objects.items() if k.kind == model.__name__ and isinstance(o, model))

    def target(self, key: ObjectKey) -> KubeObject | None:
        """The last known state of a place that some service may write to."""
        return self._targets.get(key)

    def keep_target(self, key: ObjectKey, raw: KubeObject | None) -> None:
        """What a direct read has shown; no turn is called for."""
        if raw is None:
            self._targets.pop(key, None)
        elif key in self._users:
            self._targets[key] = raw

    def first_asked(self, key: ObjectKey) -> bool:
        """Whether nobody has read this target directly yet; from then on the watch tells of it."""
        if key in self._asked:
            return False
        self._asked.add(key)
        return True

    def claims(self, key: ServiceKey) -> tuple[Claim, ...]:
        """The places that a service may write to."""
        return self._claims.get(key, ())

    @property
    def paused(self) -> str | None:
        """Why the whole installation is paused; None when it is not."""
        control = self.get(FirebreakControl, "", "firebreak")
        if isinstance(control, FirebreakControl) and control.spec.paused:
            return control.spec.reason or "FirebreakControl firebreak has spec.paused: true"
        return None


def _is_newer(version: str, known: str | None) -> bool:
    """Whether `version` is later. Resource versions of one API server are ordered numbers (KEP-5504)."""
    if known is None or not version.isdigit() or not known.isdigit():
        return version != known
    return int(version) > int(known)


def _words(error: ValidationError) -> str:
    first: Any = error.errors()[0]
    return f"{'.'.join(str(p) for p in first['loc'])}: {first['msg']}"
