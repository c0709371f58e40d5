"""How is the Job that proves a fix run, and what came of it?

It is made from a CronJob of the team's own, as `kubectl create job --from` does: the template is one that they could run
themselves, under their namespace's quota, admission and Pod Security, and Firebreak lends it no rights.
"""

import copy
from collections.abc import Mapping
from typing import Any

from firebreak.adapters.kube.client import ClusterDenied, KubeClient
from firebreak.adapters.kube.cluster import Fence
from firebreak.adapters.kube.kinds import CRON_JOB, JOB, path_of
from firebreak.adapters.kube.objects import create
from firebreak.api.v1alpha1 import AIIncident
from firebreak.api.v1alpha1.model import API_VERSION
from firebreak.core.observations import Effect, Failed, InForce, Waiting
from firebreak.core.ports import KubeObject, Refused

NOT_MADE = Waiting(because="the Job does not exist yet")
_KEPT_SECONDS = 3600
"""How long a Job is kept after its end, for whoever wants its log; it goes with its incident at the latest."""


class Validations:
    """The Jobs that prove fixes."""

    def __init__(self, client: KubeClient, *, fence: Fence) -> None:
        self._client = client
        self._fence = fence

    async def look(self, namespace: str, job: str) -> Effect:
        """What came of the Job so far. Raises ClusterError."""
        try:
            return outcome_of(await self._client.get(path_of(JOB.key(namespace, job))))
        except ClusterDenied as error:
            return Failed(because=f"{error}; the chart's value validation.enabled lets Firebreak run Jobs")

    async def run(
        self, incident: AIIncident, job: str, cron_job: str, seconds: int, env: Mapping[str, str], acting_as: str = ""
    ) -> str:
        """Make the Job; one that is there already stays as it is. What stands in the way, in words."""
        namespace = incident.metadata.namespace
        try:
            source = await self._client.get(path_of(CRON_JOB.key(namespace, cron_job)))
        except ClusterDenied as error:
            return f"{error}; the chart's value validation.enabled lets Firebreak run Jobs"
        if source is None:
            return f"CronJob {cron_job}, which release.validation names, does not exist in {namespace}"
        made = await create(
            self._client, self._fence, JOB, job_from(source, incident, job, seconds, env), acting_as=acting_as
        )
        return f"Job {job} is refused ({made.code}): {made.message}" if isinstance(made, Refused) else ""


def outcome_of(job: KubeObject | None) -> Effect:
    """Passed (in force), failed, or not yet."""
    if job is None:
        return NOT_MADE
    where = f"Job {job['metadata']['name']}"
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition.get("status") == "True" and condition["type"] == "Complete":
            return InForce(because=f"{where} has succeeded")
        if condition.get("status") == "True" and condition["type"] in ("Failed", "FailureTarget"):
            said = condition.get("message") or condition.get("reason") or "no reason is given"
            return Failed(because=f"{where} has failed: {said}; its log says why")
    return Waiting(because=f"{where} runs")


def job_from(source: KubeObject, incident: AIIncident, name: str, seconds: int, env: Mapping[str, str]) -> KubeObject:
    """A Job by a CronJob's template, told what it is about; it ends in time and goes with its incident."""
    spec: Any = copy.deepcopy(source["spec"]["jobTemplate"]["spec"])
    spec["activeDeadlineSeconds"] = min(seconds, int(spec.get("activeDeadlineSeconds") or seconds))
    spec.setdefault("ttlSecondsAfterFinished", _KEPT_SECONDS)
    for container in spec["template"]["spec"]["containers"]:
        own = [variable for variable in container.get("env") or () if variable["name"] not in env]
        container["env"] = own + [{"name": key, "value": value} for key, value in env.items()]
    owner = {
        "apiVersion": API_VERSION,
        "kind": AIIncident.__name__,
        "name": incident.metadata.name,
        "uid": incident.metadata.uid,
    }
    metadata = {"name": name, "namespace": incident.metadata.namespace, "ownerReferences": [owner]}
    return {"apiVersion": JOB.api_version, "kind": JOB.kind, "metadata": metadata, "spec": spec}
