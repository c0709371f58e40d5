"""Which revision serves, which one is proven, and what has changed.

Asked by `decide` (may one roll back, and to what?) and by the status.
A revision is the tuple of values that the declared fields hold; it is named by its metric label where one is declared,
else by a digest of the values.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from firebreak.api.v1alpha1.aiservice import KnownGood, Revision
from firebreak.api.v1alpha1.incident import AIIncidentStatus, Suspect
from firebreak.api.v1alpha1.policy import ActionKind

Values = Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A ConfigMap that the revision's workloads named when it was first seen, as it was then."""

    name: str
    data: Mapping[str, str] = field(default_factory=dict)
    binary_data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One revision that has served: its values, and what is known of it."""

    digest: str
    name: str
    values: Values
    first_seen: datetime
    known_good_since: datetime | None = None
    rollbackable: bool = True
    follow: tuple[Followed, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionFacts:
    """What is known of a service's revisions. `current` is None when its fields cannot be read; `problem` says why."""

    current: Snapshot | None = None
    since: datetime | None = None
    left_known_good: datetime | None = None
    """When the known-good revision last stopped serving: `since`, or earlier when others have come and gone between."""
    history: tuple[Snapshot, ...] = ()
    known_good: Snapshot | None = None
    quarantined: frozenset[str] = field(default_factory=frozenset)
    problem: str = ""


def digest_of(values: Values) -> str:
    """Ten hex digits over the values in a fixed order."""
    text = json.dumps(sorted(values.items()), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def name_of(declared: Revision, values: Values) -> str:
    """What the metrics call this revision, else its digest. Raises ValueError for a template that cannot be filled."""
    return label_of(declared.metric_label.format, values) if declared.metric_label else digest_of(values)


def label_of(template: str, values: Values) -> str:
    """Fill `{field}`, `{field|tag}` (after the image's last colon) and `{field|sha8}`; cut to 63 characters."""

    def fill(match: re.Match[str]) -> str:
        name, _, how = match[1].partition("|")
        if name not in values:
            raise ValueError(f"metricLabel.format names {{{name}}}, which is not among revision.fields")
        value = str(values[name])
        match how:
            case "":
                return value
            case "tag":
                return _tag(value)
            case "sha8":
                return hashlib.sha256(value.encode()).hexdigest()[:8]
            case _:
                raise ValueError(f"metricLabel.format: |{how} is neither |tag nor |sha8")

    return re.sub(r"\{([^{}]*)\}", fill, template)[:63]


def _tag(image: str) -> str:
    """The image's tag; of one that is pinned by its digest alone, the first twelve hex digits of that."""
    named, _, pinned = image.rsplit("/", 1)[-1].partition("@")
    return named.partition(":")[2] or pinned.rpartition(":")[2][:12] or "latest"


def named(declared: Revision, history: tuple[Snapshot, ...]) -> tuple[Snapshot, ...]:
    """The snapshots under the names that the declaration gives them now: its format may have changed since."""

    def name(snapshot: Snapshot) -> str:
        try:
            return name_of(declared, snapshot.values)
        except ValueError:
            return snapshot.name

    return tuple(replace(s, name=name(s)) for s in history)


def confused(name: str, values: Values, history: tuple[Snapshot, ...]) -> str:
    """Why a name is no name: the metrics could not tell these values from an earlier revision's. Empty when they can."""
    alike = (s for s in history if s.name == name and s.values.keys() == values.keys())
    for other in alike:
        differ = [f for f in sorted(values) if values[f] != other.values[f]]
        if differ:
            return (
                f"spec.revision.metricLabel.format gives {name} to two revisions that differ in "
                f"{' and '.join(differ)}: name every field in it, for example {{{differ[0]}|sha8}}, as in the label "
                f"that the service exports, or leave metricLabel out and have revisions told apart by time"
            )
    return ""


def known_good_of(history: tuple[Snapshot, ...], declared: KnownGood, quarantined: frozenset[str]) -> Snapshot | None:
    """The pinned revision, else the one proven last; never an excluded or quarantined one."""
    if declared.pin is not None:
        return next((s for s in history if s.name == declared.pin), None)
    proven = [s for s in history if s.known_good_since and s.name not in declared.exclude and s.name not in quarantined]
    return max(proven, key=lambda s: (s.known_good_since, s.digest), default=None)


def changes(before: Snapshot, after: Snapshot, changed_at: datetime) -> tuple[Suspect, ...]:
    """The fields that differ, shortened for people."""
    return tuple(
        Suspect(
            field=name,
            before=shorten(before.values.get(name, "")),
            after=shorten(after.values.get(name, "")),
            changed_at=changed_at,
        )
        for name in sorted(after.values)
        if before.values.get(name) != after.values.get(name)
    )


def may_be_the_fix(facts: RevisionFacts, status: AIIncidentStatus) -> bool:
    """Whether the revision that serves is another one than what failed, and than what Firebreak rolled back to.

    Someone may also revert to the known-good one by hand: that is a fix as well, and is proven like one.
    """
    if facts.current is None:
        return False
    rolled_back_to = {a.subject for a in status.actions if a.kind is ActionKind.ROLL_BACK}
    bad = {status.revision, *status.failed_revisions, *facts.quarantined}
    return facts.current.name not in bad | rolled_back_to


def shorten(value: str | int) -> str:
    """One line of at most 120 characters; a long or many-lined text is named by its length and digest."""
    text = str(value)
    if len(text) <= 120 and "\n" not in text:
        return text
    return f"{len(text)} characters, sha256 {hashlib.sha256(text.encode()).hexdigest()[:8]}"


def surplus(history: tuple[Snapshot, ...], limit: int, keep: frozenset[str]) -> tuple[Snapshot, ...]:
    """The oldest snapshots beyond the limit; those whose digest is in `keep` always stay."""
    oldest_first = sorted(history, key=lambda s: s.first_seen)
    spare = [s for s in oldest_first if s.digest not in keep]
    return tuple(spare[: max(0, len(history) - limit)])
