"""One pod, from the moment it is bound to this node to its end."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from lab.inside.processes import Processes
from lab.kube import MERGE, Kube, KubeError
from lab.node.container import Container, now
from lab.node.settings import AgentSettings
from lab.node.volumes import VolumeError, Volumes

Object = dict[str, Any]

LOG = logging.getLogger("lab.node")


class Pod:
    """Runs one pod's containers and tells the API server how they are."""

    def __init__(
        self,
        manifest: Object,
        ip: str,
        *,
        kube: Kube,
        settings: AgentSettings,
        processes: Processes,
        configmaps: Callable[[str, str], Object | None],
        session: aiohttp.ClientSession,
    ) -> None:
        self._kube = kube
        self._settings = settings
        meta = manifest["metadata"]
        self.namespace, self.name, self.uid = meta["namespace"], meta["name"], meta["uid"]
        self.ip = ip
        self._manifest = manifest | {
            "status": {**(manifest.get("status") or {}), "podIP": ip, "hostIP": "10.244.255.1"}
        }
        self.folder = settings.state / "pods" / f"{self.namespace}_{self.name}_{self.uid[:8]}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.volumes = Volumes(self._manifest, self.folder / "volumes", configmaps, self._token, settings.ca)
        self._news = asyncio.Event()
        self._began = now()
        self._since: dict[str, tuple[str, str]] = {}
        self._ending: float | None = None
        self._end = asyncio.Event()
        self._message = ""
        self.containers = [
            Container(
                self._manifest,
                spec,
                settings=settings,
                processes=processes,
                volumes=self.volumes,
                configmaps=configmaps,
                session=session,
                folder=self.folder,
                changed=self._news.set,
            )
            for spec in manifest["spec"]["containers"]
        ]

    async def run(self) -> None:
        """Run until the pod is deleted."""
        async with asyncio.TaskGroup() as group:
            teller = group.create_task(self._tell_forever())
            runners = group.create_task(self._run_containers())
            await self._end.wait()
            grace = self._ending or 0.0
            await asyncio.gather(*(c.end(grace) for c in self.containers))
            runners.cancel()
            teller.cancel()
        with contextlib.suppress(KubeError, aiohttp.ClientError, OSError, TimeoutError):
            await self._tell()
        await self._gone()

    def terminate(self, grace: float) -> None:
        """The pod is being deleted."""
        self._ending = grace
        self._end.set()

    def kill(self, container: str | None, number: int) -> None:
        """Send a signal to one container, or to all."""
        for one in self.containers:
            if container in (None, one.name):
                one.kill(number)

    async def _run_containers(self) -> None:
        if self._manifest["spec"].get("initContainers"):
            self._message = "the lab runs no initContainers"
            self._news.set()
            return
        while True:
            try:
                await self.volumes.make()
                break
            except (VolumeError, KubeError, aiohttp.ClientError, OSError, TimeoutError) as error:
                self._message = str(error)
                self._news.set()
                await asyncio.sleep(0.5)
        self._message = ""
        async with asyncio.TaskGroup() as group:
            for container in self.containers:
                group.create_task(container.run())

    async def _tell_forever(self) -> None:
        pause = 0.2
        while True:
            self._news.clear()
            try:
                await self._tell()
                pause = 0.2
            except KubeError as error:
                if error.code == 404:
                    self.terminate(0.0)
                    return
                LOG.warning("status of %s/%s refused: %s", self.namespace, self.name, error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)
                continue
            except (aiohttp.ClientError, OSError, TimeoutError):
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)
                continue
            await self._news.wait()
            await asyncio.sleep(0.02)  # several containers often change together

    async def _tell(self) -> None:
        path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}/status"
        body = {"metadata": {"uid": self.uid}, "status": self._status()}
        await self._kube.request("PATCH", path, body, content_type=MERGE, query={"fieldManager": "lab-node"})
        pids = {c.name: c.pid for c in self.containers if c.pid}
        (self.folder / "pids.json").write_text(json.dumps(pids))

    def _status(self) -> Object:
        statuses = [c.status() for c in self.containers]
        ended = [c.exit_code for c in self.containers]
        if all(code is not None for code in ended) and self._ending is None:
            phase = "Succeeded" if all(code == 0 for code in ended) else "Failed"
        else:
            phase = "Running" if any(s["started"] or s["lastState"] for s in statuses) else "Pending"
        ready = all(c.ready for c in self.containers) and phase == "Running" and self._ending is None
        conditions = [
            self._condition("PodScheduled", True),
            self._condition("PodReadyToStartContainers", True),
            self._condition("Initialized", True),
            self._condition("ContainersReady", ready),
            self._condition("Ready", ready),
        ]
        return {
            "phase": phase,
            "hostIP": "10.244.255.1",
            "hostIPs": [{"ip": "10.244.255.1"}],
            "podIP": self.ip,
            "podIPs": [{"ip": self.ip}],
            "startTime": self._began,
            "message": self._message or None,
            "conditions": conditions,
            "containerStatuses": statuses,
        }

    def _condition(self, kind: str, verdict: bool) -> Object:
        status = "True" if verdict else "False"
        known = self._since.get(kind)
        if known is None or known[0] != status:
            known = self._since[kind] = (status, now())
        condition: Object = {"type": kind, "status": status, "lastTransitionTime": known[1], "lastProbeTime": None}
        if not verdict:
            waiting = [c.name for c in self.containers if not c.ready]
            condition |= {"reason": "ContainersNotReady", "message": f"containers with unready status: {waiting}"}
        return condition

    async def _token(self, namespace: str, account: str, wanted: Object) -> str:
        spec = {
            "audiences": [wanted["audience"]] if wanted.get("audience") else [],
            "expirationSeconds": wanted.get("expirationSeconds") or 3600,
            "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": self.name, "uid": self.uid},
        }
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        return str((await self._kube.request("POST", path, body))["status"]["token"])

    async def _gone(self) -> None:
        """Nothing runs any more: let the API server forget the pod."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": self.uid},
        }
        for _ in range(20):
            try:
                await self._kube.request("DELETE", path, body)
                break
            except KubeError:
                break
            except (aiohttp.ClientError, OSError, TimeoutError):
                await asyncio.sleep(0.5)
        self.volumes.remove()


def log_file(state: Path, namespace: str, name: str, container: str) -> Path | None:
    """The log of the newest pod of this name."""
    found = sorted((state / "pods").glob(f"{namespace}_{name}_*/{container}.log"), key=lambda p: p.stat().st_mtime)
    return found[-1] if found else None
