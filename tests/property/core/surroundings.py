"""Everything around the operator that may change: evidence, effects, people, deployments, other hands, outages.

Each function makes a source of events for the model checker; a search takes the ones that its question is about.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.property.core.containment_world import (
    HISTORY,
    PLACES,
    World,
    asked_about,
    awaited,
    deployed,
    set_by_someone,
)
from tests.property.core.model_search import Event, Events

from firebreak.api.v1alpha1.incident import ApprovalGiven, Resolution
from firebreak.core.drift import is_drifted
from firebreak.core.field_writes import value_of
from firebreak.core.revision import Snapshot


def evidence(*symbols: str, of: int = 0) -> Events:
    """The verdict on one objective changes to any of these."""

    def events(w: World) -> Iterator[Event]:
        for symbol in symbols:
            if symbol != w.verdicts[of]:
                verdicts = (*w.verdicts[:of], symbol, *w.verdicts[of + 1 :])
                yield f"evidence {of}: {symbol}", replace(w, verdicts=verdicts)

    return events


def folds(*symbols: str, of: int = 0) -> Events:
    """The fresh fold that is asked for comes to say any of these."""

    def events(w: World) -> Iterator[Event]:
        if asked_about(w) is None:
            return
        for symbol in symbols:
            if symbol != w.folds[of]:
                yield f"fold {of}: {symbol}", replace(w, folds=(*w.folds[:of], symbol, *w.folds[of + 1 :]))

    return events


def coverages(*symbols: str) -> Events:
    """The judge of the first objective comes to be as any of these."""

    def events(w: World) -> Iterator[Event]:
        for symbol in symbols:
            if symbol != w.coverage:
                yield f"coverage: {symbol or 'unknown'}", replace(w, coverage=symbol)

    return events


def effects(*symbols: str) -> Events:
    """What is awaited comes into force, or fails."""

    def events(w: World) -> Iterator[Event]:
        if w.status is None or not awaited(w.status):
            return
        for symbol in symbols:
            if symbol != w.effect:
                yield f"effect: {symbol}", replace(w, effect=symbol)

    return events


def rollouts(w: World) -> Iterator[Event]:
    """The workload of a fix that is being proven comes to serve, or not."""
    if w.status is None or w.status.remediating_since is None:
        return
    for symbol in ("InForce", "Waiting", "Failed"):
        if symbol != w.rollout:
            yield f"rollout: {symbol}", replace(w, rollout=symbol)


def jobs(w: World) -> Iterator[Event]:
    """The Job that is to prove a fix ends, either way."""
    if w.status is not None and w.status.validation is not None and w.status.validation.outcome == "Pending":
        for symbol in ("InForce", "Failed"):
            if symbol != w.job:
                yield f"job: {symbol}", replace(w, job=symbol)


def person(**fields: tuple[Any, ...]) -> Events:
    """A person sets each of these fields of the incident's spec to any of the values."""

    def events(w: World) -> Iterator[Event]:
        if w.status is None:
            return
        for name, values in fields.items():
            for value in values:
                if getattr(w.said, name) != value:
                    said = w.said.model_copy(update={name: value})
                    yield f"person: {name}={value}", replace(w, said=said)

    return events


def approvals(w: World) -> Iterator[Event]:
    """A person approves what is asked for now; it stays said when it is asked for no longer."""
    if w.status is None or w.status.approval is None:
        return
    given = ApprovalGiven(request=w.status.approval.request, by="sre")
    if w.said.approval != given:
        yield f"approved: {given.request}", replace(w, said=w.said.model_copy(update={"approval": given}))


def acknowledgements(w: World) -> Iterator[Event]:
    """A person has what was asked so far."""
    if w.status is not None and w.status.pages > w.said.acknowledged_up_to:
        said = w.said.model_copy(update={"acknowledged_up_to": w.status.pages})
        yield f"acknowledged up to {w.status.pages}", replace(w, said=said)


def resolutions(w: World) -> Iterator[Event]:
    """A person ends it; that cannot be taken back."""
    if w.status is None or w.said.resolution is not None:
        return
    for how in Resolution:
        yield f"person: {how}", replace(w, said=w.said.model_copy(update={"resolution": how}))


def deployments(*revisions: Snapshot) -> Events:
    """Someone deploys any of these revisions, again and again."""

    def events(w: World) -> Iterator[Event]:
        for revision in revisions:
            if w.status is None:
                return
            after = deployed(w, revision)
            if after.fields != w.fields:
                yield f"deployed: {revision.name}", after

    return events


def other_hands(*places: int) -> Events:
    """Someone else sets any of these places, once, to a value of their own."""

    def events(w: World) -> Iterator[Event]:
        for place in places:
            if place not in w.theirs:
                yield f"someone sets {place}", set_by_someone(w, {place: 7 if place < 7 else "theirs"})

    return events


def put_back(w: World) -> Iterator[Event]:
    """Whoever changed what was in force sets it as the record wants it."""
    for action in w.status.actions if w.status else ():
        if is_drifted(action):
            values = {PLACES.index((x.target, x.path)): value_of(x.desired, HISTORY) for x in action.writes}
            mine = {i: v for i, v in values.items() if v is not None and i in w.theirs}
            yield "someone puts it back", replace(set_by_someone(w, mine), theirs=w.theirs)


def flips(*names: str) -> Events:
    """Any of these is so, or not: `refuses`, `is_paused`, `is_wave`, `is_ready`."""

    def events(w: World) -> Iterator[Event]:
        for name in names:
            value = not getattr(w, name)
            changes: dict[str, Any] = {name: value}
            yield f"{name}: {value}", replace(w, **changes)

    return events


def the_service_goes(w: World) -> Iterator[Event]:
    """The AIService is deleted."""
    if not w.is_gone and w.status is not None:
        yield "the service is deleted", replace(w, is_gone=True)
