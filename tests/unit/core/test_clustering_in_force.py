"""Which measurement of clustering counts, and when it changes what is in force."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.builders import T0, a_ratio, a_service, an_incident, at

from firebreak.api.v1alpha1.aiservice import ClusteringBasis, ClusteringStatus, EndedContainment, ObjectiveStatus
from firebreak.api.v1alpha1.incident import AIIncidentStatus, Phase
from firebreak.app.catalog import Catalog
from firebreak.app.objectives import Objectives
from firebreak.core.clustering import NEEDED_STEPS, Clustering
from firebreak.core.clustering_in_force import Measured, adopted, due_at, in_force, incident_spans, unmeasured
from firebreak.core.detectors.rules import ASSUMED_CLUSTERING, Sequential
from firebreak.core.objectives import ObjectiveKey, ObjectiveSpec, Ratio, SourceKey

SPEC = ObjectiveSpec(
    key=ObjectiveKey("docs", "summarizer", "groundedness"),
    category="Hallucination",
    source=SourceKey("", "default"),
    indicator=Ratio(bad="bad_total", total="judged_total"),
    rule=Sequential(allowed=0.05),
    step=timedelta(seconds=60),
    settle=timedelta(seconds=15),
)


def found(clustering: float, steps: int = NEEDED_STEPS, **later: float) -> Measured:
    return Measured(found=Clustering(clustering=clustering, steps=steps, judged=1e5), at=at(**later))


def recorded(*statuses: ClusteringStatus, name: str = "groundedness"):
    told = [ObjectiveStatus(name=name, finding="Met", clustering=c) for c in statuses]
    return a_service().status.model_copy(update={"objectives": tuple(told)})


measurements = st.builds(
    Measured,
    found=st.builds(
        Clustering,
        clustering=st.floats(0.1, 50.0),
        steps=st.integers(0, NEEDED_STEPS),
        judged=st.floats(0, 1e9),
    ),
    at=st.datetimes(min_value=T0.replace(tzinfo=None)).map(lambda t: t.replace(tzinfo=T0.tzinfo, microsecond=0)),
)


@given(st.lists(measurements, max_size=5), measurements)
def test_a_measurement_counts_once(before, last):
    """Adopting it again changes nothing, so a status that holds it is not written again."""
    told = None
    for measured in before:
        told = adopted(told, measured, SPEC)
    once = adopted(told, last, SPEC)
    assert adopted(once, last, SPEC) == once
    assert adopted(once, None, SPEC) == once
    assert float(once.value) >= ASSUMED_CLUSTERING
    if told is not None and told.basis is ClusteringBasis.MEASURED:
        assert once.basis is ClusteringBasis.MEASURED, "a store that has forgotten makes nobody assume again"


def test_fourteen_healthy_days_are_needed():
    """Until then the assumed value is in force, and how much there is is said."""
    short = adopted(None, found(3.0, steps=4440), SPEC)
    assert (short.value, short.basis, short.healthy, short.needed) == ("0.1", "Assumed", "3d2h", "14d")
    assert in_force(recorded(short), [SPEC]) == {}
    assert unmeasured({"groundedness": short}) == {"groundedness": "3d2h of 14d of healthy history"}

    enough = adopted(short, found(3.0, hours=24), SPEC)
    assert (enough.value, enough.basis, enough.healthy) == ("3", "Measured", "14d")
    assert in_force(recorded(enough), [SPEC]) == {SPEC.key: 3.0}
    assert unmeasured({"groundedness": enough}) == {}


def test_noise_rebuilds_no_folds():
    """A tenth more or less leaves what is in force; a real change does not."""
    told = adopted(None, found(1.0), SPEC)
    assert adopted(told, found(1.08, hours=24), SPEC).value == "1"
    assert adopted(told, found(1.3, hours=24), SPEC).value == "1.3"
    assert adopted(told, found(0.4, hours=24), SPEC).value == "0.4"


def test_another_indicator_is_measured_anew():
    """What was measured of other series says nothing of these, whatever the objective is called."""
    told = adopted(None, found(3.0), SPEC)
    other = replace(SPEC, indicator=Ratio(bad="bad_total", total="seen_total"))
    assert in_force(recorded(told), [other]) == {}
    assert adopted(told, None, other).basis is ClusteringBasis.ASSUMED
    assert in_force(recorded(told), [replace(SPEC, rule=Sequential(allowed=0.01))]) == {SPEC.key: 3.0}, (
        "a target does not change how failures cluster"
    )


def test_it_is_due_once_a_day():
    """A day of steps."""
    told = adopted(None, found(3.0), SPEC)
    assert due_at(None, SPEC.step, T0) == T0
    assert due_at(told, SPEC.step, T0) == at(hours=24)
    assert due_at(told, timedelta(seconds=2), T0) == at(minutes=48)


def test_a_false_alarm_is_no_incident():
    """It was healthy history, and the very clustering that must be known of."""
    over = AIIncidentStatus(onset=at(hours=-2), detected_at=at(hours=-1), resolved_at=T0, phase=Phase.RESOLVED)
    under_way = AIIncidentStatus(detected_at=at(minutes=5), phase=Phase.CONTAINING)
    spans = incident_spans(
        [an_incident(over), an_incident(over, resolution="FalseAlarm"), an_incident(under_way)], at(minutes=9)
    )
    assert spans == ((at(hours=-2), T0), (at(minutes=5), at(minutes=9)))


def test_a_deleted_incident_is_cut_out_as_far_as_the_service_remembers_it():
    """Once each, by its own record while that is there; one remembered without an onset from when it was contained."""

    def ended(name: str, **more: object) -> EndedContainment:
        return EndedContainment.model_validate({"incident": name, "at": at(hours=-1), "endedAt": T0} | more)

    there = an_incident(AIIncidentStatus(onset=at(hours=-3), resolved_at=at(hours=-2), phase=Phase.RESOLVED))
    kept = (
        ended(there.metadata.name),
        ended("gone", onset=at(hours=-2)),
        ended("old"),
        ended("none", onset=at(hours=-2), falseAlarm=True),
    )
    spans = incident_spans([there], at(hours=1), kept)
    assert set(spans) == {(at(hours=-3), at(hours=-2)), (at(hours=-2), T0), (at(hours=-1), T0)}
    assert len(spans) == 3


def test_what_the_status_records_is_what_is_in_force():
    """So a restart, another replica and `explain` have the same; the change is taken up when it is recorded."""
    inline = a_ratio() | {"indicator": {"badSelector": "bad_total", "totalSelector": "judged_total"}}
    catalog = Catalog(lambda service: None)
    objectives = Objectives(catalog)

    def see(version: str, status: dict[str, object]) -> ObjectiveSpec:
        service = {"spec": a_service(inline).spec.dump(), "status": status}
        metadata = {"name": "summarizer", "namespace": "docs", "resourceVersion": version}
        catalog.see({"apiVersion": "firebreak.dev/v1alpha1", "kind": "AIService", "metadata": metadata} | service)
        return next(w for w in objectives.watched() if isinstance(w, ObjectiveSpec))

    source = {"apiVersion": "firebreak.dev/v1alpha1", "kind": "ClusterMetricSource"}
    catalog.see(source | {"metadata": {"name": "default"}, "spec": {"url": "http://prometheus:9090"}})
    before = see("1", {})
    assert isinstance(before.rule, Sequential)
    assert before.rule.clustering == ASSUMED_CLUSTERING
    told = adopted(None, found(3.0), before)
    after = see("2", recorded(told).dump())
    assert isinstance(after.rule, Sequential)
    assert after.rule.clustering == 3.0
    assert replace(after, rule=before.rule) == before
