"""A Job made by a CronJob's template, on a real API server with its controllers."""

from typing import Any

import pytest
from tests.integration.kube.kubeplace import Place

from firebreak.adapters.kube.kinds import CRON_JOB, FIREBREAK, JOB
from firebreak.adapters.kube.validations import NOT_MADE, Validations
from firebreak.api.v1alpha1 import AIIncident

pytestmark = pytest.mark.lab


def leading() -> None:
    """A fence that lets everything pass."""


async def _post(place: Place, url: str, object_: dict[str, Any]) -> Any:
    answer = await place.client.request("POST", url, body=object_)
    assert answer.ok, answer.message
    return answer.body


async def test_a_job_is_made_once_by_the_cron_job_s_template(place: Place, crds: None) -> None:
    """It belongs to the incident, is told what it is about, and a CronJob that is not there is named."""
    container = {"name": "ask", "image": "golden:1"}
    pod = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    schedule = {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": {"spec": {"template": pod}}}
    await _post(place, CRON_JOB.collection(place.namespace), {"metadata": {"name": "golden"}, "spec": schedule})
    incident = AIIncident.model_validate(
        await _post(
            place,
            FIREBREAK["AIIncident"].collection(place.namespace),
            {
                "apiVersion": "firebreak.dev/v1alpha1",
                "kind": "AIIncident",
                "metadata": {"name": "shop-1"},
                "spec": {"service": "shop"},
            },
        )
    )
    validations = Validations(place.client, fence=leading)
    job = "shop-1-validate-1"
    assert await validations.look(place.namespace, job) == NOT_MADE
    for _ in range(2):
        assert await validations.run(incident, job, "golden", 600, {"FIREBREAK_SERVICE": "shop"}) == ""
    made = await place.get(JOB, job)
    assert made["metadata"]["ownerReferences"][0]["uid"] == incident.metadata.uid
    assert made["spec"]["activeDeadlineSeconds"] == 600
    assert made["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "FIREBREAK_SERVICE", "value": "shop"}]
    assert (await validations.look(place.namespace, job)).because == f"Job {job} runs"

    refused = await validations.run(incident, "shop-1-validate-2", "silver", 600, {})
    assert refused == f"CronJob silver, which release.validation names, does not exist in {place.namespace}"
