"""Settings: what the chart sets is read, and a value that cannot be used is named with what to write instead."""

import json
from datetime import timedelta

import pytest

from firebreak.api.v1alpha1.references import TargetRef
from firebreak.app.settings import Responder, Settings, SettingsError
from firebreak.core.breaker import BreakerRules
from firebreak.core.field_writes import RESTART_PATH

REACH = [
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "resource": "deployments",
        "paths": ["$.spec.replicas", "$.spec.template.spec.containers[?@.name=='*'].image"],
    },
    {"apiVersion": "v1", "kind": "ConfigMap", "resource": "configmaps", "paths": ["$.data.*", "$.data['*']"]},
]


def environ(**changes: str) -> dict[str, str]:
    """What the chart sets, with changes."""
    return {
        "POD_NAMESPACE": "firebreak",
        "POD_NAME": "firebreak-0",
        "POD_IP": "10.0.0.1",
        "FIREBREAK_SERVICE_ACCOUNT": "system:serviceaccount:firebreak:firebreak",
        "FIREBREAK_RESPONDER": "firebreak/firebreak-responder:8080",
        "FIREBREAK_REACH": json.dumps(REACH),
        "PATH": "/bin",
    } | changes


def a_target(kind: str = "Deployment", api_version: str = "apps/v1") -> TargetRef:
    return TargetRef(api_version=api_version, kind=kind, name="server")


def test_the_environment_of_the_chart_is_read() -> None:
    """Strings become numbers, JSON becomes rules, the rest of the environment is nobody's business."""
    settings = Settings.from_env(environ(FIREBREAK_LEASE_DURATION_SECONDS="30", FIREBREAK_LOG_LEVEL="DEBUG"))

    assert (settings.namespace, settings.identity, settings.bind) == ("firebreak", "firebreak-0", "10.0.0.1")
    assert (settings.lease_duration_seconds, settings.log_level) == (30.0, "debug")
    assert settings.responder == Responder(namespace="firebreak", name="firebreak-responder", port=8080)
    assert [kind.kind for kind in settings.reach.kinds] == ["Deployment", "ConfigMap"]


def test_a_responder_without_a_namespace_is_next_to_the_operator() -> None:
    """The short form names the Service alone."""
    settings = Settings.from_env(environ(FIREBREAK_RESPONDER="answers"))

    assert settings.responder == Responder(namespace="firebreak", name="answers", port=8080)
    assert settings.responder_name == "answers"


def test_no_responder_is_a_setting_too() -> None:
    """The chart sets nothing where the responder is turned off."""
    env = environ()
    del env["FIREBREAK_RESPONDER"]

    assert Settings.from_env(env).responder is None


def test_the_circuit_breaker_is_as_the_chart_says() -> None:
    """On unless it is turned off; a duration is written as everywhere."""
    env = environ(FIREBREAK_BREAKER='{"enabled":true,"percent":30,"services":8,"within":"10m"}')
    assert Settings.from_env(env).breaker.rules == BreakerRules(services=8, share=0.3, within=timedelta(minutes=10))
    assert Settings.from_env(environ()).breaker.rules == BreakerRules()
    assert Settings.from_env(environ(FIREBREAK_BREAKER='{"enabled":false}')).breaker.rules is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"FIREBREAK_WORKERS": "many"}, "FIREBREAK_WORKERS='many': input should be a valid integer"),
        ({"FIREBREAK_LOG_LEVEL": "loud"}, "FIREBREAK_LOG_LEVEL='loud': input should be 'debug', 'info'"),
        ({"FIREBREAK_REACH": "apps/v1"}, "FIREBREAK_REACH='apps/v1': is not JSON"),
        ({"FIREBREAK_REACH": "{}"}, "FIREBREAK_REACH='{}': must be a JSON list such as"),
        ({"FIREBREAK_REACH": '[{"apiVersion":"v1","kind":"ConfigMap"}]'}, "at 0.paths: field required"),
        ({"FIREBREAK_BREAKER": "on"}, "FIREBREAK_BREAKER='on': is not JSON"),
        ({"FIREBREAK_BREAKER": '{"percent": 0}'}, "at percent: input should be greater than or equal to 1"),
        ({"FIREBREAK_BREAKER": '{"within": "0s"}'}, "at within: input should be greater than"),
        ({"FIREBREAK_RESPONDER": "http://x"}, "FIREBREAK_RESPONDER='http://x': must be namespace/name:port"),
        ({"FIREBREAK_RESPONDER": "a/b:99999"}, "must be namespace/name:port"),
        ({"FIREBREAK_SERVICE_ACCOUNT": "firebreak"}, "FIREBREAK_SERVICE_ACCOUNT='firebreak'"),
        (
            {"FIREBREAK_LEASE_DURATION_SECONDS": "10"},
            "FIREBREAK_LEASE_RENEW_DEADLINE_SECONDS=10 must be below FIREBREAK_LEASE_DURATION_SECONDS=10",
        ),
        ({"FIREBREAK_LEASE_RETRY_PERIOD_SECONDS": "5"}, "FIREBREAK_LEASE_RETRY_PERIOD_SECONDS=5 must be below half"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(changes: dict[str, str], says: str) -> None:
    """Whoever installed it reads the variable, the value and what to write."""
    with pytest.raises(SettingsError) as refused:
        Settings.from_env(environ(**changes))

    assert says in str(refused.value)


def test_all_mistakes_are_named_at_once() -> None:
    """One restart per mistake would be a slow way of finding them."""
    with pytest.raises(SettingsError) as refused:
        Settings.from_env({"FIREBREAK_PORT": "http"})

    for variable in ("POD_NAMESPACE is not set", "POD_NAME is not set", "FIREBREAK_PORT='http'", "FIREBREAK_REACH is"):
        assert variable in str(refused.value)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (a_target(), "$.spec.replicas"),
        (a_target(), "$.spec.template.spec.containers[?@.name=='server'].image"),
        (a_target(), RESTART_PATH),
        (a_target("ConfigMap", "v1"), "$.data['system.txt']"),
        (a_target("ConfigMap", "v1"), "$.data.prompt"),
    ],
)
def test_what_the_installation_allows_is_allowed(target: TargetRef, path: str) -> None:
    """A star stands for any name."""
    assert Settings.from_env(environ()).reach.allows(target, path) is None


@pytest.mark.parametrize(
    ("target", "path", "says"),
    [
        (a_target("Secret", "v1"), "$.data.token", "lets Firebreak write to Deployment (apps/v1), ConfigMap (v1)"),
        (a_target(api_version="apps/v1beta1"), "$.spec.replicas", "not to Deployment (apps/v1beta1)"),
        (a_target(), "$.spec.template.spec.serviceAccountName", "name another place or extend the chart's value reach"),
        (a_target(), "$.spec.template.spec.containers[?@.name=='a'].command[?@.name=='b'].image", "$.spec.replicas or"),
        (a_target(), "$.spec.replicasX", "$.spec.replicas or"),
        (a_target("ConfigMap", "v1"), RESTART_PATH, "of a ConfigMap"),
    ],
)
def test_what_it_does_not_allow_is_refused_with_what_it_does(target: TargetRef, path: str, says: str) -> None:
    """A star never reaches over a quote, so no path gets further than the place that was meant."""
    reason = Settings.from_env(environ()).reach.allows(target, path)

    assert reason is not None
    assert says in reason


def test_only_the_accounts_that_are_named_may_be_acted_as() -> None:
    """Each in its own namespace; none by default."""
    assert Settings.from_env(environ()).may_act_as("docs", "firebreak") is not None
    settings = Settings.from_env(environ(FIREBREAK_IMPERSONATE="docs/firebreak,chat/robot"))
    assert settings.may_act_as("docs", "firebreak") is None
    refused = settings.may_act_as("chat", "firebreak")
    assert refused is not None
    assert "chat/firebreak; name it in the chart's value impersonation" in refused
