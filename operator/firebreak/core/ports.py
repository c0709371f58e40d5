"""What the application asks of the cluster, as a Protocol and the values that pass through it.

Implemented by adapters/kube; asked by app/actuator.py, app/loop.py and app/catalog.py.
What is expected to happen (someone else changed the field, the object is gone, the API server refuses) is a value;
an exception means that the answer is not known and that one may ask again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, assert_never

from firebreak.api.v1alpha1.quarantine import QuarantineSpec

KubeObject = Mapping[str, Any]
"""An object as the API server holds it; core/field_paths.py is the only place that looks for fields in one."""
JsonValue = str | int | float | bool | None


class ObjectKey(NamedTuple):
    """Which object; `namespace` is empty for a cluster-scoped one."""

    api_version: str
    kind: str
    namespace: str
    name: str


class ClusterError(Exception):
    """The answer is not known: ask again later. The message says what was asked and what came back."""


class ClusterUnavailable(ClusterError):
    """The API server was not reached, did not answer in time, or answered 429 or 5xx."""


class Absent:
    """The field is not there; a value of its own, since null is one too."""

    def __repr__(self) -> str:
        return "Absent"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Absent)

    def __hash__(self) -> int:
        return hash(Absent)


ABSENT = Absent()
Held = JsonValue | Absent
"""What a field holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """The field holds the desired value; `changed` says whether by this write."""

    generation: int
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Someone else has set the field: it holds `actual`, which is neither what was expected nor what is desired."""

    actual: Held


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """The path matches no place, or several, in the object as it is now."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """The object does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The API server said no (403, 422 or an admission policy); asking again changes nothing."""

    code: int
    message: str


WriteResult = Landed | Changed | Unmatched | Missing | Refused


def why_not(result: Changed | Unmatched | Missing | Refused) -> str:
    """Why a write did not happen."""
    match result:
        case Changed(actual=actual):
            return f"someone else has set it to {str(actual)[:120]!r}; it is left as it is"
        case Unmatched(message=message):
            return message
        case Missing():
            return "the object does not exist"
        case Refused(code=code, message=message):
            return f"refused ({code}): {message}"
    assert_never(result)


class Cluster(Protocol):
    """The cluster as Firebreak uses it. Every call has a deadline and raises ClusterUnavailable past it."""

    async def read(self, key: ObjectKey) -> KubeObject | None:
        """The object as it is now, from the API server and not from a cache; None when there is none."""

    async def set_field(
        self, key: ObjectKey, path: str, *, expected: tuple[Held, ...], desired: Held, dry_run: bool = False
    ) -> WriteResult:
        """Set one field by a guarded JSON patch under the field manager `firebreak`.

        Reads, and writes only where the field holds one of `expected`; a desired value that stands already is Landed.
        The patch carries `test`s on the old value and on the neighbours that identify list items, so whatever changed
        between the read and the write makes it fail; it is then read again, a bounded number of times.
        """

    async def disown(self, key: ObjectKey) -> None:
        """Remove Firebreak's entries from metadata.managedFields, so that nobody's later apply conflicts with it."""


class QuarantineGate(Protocol):
    """What keeps a revision that was rolled back from coming back."""

    async def create(self, namespace: str, name: str, spec: QuarantineSpec) -> object:
        """Quarantine a revision; one that is quarantined under this name already stays as it is."""

    async def in_force(self, target: ObjectKey, name: str) -> bool:
        """Whether what the quarantine of this name denies is denied."""
        ...
