"""What the API server accepts and refuses of each kind, and what it says."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.integration.installed.installed import (
    CLUSTER_INDICATOR,
    CLUSTER_POLICY,
    CLUSTER_SOURCE,
    CONTROL,
    DRILL,
    INCIDENT,
    INDICATOR,
    POLICY,
    QUARANTINE,
    SERVICE,
    SOURCE,
    VALID,
    Kubectl,
    Manifest,
    changed,
    config_map,
    deployment,
)

pytestmark = pytest.mark.lab

Spec = dict[str, Any]


def put(*path: str | int, value: object) -> Callable[[Spec], None]:
    """Set what stands at the path."""

    def change(spec: Spec) -> None:
        at: Any = spec
        for part in path[:-1]:
            at = at[part]
        at[path[-1]] = value

    return change


def drop(*path: str | int) -> Callable[[Spec], None]:
    """Leave out what stands at the path."""

    def change(spec: Spec) -> None:
        at: Any = spec
        for part in path[:-1]:
            at = at[part]
        del at[path[-1]]

    return change


def add(*path: str | int, value: object) -> Callable[[Spec], None]:
    """Append to the list at the path."""

    def change(spec: Spec) -> None:
        at: Any = spec
        for part in path:
            at = at[part]
        at.append(value)

    return change


def both(*changes: Callable[[Spec], None]) -> Callable[[Spec], None]:
    """One change after the other."""

    def change(spec: Spec) -> None:
        for each in changes:
            each(spec)

    return change


GROUNDEDNESS, FRESHNESS, VIOLATIONS = ("objectives", 0), ("objectives", 1), ("objectives", 2)
BUDGET = ("objectives", 3)
THE_FIELD = ("revision", "fields", 0)
THE_STEPS = ("ladders", 1, "steps")
THE_FREEZE = ("guardrails", "freeze", 0)

BAD: list[tuple[str, Manifest, Callable[[Spec], None], str]] = [
    ("unknown field", SERVICE, put("objectivs", value=[]), 'unknown field "spec.objectivs"'),
    ("unknown nested field", SERVICE, put(*FRESHNESS, "detector", "over", value=3), "detector.over"),
    ("no objectives", SERVICE, put("objectives", value=[]), "spec.objectives"),
    ("objectives of one name", SERVICE, put(*FRESHNESS, "name", value="groundedness"), "Duplicate value"),
    ("unknown category", SERVICE, put(*FRESHNESS, "category", value="Vibes"), '"QualityDegradation", "Hallucination"'),
    ("malformed path", SERVICE, put(*THE_FIELD, "path", value="$..image"), "must be a path of $, .name"),
    ("a path with an index", SERVICE, put(*THE_FIELD, "path", value="$.spec.a[0]"), "[?@.key=='literal']"),
    ("target 100%", SERVICE, put(*GROUNDEDNESS, "target", value="100%"), "above 0% and below 100%"),
    ("target 0%", SERVICE, put(*GROUNDEDNESS, "target", value="0.0%"), "above 0% and below 100%"),
    ("target without %", SERVICE, put(*GROUNDEDNESS, "target", value="0.995"), "such as 99.5%"),
    ("Sequential without target", SERVICE, drop(*GROUNDEDNESS, "target"), "need target, such as 95%"),
    ("Threshold with target", SERVICE, put(*FRESHNESS, "target", value="99%"), "Threshold and Count take none"),
    ("Threshold both ways", SERVICE, put(*FRESHNESS, "detector", "below", value=1), "exactly one of above and below"),
    ("Count with for", SERVICE, put(*VIOLATIONS, "detector", "for", value="1m"), "for belongs to detector Threshold"),
    ("BurnRate without target", SERVICE, drop(*BUDGET, "target"), "Sequential and BurnRate need target"),
    ("a burn that none reaches", SERVICE, both(put(*BUDGET, "target", value="95%"), put(*BUDGET, "detector", "windows", value=[
        {"factor": 14.4, "long": "1h", "short": "5m"}])), "72% bad): use {factor: 2, long: 1h, short: 5m}"),
    ("a budget too large", SERVICE, both(put(*BUDGET, "target", value="60%"), drop(*BUDGET, "detector", "windows")),
     "must not exceed 50%"),
    ("windows of a fold", SERVICE, put(*GROUNDEDNESS, "detector", "budgetPeriod", value="7d"), "belong to detector BurnRate"),
    ("a judge for nothing", SERVICE, put("objectives", value=[SERVICE["spec"]["objectives"][1]]), "needs an objective with"),
    ("a raise within no budget", SERVICE, put("judge", "samplingRate", "dailyBudget", value="0s"), "duration above zero"),
    ("a raise for most of the day", SERVICE, put("judge", "samplingRate", "dailyBudget", value="14h1m"), "at most 14h"),
    ("a raise for a day", SERVICE, put("judge", "samplingRate", "dailyBudget", value="1d"), "at most 14h, written in h"),
    ("a judge not within reach", SERVICE, put("judge", "samplingRate", "path", value="$.metadata.name"), "may not write to"),
    ("step of an hour", SERVICE, put(*GROUNDEDNESS, "detector", "step", value="1h"), "whole seconds or minutes"),
    ("a duration in words", SERVICE, put("revision", "knownGood", "after", value="one day"), "such as 90s, 1h30m"),
    ("a window of zero", SERVICE, put(*VIOLATIONS, "detector", "window", value="0s"), "duration above zero"),
    ("two indicators", SERVICE, put(*FRESHNESS, "indicator", "name", value="x"), "exactly one of name"),
    ("a native limit of zero", SERVICE, put(*GROUNDEDNESS, "indicator", value={"histogram": {
        "selector": "score", "atMost": 0, "buckets": "Native"}}), "the limit must be above 0"),
    ("a label with a dash", SERVICE, put("metrics", "labels", value={"my-service": "x"}), "every key must match"),
    ("fallbacks without a route", SERVICE, drop("traffic"), "fallbacks need traffic.routes"),
    ("a fallback to nothing", SERVICE, drop("fallbacks", 0, "backend"), "exactly one of backend and static"),
    ("the primary as fallback", SERVICE, put("fallbacks", 0, "backend", "name", value="summarizer"), "name another"),
    ("a status no one knows", SERVICE, put("fallbacks", 1, "static", "status", value=99), "greater than or equal to 200"),
    ("review without replicas", SERVICE, drop("humanReview", "replicas"), "workload and replicas go together"),
    ("two fields at one place", SERVICE, put("revision", "fields", 1, value={
        "name": "again", "target": deployment("summarizer"),
        "path": "$.spec.template.spec.containers[?@.name=='server'].image"}), "two fields name the same place"),
    ("pinned and excluded", SERVICE, put("revision", "knownGood", "pin", value="r-3"), "which of the two is meant"),
    ("a target elsewhere", SERVICE, put(*THE_FIELD, "target", "namespace", value="kube-system"), "target.namespace"),
    ("a kind not allowed", SERVICE, put(*THE_FIELD, "target", "kind", value="StatefulSet"), "have `reach`"),
    ("a Secret", SERVICE, put(*THE_FIELD, "target", value=config_map("x") | {"kind": "Secret"}), "this installation"),
    ("a place not allowed", SERVICE, put(*THE_FIELD, "path", value="$.spec.template.spec.serviceAccountName"),
     "may not write to apps/v1 Deployment at $.spec.template.spec.serviceAccountName; this installation allows"),
    ("no ladder", POLICY, put("ladders", value=[]), "spec.ladders"),
    ("unknown action", POLICY, put(*THE_STEPS, 1, "action", value="Pray"), '"RaiseHumanReview", "RollBack"'),
    ("a switch to nowhere", POLICY, drop(*THE_STEPS, 2, "fallback"), "SwitchTraffic, and only it, needs fallback"),
    ("a switch to two", POLICY, put(*THE_STEPS, 2, "fallback", "role", value="Static"), "exactly one of name and role"),
    ("a step unverified", POLICY, drop(*THE_STEPS, 1, "verifyWithin"), "verifyWithin is needed by every step but"),
    ("a step of no time", POLICY, put(*THE_STEPS, 1, "verifyWithin", value="0m"), "duration above zero"),
    ("a rollback on suspicion", POLICY, put(*THE_STEPS, 1, "evidence", value="Suspected"), "only RaiseHumanReview may"),
    ("two rollbacks", POLICY, add(*THE_STEPS, value={"action": "RollBack", "verifyWithin": "1m"}), "RollBack may stand once"),
    ("a ladder never reached", POLICY, add("ladders", value={"steps": [{"action": "RaiseHumanReview"}]}), "put it last"),
    ("a severity never reached", POLICY, add("severity", value={"severity": "P2"}), "put it last"),
    ("a freeze of six fields", POLICY, put(*THE_FREEZE, "cron", value="0 0 18 * * FRI"), "must be five cron fields"),
    ("a freeze at 25 o'clock", POLICY, put(*THE_FREEZE, "cron", value="0 25 * * *"), "must be five cron fields"),
    ("a freeze on Friyay", POLICY, put(*THE_FREEZE, "cron", value="0 18 * * FRIYAY"), "must be five cron fields"),
    ("a freeze nowhere", POLICY, put(*THE_FREEZE, "timeZone", value="CEST, mostly"), "freeze[0].timeZone"),
    ("a freeze of no time", CLUSTER_POLICY, put(*THE_FREEZE, "duration", value="0h"), "duration above zero"),
    ("a ramp that falls", POLICY, put("release", "ramp", value=[50, 10, 100]), "must rise with every step"),
    ("a ramp that stands", POLICY, put("release", "ramp", value=[50, 50, 100]), "must rise with every step"),
    ("a ramp that ends early", POLICY, put("release", "ramp", value=[10, 50]), "last step of ramp must be 100"),
    ("unknown field, cluster", CLUSTER_POLICY, put("approvals", value={}), 'unknown field "spec.approvals"'),
    ("approval at P5", POLICY, put("approval", value={"P5": "Required"}), 'unknown field "spec.approval.P5"'),
    ("approval, perhaps", POLICY, put("approval", value={"P3": "Maybe"}), '"Automatic", "Required"'),
    ("a ladder with a way back of its own", POLICY, put("ladders", 0, "release", value={"when": "Soon"}),
     '"NewRevision", "GaugeRecovered", "Person"'),
    ("forgetting on deletion", SERVICE, put("containment", "onDelete", value="Forget"), '"Restore", "Leave"'),
    ("a switch to nowhere, cluster", CLUSTER_POLICY, drop(*THE_STEPS, 2, "fallback"), "needs fallback"),
    ("no service", INCIDENT, drop("service"), "spec.service: Required value"),
    ("unknown resolution", INCIDENT, put("resolution", value="Fixed"), '"KnownGoodAccepted", "FalseAlarm"'),
    ("nothing denied", QUARANTINE, put("denied", value=[]), "spec.denied"),
    ("a workload without container", QUARANTINE, drop("denied", 0, "container"), "a workload needs container"),
    ("a ConfigMap without key", QUARANTINE, drop("denied", 1, "key"), "a ConfigMap needs key"),
    ("half an indicator", INDICATOR, drop("totalSelector"), "badSelector and totalSelector go together"),
    ("an empty selector", CLUSTER_INDICATOR, put("badSelector", value=""), "spec.badSelector"),
    ("not a URL", SOURCE, put("url", value="prometheus:9090"), "must be an http or https URL"),
    ("two credentials", SOURCE, put("basicAuth", value={"username": "u", "password": {"name": "s", "key": "k"}}),
     "give bearerToken or basicAuth, not both"),
    ("a tenant with a line break", SOURCE, put("tenant", value="team-a\n"), "line break or other control character"),
    ("a user with a colon", SOURCE, lambda spec: spec.update(basicAuth={
        "username": "a:b", "password": spec.pop("bearerToken")}), "must hold no colon"),
    ("a timeout of minutes", SOURCE, put("timeout", value="1m"), "must be 1s to 30s"),
    ("tls without https", CLUSTER_SOURCE, put("url", value="http://prometheus:9090"), "tls needs an https URL"),
    ("a CA that is not checked", CLUSTER_SOURCE, put("tls", "insecureSkipVerify", value=True), "give one of them"),
    ("executed by accident", DRILL, drop("allowExecution"), "say allowExecution: true here"),
    ("an allowance for nothing", DRILL, put("mode", value="DryRun"), "allowExecution belongs to mode Execute"),
    ("a rollback executed", DRILL, add("steps", value={"action": "RollBack"}), "a drill never executes RollBack"),
    ("a rehearsed switch to nowhere", DRILL, drop("steps", 1, "fallback"), "needs fallback"),
    ("half a schedule", DRILL, put("schedule", "cron", value="0 9 * *"), "must be five cron fields"),
    ("unknown field, control", CONTROL, put("pause", value=True), 'unknown field "spec.pause"'),
]  # fmt: skip


@pytest.mark.parametrize(("manifest", "change", "said"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_manifest_is_refused_with_what_to_change(
    kubectl: Kubectl, manifest: Manifest, change: Callable[[Spec], None], said: str
) -> None:
    """`kubectl` says no at once, and the message says what to write instead."""
    answer = kubectl.create(changed(manifest, change), dry_run=True)
    assert not answer.ok
    assert said in answer.text


@pytest.mark.parametrize("manifest", VALID, ids=lambda manifest: manifest["kind"])
def test_a_good_manifest_is_accepted(kubectl: Kubectl, manifest: Manifest) -> None:
    """An object with every optional part is taken as it is."""
    kubectl.must(kubectl.apply(manifest, dry_run=True))


def test_the_control_has_one_name(kubectl: Kubectl) -> None:
    """A second switch, which nobody would look at, cannot be made."""
    answer = kubectl.create(CONTROL | {"metadata": {"name": "other"}}, dry_run=True)
    assert not answer.ok
    assert "must be firebreak" in answer.text


def test_a_name_too_long_for_its_incidents_is_refused(kubectl: Kubectl) -> None:
    """Incidents and snapshots are named after the service, so its name must leave room."""
    answer = kubectl.create(SERVICE | {"metadata": {"name": "x" * 53}}, dry_run=True)
    assert not answer.ok
    assert "at most 52" in answer.text


def test_what_is_left_out_is_filled_in(kubectl: Kubectl) -> None:
    """Defaults stand in the object, written as a person would, so that everyone sees what is in force."""
    minimal = changed(SERVICE, lambda spec: spec["revision"].pop("knownGood"))
    minimal = changed(minimal, lambda spec: spec["containment"].pop("mode"))
    kubectl.must(kubectl.create(minimal))
    path = "jsonpath={.spec.revision.knownGood} {.spec.containment.mode} {.spec.metrics.source.name}"
    assert kubectl.run("get", "aiservice", "it", "-o", path).text == '{"after":"1d","minJudged":2000} Observe default'


def test_an_incident_stays_with_its_service(kubectl: Kubectl) -> None:
    """Neither the service nor a resolution can be changed afterwards; everything else can."""
    kubectl.must(kubectl.create(INCIDENT))

    def patch(spec: str) -> tuple[bool, str]:
        said = kubectl.run("patch", "aiincident", "it", "--type=merge", "-p", f'{{"spec":{{{spec}}}}}')
        return said.ok, said.text

    assert patch('"acknowledged":true')[0]
    assert "declare another incident" in patch('"service":"other"')[1]
    assert patch('"resolution":"FalseAlarm"')[0]
    assert "resolution cannot be changed" in patch('"resolution":"KnownGoodAccepted"')[1]


def test_a_drill_stays_with_its_service_and_mode(kubectl: Kubectl) -> None:
    """Its report is about them; when it runs may be changed."""
    kubectl.must(kubectl.create(changed(DRILL, lambda spec: spec.update(mode="Validate", allowExecution=False))))

    def patch(spec: str) -> str:
        return kubectl.run("patch", "drill", "it", "--type=merge", "-p", f'{{"spec":{{{spec}}}}}').text

    assert "patched" in patch('"suspend":false')
    assert "create another drill" in patch('"service":"other"')
    assert "create another drill" in patch('"mode":"DryRun"')


def test_a_quarantine_is_not_edited(kubectl: Kubectl) -> None:
    """What is denied and why stays as it was recorded."""
    kubectl.must(kubectl.create(QUARANTINE))
    said = kubectl.run("patch", "quarantine", "it", "--type=merge", "-p", '{"spec":{"reason":"another"}}')
    assert not said.ok
    assert "delete it, or declare another one" in said.text
