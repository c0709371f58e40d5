"""The lab's kubelet: registers a node, takes the pods that are bound to it, and keeps its lease.

It has the kubelet's manners towards the API server, so that scheduler and controllers behave as they do anywhere; it
has no container runtime behind it, so a container is a process with a mount namespace of its own (README.md has the
limits).
"""

import asyncio
import ipaddress
from datetime import UTC, datetime
from typing import Any

import aiohttp

from lab.inside.processes import Processes
from lab.kube import Kube, KubeError
from lab.node.pod import Pod
from lab.node.settings import AgentSettings

Object = dict[str, Any]

_LEASE_EVERY_SECONDS = 10.0
_CAPACITY = {"cpu": "64", "memory": "256Gi", "pods": "500", "ephemeral-storage": "100Gi"}


class Agent:
    """One node of the lab."""

    def __init__(self, kube: Kube, processes: Processes, settings: AgentSettings) -> None:
        self._kube = kube
        self._processes = processes
        self._settings = settings
        self._pods: dict[str, Pod] = {}
        self._configmaps: dict[tuple[str, str], Object] = {}
        self._configmaps_listed = asyncio.Event()
        self._addresses = ipaddress.ip_network(settings.pod_cidr).hosts()

    def kill(self, namespace: str, name: str, container: str | None, number: int) -> bool:
        """Send a signal to a pod's containers; whether there is such a pod."""
        found = [p for p in self._pods.values() if (p.namespace, p.name) == (namespace, name)]
        for pod in found:
            pod.kill(container, number)
        return bool(found)

    async def run(self) -> None:
        """Be a node for ever."""
        await self._register()
        # Probes are many and short; a pooled connection would hide that a server has stopped listening.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
            group.create_task(self._beat())
            group.create_task(self._follow_configmaps())
            await self._configmaps_listed.wait()
            await self._follow_pods(session, group)

    async def _register(self) -> None:
        name = self._settings.node_name
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
            "spec": {"podCIDR": self._settings.pod_cidr, "podCIDRs": [self._settings.pod_cidr]},
        }
        try:
            await self._kube.request("POST", "/api/v1/nodes", node)
        except KubeError as error:
            if error.code != 409:
                raise
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "LabNodeReady",
            "message": "the lab's node agent is running",
            "lastHeartbeatTime": stamp,
            "lastTransitionTime": stamp,
        }
        status = {
            "capacity": _CAPACITY,
            "allocatable": _CAPACITY,
            "conditions": [ready],
            "addresses": [{"type": "InternalIP", "address": "10.244.255.1"}, {"type": "Hostname", "address": name}],
            "nodeInfo": _node_info(),
        }
        await self._kube.request(
            "PATCH", f"/api/v1/nodes/{name}/status", {"status": status}, content_type="application/merge-patch+json"
        )

    async def _beat(self) -> None:
        """Renew the node's lease: without it the node would be tainted and its pods evicted."""
        name = self._settings.node_name
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        while True:
            stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": stamp}
            lease = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": name, "namespace": "kube-node-lease"},
                "spec": spec,
            }
            try:
                await self._kube.request(
                    "PATCH",
                    f"{path}/{name}",
                    lease,
                    content_type="application/apply-patch+yaml",
                    query={"fieldManager": "lab-node", "force": "true"},
                )
                await asyncio.sleep(_LEASE_EVERY_SECONDS)
            except (KubeError, aiohttp.ClientError, OSError, TimeoutError):
                await asyncio.sleep(1.0)

    async def _follow_configmaps(self) -> None:
        async for kind, item in self._kube.watch("/api/v1/configmaps"):
            if kind == "LISTED":
                self._configmaps = {_key(i): i for i in item["items"]}
                self._configmaps_listed.set()
                changed = set(self._configmaps)
            else:
                key = _key(item)
                changed = {key}
                if kind == "DELETED":
                    self._configmaps.pop(key, None)
                else:
                    self._configmaps[key] = item
            namespaces = {namespace for namespace, _ in changed}
            for pod in list(self._pods.values()):
                if pod.namespace in namespaces:
                    await pod.volumes.follow()

    async def _follow_pods(self, session: aiohttp.ClientSession, group: asyncio.TaskGroup) -> None:
        query = {"fieldSelector": f"spec.nodeName={self._settings.node_name}"}
        async for kind, item in self._kube.watch("/api/v1/pods", query):
            if kind == "LISTED":
                there = {i["metadata"]["uid"] for i in item["items"]}
                for uid in [u for u in self._pods if u not in there]:
                    self._pods[uid].terminate(0.0)
                for one in item["items"]:
                    self._see(one, session, group)
            elif kind == "DELETED":
                if (gone := self._pods.get(item["metadata"]["uid"])) is not None:
                    gone.terminate(0.0)
            else:
                self._see(item, session, group)

    def _see(self, manifest: Object, session: aiohttp.ClientSession, group: asyncio.TaskGroup) -> None:
        meta = manifest["metadata"]
        pod = self._pods.get(meta["uid"])
        if pod is None:
            if (manifest.get("status") or {}).get("phase") in ("Succeeded", "Failed") and not meta.get(
                "deletionTimestamp"
            ):
                return
            pod = self._pods[meta["uid"]] = Pod(
                manifest,
                str(next(self._addresses)),
                kube=self._kube,
                settings=self._settings,
                processes=self._processes,
                configmaps=lambda namespace, name: self._configmaps.get((namespace, name)),
                session=session,
            )
            group.create_task(self._run(pod), name=f"pod {pod.namespace}/{pod.name}")
        if meta.get("deletionTimestamp"):
            pod.terminate(float(meta.get("deletionGracePeriodSeconds") or 0))

    async def _run(self, pod: Pod) -> None:
        try:
            await pod.run()
        finally:
            self._pods.pop(pod.uid, None)


async def run_agent(kube: Kube, processes: Processes, settings: AgentSettings) -> None:
    """Be a node for ever."""
    await Agent(kube, processes, settings).run()


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def _node_info() -> Object:
    return {
        "machineID": "lab",
        "systemUUID": "lab",
        "bootID": "lab",
        "kernelVersion": "lab",
        "osImage": "lab",
        "containerRuntimeVersion": "lab://1",
        "kubeletVersion": "v1.36.3",
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": "amd64",
    }
