"""`kubectl firebreak` against a real API server: what is said arrives in the objects, what cannot be said is refused."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lab.cluster import Lab

pytestmark = pytest.mark.lab

PROGRAM = Path(sys.executable).with_name("kubectl-firebreak")
CRDS = Path(__file__).parents[3] / "crds"

SERVICE = {
    "apiVersion": "firebreak.dev/v1alpha1",
    "kind": "AIService",
    "metadata": {"name": "summarizer"},
    "spec": {
        "metrics": {"labels": {"service": "summarizer"}},
        "objectives": [
            {
                "name": "violations",
                "category": "PolicyViolation",
                "indicator": {"badSelector": "violations_total"},
                "detector": {"kind": "Count"},
            }
        ],
        "containment": {"policy": {"name": "nobody"}},
    },
}


class Place:
    """A namespace with one service, and the program as a person calls it."""

    def __init__(self, lab: Lab, namespace: str, kubeconfig: Path) -> None:
        self._lab = lab
        self._kubeconfig = kubeconfig
        self.namespace = namespace

    def firebreak(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `kubectl firebreak`."""
        command = [str(PROGRAM), *arguments, "--kubeconfig", str(self._kubeconfig)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def said(self, *arguments: str) -> str:
        """What it prints, when it succeeds."""
        done = self.firebreak(*arguments, "-n", self.namespace)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, *arguments: str) -> str:
        """What it says instead, when it does not."""
        done = self.firebreak(*arguments, "-n", self.namespace)
        assert done.returncode == 1, done.stdout
        assert len(done.stderr.splitlines()) == 1, done.stderr
        return done.stderr

    def incident_spec(self) -> dict[str, object]:
        """The only incident's spec, as the API server holds it."""
        listed = json.loads(self._lab.kubectl("get", "aii", "-n", self.namespace, "-o", "json"))
        (incident,) = listed["items"]
        return dict(incident["spec"])

    def operator_says(self, **status: object) -> None:
        """What the operator records of the only incident."""
        (name,) = self._lab.kubectl("get", "aii", "-n", self.namespace, "-o", "name").split()
        patch = json.dumps({"status": status})
        self._lab.kubectl(
            "patch", name, "-n", self.namespace, "--subresource=status", "--type=merge", f"--patch={patch}"
        )

    def until_unset(self, field: str) -> None:
        """Wait until somebody has set a field of the only incident's spec to false."""
        (name,) = self._lab.kubectl("get", "aii", "-n", self.namespace, "-o", "name").split()
        self._lab.kubectl(
            "wait", name, "-n", self.namespace, f"--for=jsonpath={{.spec.{field}}}=false", "--timeout=20s"
        )

    def me(self) -> str:
        """The user name under which the API server knows the caller."""
        said = json.loads(self._lab.kubectl("auth", "whoami", "-o", "json"))
        return str(said["status"]["userInfo"]["username"])

    def breaker(self, **breaker: object) -> None:
        """What the operator records of the circuit breaker."""
        patch = json.dumps({"status": {"breaker": breaker}})
        self._lab.kubectl("patch", "fbc", "firebreak", "--subresource=status", "--type=merge", f"--patch={patch}")

    def forget_control(self) -> None:
        """As if nobody had paused or confirmed anything."""
        patch = json.dumps({"spec": {"confirmedTrip": None}, "status": {"breaker": {"trip": 0, "state": "Ready"}}})
        self._lab.kubectl("patch", "fbc", "firebreak", "--type=merge", f"--patch={patch}")
        self._lab.kubectl("patch", "fbc", "firebreak", "--subresource=status", "--type=merge", f"--patch={patch}")

    def control(self) -> dict[str, object]:
        """The installation's switch."""
        return dict(json.loads(self._lab.kubectl("get", "firebreakcontrol", "firebreak", "-o", "json"))["spec"])


@pytest.fixture
def place(lab: Lab, namespace: str, tmp_path: Path) -> Iterator[Place]:
    lab.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
    for kind in ("aiservices", "aiincidents"):
        lab.kubectl("wait", "--for=condition=Established", f"crd/{kind}.firebreak.dev", "--timeout=30s")
    manifest = tmp_path / "service.json"
    manifest.write_text(json.dumps(SERVICE))
    lab.kubectl("apply", "-n", namespace, "-f", str(manifest))
    yield Place(lab, namespace, Path(lab.kubeconfig))
    lab.kubectl("delete", "aii", "--all", "-n", namespace, "--wait=false")


def test_an_incident_is_declared_and_told_what_to_do(place: Place) -> None:
    """Each verb sets its field and leaves the others."""
    said = place.said(
        "declare", "summarizer", "-d", "it swears", "--category", "PolicyViolation", "--severity", "P1", "--contain"
    )
    assert "is declared" in said
    assert "mode Observe" in said

    assert "nothing was asked" in place.refused("ack", "summarizer")
    place.operator_says(pages=3)
    assert "acknowledged up to page 2" in place.said("ack", "summarizer", "--page", "2")
    assert "there is no page 4" in place.refused("ack", "summarizer", "--page", "4")
    place.said("release", "summarizer")

    assert place.incident_spec() == {
        "service": "summarizer",
        "description": "it swears",
        "category": "PolicyViolation",
        "severity": "P1",
        "contain": True,
        "acknowledged": False,
        "acknowledgedUpTo": 2,
        "release": True,
    }
    assert "it swears" in place.said("incidents")
    assert "found by  a person" in place.said("explain", "summarizer")


def test_there_is_one_open_incident_at_a_time(place: Place) -> None:
    """The refusal names the open one and what to do with it."""
    place.said("declare", "summarizer", "-d", "first")

    assert "is open for summarizer already" in place.refused("declare", "summarizer", "-d", "second")
    assert place.incident_spec()["description"] == "first"


def test_what_was_asked_and_is_not_done_yet_is_not_asked_twice(place: Place) -> None:
    """The field is set already, so the second word would change nothing: the answer says where to look."""
    place.said("declare", "summarizer", "-d", "it swears", "--contain")

    assert "was told so already" in place.refused("contain", "summarizer")


def test_the_next_step_can_be_asked_for_when_the_last_one_was_taken(place: Place) -> None:
    """The field counts once for as long as it is set, so it is unset, and set again when the operator has seen that."""
    place.said("declare", "summarizer", "-d", "it swears", "--contain")
    place.operator_says(containFollowed=True)
    with ThreadPoolExecutor(max_workers=1) as person:
        said = person.submit(place.said, "contain", "summarizer")
        place.until_unset("contain")
        place.operator_says(containFollowed=False)
        assert "is told to take its next step" in said.result(timeout=30)

    assert place.incident_spec()["contain"] is True


def test_a_step_is_approved_in_ones_own_name(place: Place) -> None:
    """What waits is looked up, so nobody approves what is asked no longer; where nothing waits the answer says so."""
    place.said("declare", "summarizer", "-d", "it swears")
    assert "waits for no approval" in place.refused("approve", "summarizer")
    asked = {
        "request": "l0-s0-rollback.3",
        "step": "l0-s0-rollback",
        "since": "2026-05-04T03:00:00.000Z",
        "would": "RollBack to 1.2",
        "changes": ["Deployment qa image: qa:1.3 → qa:1.2"],
    }
    place.operator_says(approval=asked)

    assert "is not asked for any more" in place.refused("approve", "summarizer", "--request", "l0-s0-rollback.2")
    said = place.said("approve", "summarizer", "--request", "l0-s0-rollback.3")
    assert "RollBack to 1.2 (l0-s0-rollback.3)\n  Deployment qa image: qa:1.3 → qa:1.2" in said
    assert "l0-s0-rollback.3 is approved" in said

    assert place.incident_spec()["approval"] == {"request": "l0-s0-rollback.3", "by": place.me()}


def test_a_trip_of_the_circuit_breaker_is_confirmed_by_its_number(place: Place) -> None:
    """Another number, or none that has tripped, is refused: what one has looked at is what one confirms."""
    try:
        place.firebreak("resume")
        assert "it never has" in place.firebreak("confirm", "1").stderr
        place.breaker(trip=2, state="Tripped", cause="MetricsPipeline", because="the judge is gone")
        assert "its last trip was 2" in place.firebreak("confirm", "1").stderr
        confirmed = place.firebreak("confirm", "2")
        assert confirmed.returncode == 0, confirmed.stderr
        assert "it counts once the metrics are well: the judge is gone" in confirmed.stdout
        assert place.control()["confirmedTrip"] == 2
    finally:
        place.forget_control()


def test_a_resolution_cannot_be_changed(place: Place) -> None:
    """The API server says so, and its words arrive."""
    place.said("declare", "summarizer", "-d", "it swears")
    place.said("resolve", "summarizer", "--as", "FalseAlarm")

    refusal = place.refused("resolve", "summarizer", "--as", "KnownGoodAccepted")

    assert "resolution cannot be changed once it is set" in refusal


def test_a_name_that_is_not_there_is_answered_with_those_that_are(place: Place) -> None:
    """One typing error, one line."""
    assert "there are: summarizer" in place.refused("status", "sumarizer")
    assert "has had no incident" in place.refused("explain", "summarizer")


def test_everything_is_paused_and_resumed(place: Place) -> None:
    """The one object of the installation is made by the first who pauses it."""
    try:
        paused = place.firebreak("pause", "--reason", "moving house")
        assert paused.returncode == 0, paused.stderr
        assert place.control() == {"paused": True, "reason": "moving house"}
    finally:
        resumed = place.firebreak("resume")

    assert resumed.returncode == 0, resumed.stderr
    assert place.control() == {"paused": False, "reason": ""}
