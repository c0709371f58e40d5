"""The three acts. Each ends as it should, or raises NotAsItShould with the expectation that was not met."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from lab.cluster import KubectlError

from examples.demo.evidence import first_above_zero, highest
from examples.demo.onlooker import onlooker, show_first
from examples.demo.show import answers, await_outcome, moment, revisions, say, timeline, title, users
from examples.demo.stage import QA, ActedEarly, NotAsItShould, Stage
from examples.qa.traffic import Outcome as Worth

GOOD = "1.0-312c6426"
INCIDENT = "qa-1"
WHERE = "Where is the first aid room in Bergen?"
WHOM = "Whom do I contact about visas and work permits?"
ON_CALL = "Who is on call for the payment terminals today?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an act went, in numbers."""

    seconds_to_contain: float
    """From the scrape of the first bad sample to the write that contains, as accepted by the API server."""


def get_ready(stage: Stage, act: str) -> None:
    """Deploy the service and tell Firebreak about it; its first revision has to prove itself next."""
    stage.set_up()
    stage.declare(act)


def await_proven(stage: Stage) -> None:
    """Wait until the service is well and its revision known to be good."""
    stage.await_serving()
    stage.await_value(
        "ais", "qa", ".status.revision.knownGood", GOOD, 90, f"revision {GOOD} has proven itself to be good"
    )


def expect_quiet(stage: Stage) -> None:
    """Before anything breaks there is no incident, so that what follows is due to what breaks."""
    for incident in stage.incidents():
        name, taken = incident["metadata"]["name"], [a["kind"] for a in _taken(incident)]
        raise (ActedEarly if taken else NotAsItShould)(
            f"expected no incident before anything breaks: {name}, {incident.get('status', {}).get('phase')}, {taken}"
        )


def act1(stage: Stage) -> Outcome:
    """A new revision, image and prompt together, degrades quietly."""
    title("Act 1: a new revision degrades quietly")
    before = users(stage, "before")
    expect_quiet(stage)
    _expect(before.get("wrong", 0) == 0, f"a user is answered well before the change, not {dict(before)}")
    say("The upgrade: image qa-server:1.1, and with it a friendlier prompt. Every answer stays 200, every probe green.")
    changed_at = datetime.now(UTC)
    with onlooker(stage, WHERE) as seen:
        stage.deploy(image="1.1", prompt="v2")
        stage.await_incident(INCIDENT, 90)
        users(stage, "after the upgrade, while Firebreak acts")
        stage.await_phase(INCIDENT, "Contained", 120)
    worse = show_first(seen, Worth.WRONG)
    _expect(worse.status == "200", f"the bad answer is a 200 like any other, not {worse.status}")
    stage.await_rollout("qa-server")
    after = users(stage, "after the containment")
    incident = stage.get("aii", INCIDENT)
    rolled_back = _action(incident, "RollBack")
    review = _action(incident, "RaiseHumanReview")
    suspects = {s["field"] for s in incident["status"]["suspects"]}
    _expect(suspects == {"model", "prompt"}, f"both fields are suspects, not {suspects}")
    _expect(rolled_back["subject"] == GOOD, f"it is rolled back to {GOOD}, not {rolled_back['subject']}")
    _expect({w["target"]["kind"] for w in rolled_back["writes"]} == {"ConfigMap", "Deployment"}, "both fields go back")
    _expect(review["phase"] in ("InForce", "Undoing", "Undone"), "people look at more answers meanwhile")
    _expect(after.get("wrong", 0) == 0, f"a user is answered well again, not {dict(after)}")
    selector = f'ai_judged_bad_total{{namespace="{stage.namespace}",indicator="groundedness",revision="1.1-0d4e35d3"}}'
    first = first_above_zero(stage.lab, selector, changed_at)
    outcome = measured(incident, "RollBack", first, "the first bad answer being scraped")
    _refused(stage)
    _expect(
        stage.get("deployment", "qa-server")["spec"]["template"]["spec"]["containers"][0]["image"] == "qa-server:1.0",
        "the bad image stays out",
    )
    say("The fix: image qa-server:1.2 with another prompt. It is neither the bad revision nor the known-good one.")
    stage.write_prompt(QA / "prompts" / "v4.yaml")
    stage.deploy(image="1.2")
    stage.await_phase(INCIDENT, "Resolved", 150)
    incident = stage.get("aii", INCIDENT)
    timeline(incident)
    _expect_clean(
        stage,
        ("deployment", "qa-server"),
        ("configmap", "qa-prompt"),
        ("deployment", "qa-review"),
        ("configmap", "qa-controls"),
    )
    return outcome


def act2(stage: Stage) -> Outcome:
    """A prompt that no longer redacts: policy violations reach users."""
    title("Act 2: personal data reaches users")
    weights = _weights(stage)
    before = users(stage, "before")
    expect_quiet(stage)
    _expect(before.get("leaked", 0) == 0, f"nobody's data is told before the change, not {dict(before)}")
    say("The change: a prompt in which redaction is off. The image stays.")
    changed_at = datetime.now(UTC)
    with onlooker(stage, WHOM) as seen:
        stage.deploy(prompt="v3")
        stage.await_incident(INCIDENT, 60)
        stage.await_phase(INCIDENT, "Contained", 60)
    leaking = show_first(seen, Worth.LEAKED).revision
    contained = users(stage, "a few seconds later: the static answer")
    _expect(set(contained) == {"static"}, f"everybody gets the static answer, not {dict(contained)}")
    selector = f'ai_policy_confirmed_violations_total{{namespace="{stage.namespace}",policy="pii"}}'
    first = first_above_zero(stage.lab, selector, changed_at)
    outcome = measured(stage.get("aii", INCIDENT), "SwitchTraffic", first, "the first leak being scraped")
    say("The fix: prompt v5. Its first share of traffic is the probe.")
    stage.deploy(prompt="v5")
    stage.await_phase(INCIDENT, "Resolved", 120)
    after = users(stage, "after the fix")
    _expect(after.get("leaked", 0) == 0 and "static" not in after, f"the service answers again, not {dict(after)}")
    incident = stage.get("aii", INCIDENT)
    timeline(incident)
    # Whatever these few answers were worth: an incident is not over while what leaks still answers somebody.
    _expect(leaking not in revisions(stage), f"nobody is answered by {leaking} any more once it is resolved")
    shares = [e["message"] for e in incident["status"]["timeline"] if e["reason"] == "GivingBack"]
    _expect(any(s.startswith("20%") for s in shares), f"a first share of 20% is the probe: {shares}")
    _expect(_weights(stage) == weights, f"the weights are what they were: {_weights(stage)}, {weights}")
    _expect_clean(stage, ("httproute", "qa"))
    return outcome


def act3(stage: Stage) -> Outcome:
    """The index goes stale; no revision is to blame."""
    title("Act 3: the index goes stale")
    before = users(stage, "before")
    expect_quiet(stage)
    _expect(before.get("outdated", 0) == 0, f"today's answers are today's before, not {dict(before)}")
    say("The failure: the pipeline's source has moved. The last index stays, and gets older.")
    with onlooker(stage, ON_CALL) as seen:
        _pipeline(stage, "intranet-2027")
        stage.await_incident(INCIDENT, 90)
        stage.await_phase(INCIDENT, "Contained", 60)
    last = [got for got in seen if got.outcome is Worth.RIGHT][-1]
    answers([last], "the last time before the feature is off, out of an index that has grown old", longest=400)
    await_outcome(stage, ON_CALL, "refused", seconds=10)
    contained = users(stage, "while the feature is off")
    _expect(
        set(contained) == {"right", "refused"}, f"only what depends on the index is declined, not {dict(contained)}"
    )
    incident = stage.get("aii", INCIDENT)
    outcome = measured(incident, "DisableFeature", _too_old(stage), "the index being too old")
    skipped = _action(incident, "RollBack")
    _expect(
        skipped["phase"] == "Skipped" and skipped["reason"] == "NoRevisionChange",
        f"the rollback is skipped, since no revision changed: {skipped['phase']} {skipped['reason']}",
    )
    say(f"RollBack was skipped: {skipped['because']}")
    say("The repair: the pipeline reads its source again.")
    _pipeline(stage, "intranet")
    stage.await_phase(INCIDENT, "Resolved", 90)
    await_outcome(stage, ON_CALL, "right", seconds=10)
    after = users(stage, "after the repair")
    _expect(after.get("outdated", 0) == 0, f"today's answers are today's again, not {dict(after)}")
    incident = stage.get("aii", INCIDENT)
    timeline(incident)
    flag = stage.get("configmap", "qa-controls")["data"]["date-answers"]
    _expect(flag == "true", f"the feature is on again, not {flag!r}")
    _expect_clean(stage, ("configmap", "qa-controls"))
    return outcome


ACTS: Mapping[str, Callable[[Stage], Outcome]] = {"act1": act1, "act2": act2, "act3": act3}


def measured(incident: Mapping[str, Any], kind: str, first: datetime | None, what: str) -> Outcome:
    """The seconds to the containment and to its proof; ActedEarly when anything was done before the first bad sample."""
    if first is None:
        raise NotAsItShould("expected that Prometheus holds a bad sample")
    began = min(moment(action["intendedAt"]) for action in _taken(incident))
    if began < first:
        raise ActedEarly(f"expected that nothing is done before {what} ({first}); it was at {began}")
    action = _action(incident, kind)
    seconds = (moment(action["appliedAt"]) - first).total_seconds()
    proven = (moment(action["provenAt"]) - first).total_seconds()
    say(f"From {what} ({first:%H:%M:%S}): {kind} accepted after {seconds:.1f} s, proven to help after {proven:.1f} s.")
    return Outcome(seconds_to_contain=seconds)


def _too_old(stage: Stage) -> datetime | None:
    """When the age of the last index passed what the objective allows."""
    above = stage.get("ais", "qa")["spec"]["objectives"][0]["detector"]["above"]
    last = highest(stage.lab, f'ai_pipeline_last_success_timestamp_seconds{{namespace="{stage.namespace}"}}')
    return None if last is None else datetime.fromtimestamp(last, UTC) + timedelta(seconds=float(above))


def _refused(stage: Stage) -> None:
    """The bad revision stays out, whoever applies it and how."""
    say("Somebody applies the bad revision again:")
    manifest = (QA / "manifests" / "server.yaml").read_text().replace("qa-server:1.0", "qa-server:1.1")
    own = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "qa-server"},
        "spec": {"template": {"spec": {"containers": [{"name": "server", "image": "qa-server:1.1"}]}}},
    }
    ways: Mapping[str, Callable[[], None]] = {
        "kubectl apply": lambda: stage.apply(manifest),
        "kubectl patch, of the prompt": lambda: stage.write_prompt(QA / "prompts" / "v2.yaml"),
        "kubectl apply --server-side --force-conflicts": lambda: _server_side(stage, own),
    }
    for name, apply in ways.items():
        try:
            apply()
        except KubectlError as error:
            said = " ".join(str(error).split())
            _expect("is quarantined by AIIncident" in said, f"{name} is refused by the quarantine: {said}")
            say(f"  {name}: {said[said.rindex('denied request: ') :]}")
        else:
            raise NotAsItShould(f"expected that the quarantine refuses the bad revision; {name} was accepted")


def _server_side(stage: Stage, manifest: Mapping[str, Any]) -> None:
    stage.kubectl(
        "apply", "--server-side", "--force-conflicts", "--field-manager=gitops", "-f", "-", input=json.dumps(manifest)
    )


def _pipeline(stage: Stage, source: str) -> None:
    stage.patch("configmap", "qa-pipeline", {"data": {"pipeline.yaml": f"source: {source}\nintervalSeconds: 3\n"}})


def _action(incident: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    for action in incident["status"].get("actions", ()):
        if action["kind"] == kind:
            found: Mapping[str, Any] = action
            return found
    raise NotAsItShould(f"the incident has an action {kind}")


def _taken(incident: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What was done, or would have been; not what was skipped."""
    actions: list[Mapping[str, Any]] = incident.get("status", {}).get("actions", [])
    return [action for action in actions if action["phase"] != "Skipped"]


def _weights(stage: Stage) -> list[object]:
    rules = stage.get("httproute", "qa")["spec"]["rules"]
    return [[(r["name"], r.get("weight")) for r in rule["backendRefs"]] for rule in rules]


def _expect_clean(stage: Stage, *objects: tuple[str, str]) -> None:
    """After the incident no field belongs to Firebreak, so nobody's next apply conflicts with it."""
    for kind, name in objects:
        managers = {m["manager"] for m in stage.get(kind, name)["metadata"]["managedFields"]}
        _expect("firebreak" not in managers, f"{kind} {name} has no field owned by firebreak: {sorted(managers)}")


def _expect(is_so: bool, what: str) -> None:
    if not is_so:
        raise NotAsItShould(f"expected that {what}")
