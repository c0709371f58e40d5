"""In which order does a lab start, and what does it do with commands while it runs?"""

import asyncio
import logging
import signal
import socket
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from lab.components import API_URL, components
from lab.files import Files
from lab.inside.bootstrap import apply_crds, apply_file, condition, until
from lab.inside.control import ControlError, serve
from lab.inside.forward import forward
from lab.inside.processes import Processes, SpawnError
from lab.inside.runner import Runner, StartError
from lab.kube import Kube
from lab.kubeconfig import token_of
from lab.node.agent import Agent
from lab.node.settings import AgentSettings
from lab.paths import MANIFESTS, REPOSITORY
from lab.spec import API_PORT, GATEWAY_PORT, NODE_NAME, POD_CIDR, PROMETHEUS_PORT, Spec

__all__ = ["Inside", "StartError"]

DOORS = {"api": API_PORT, "gateway": GATEWAY_PORT, "prometheus": PROMETHEUS_PORT}
LOG = logging.getLogger("lab")


class Inside:
    """A lab, seen from its first process."""

    def __init__(self, spec: Spec, files: Files, stop: asyncio.Event) -> None:
        self._spec = spec
        self._files = files
        self._stop = stop
        self._processes = Processes()
        self._runner = Runner(components(spec, files), self._processes, files)
        self._servers: list[asyncio.Server] = []
        self._waiting: set[str] = set()
        self._began = time.monotonic()
        self.ready_after: dict[str, float] = {}
        """Seconds from the start until each part was ready."""

    async def start(self) -> None:
        """Start everything; StartError when a part of it fails."""
        try:
            for name in ("etcd", "kube-apiserver"):
                await self._runner.start(name)
            for door, descriptor in self._spec.doors.items():
                self._servers.append(await forward(socket.socket(fileno=descriptor), "127.0.0.1", DOORS[door]))
            self._servers.append(await serve(self._files.control, self._obey))
            self._kube = Kube(API_URL, token_of(self._files.user("admin")), self._files.ca)
            parts = [self._part("etcd"), self._cluster()]
            if self._spec.prometheus:
                await self._runner.start("prometheus")
                parts.append(self._part("prometheus"))
            await together(*parts)
        except SpawnError as error:
            raise StartError(str(error)) from error

    async def stop(self) -> None:
        """Give the node's pods a chance to end; the kernel sees to all the rest."""
        self._being_node.cancel()
        await asyncio.wait({self._being_node}, timeout=3)
        await self._kube.close()

    def explain_late(self) -> str:
        """What the start was still waiting for."""
        return self._runner.explain(self._waiting)

    async def _cluster(self) -> None:
        await self._part("kube-apiserver")
        self._start_agent()
        for name in ("kube-controller-manager", "kube-scheduler"):
            await self._runner.start(name)
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        parts = [
            self._part("kube-controller-manager"),
            self._part("kube-scheduler"),
            self._noted("the default ServiceAccount", until(self._kube, account, lambda _: True)),
            self._noted("the node", self._node_ready()),
        ]
        if self._spec.prometheus:
            parts.append(apply_file(self._kube, MANIFESTS / "prometheus.yaml"))
        if self._spec.gateway:
            parts.append(self._gateway())
        await together(*parts)

    async def _gateway(self) -> None:
        await self._noted("the Gateway API", apply_crds(self._kube, [Path(each) for each in self._spec.crds]))
        await apply_file(self._kube, MANIFESTS / "gateway.yaml")
        await self._runner.start("traefik")
        await self._part("traefik")
        gateway = "/apis/gateway.networking.k8s.io/v1/namespaces/gateway-system/gateways/lab"
        await self._noted("the Gateway", until(self._kube, gateway, lambda item: condition(item, "Programmed")))

    def _start_agent(self) -> None:
        settings = AgentSettings(
            node_name=NODE_NAME,
            pod_cidr=POD_CIDR,
            state=self._files.node,
            images=self._spec.images,
            api_host="127.0.0.1",
            api_port=API_PORT,
            ca=self._files.ca,
            visible=visible_to_pods(),
        )
        self._agent = Agent(self._kube, self._processes, settings)
        self._being_node = asyncio.create_task(self._agent.run())
        self._being_node.add_done_callback(_log_end)

    async def _node_ready(self) -> None:
        ready = asyncio.create_task(
            until(self._kube, f"/api/v1/nodes/{NODE_NAME}", lambda item: condition(item, "Ready"))
        )
        try:
            await asyncio.wait({ready, self._being_node}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if self._being_node.done():
            raise StartError(f"the node agent ended: {self._being_node.exception()!r}")

    async def _part(self, name: str) -> None:
        await self._noted(name, self._runner.ready(name))

    async def _noted(self, name: str, wait: Coroutine[Any, Any, None]) -> None:
        self._waiting.add(name)
        await wait
        self._waiting.discard(name)
        self.ready_after[name] = round(time.monotonic() - self._began, 2)

    async def _obey(self, request: dict[str, Any]) -> dict[str, Any]:
        match request:
            case {"command": "status"}:
                return {"components": self._runner.status(), "ready_after": self.ready_after}
            case {"command": "signal", "component": str(name), "signal": int(number)}:
                self._runner.signal(name, signal.Signals(number))
            case {"command": "restart", "component": str(name)}:
                await self._runner.restart(name)
            case {"command": "kill_pod", "namespace": str(namespace), "pod": str(pod), "signal": int(number)}:
                container = request.get("container")
                if not self._agent.kill(namespace, pod, container, signal.Signals(number)):
                    raise ControlError(f"the node runs no pod {namespace}/{pod}")
            case {"command": "stop"}:
                self._stop.set()
            case _:
                raise ControlError(f"no such command: {request}")
        return {}


def visible_to_pods() -> tuple[Path, ...]:
    """What a pod's processes need of this machine, whatever is mounted over it: the repository and the interpreter."""
    return tuple(dict.fromkeys(Path(each) for each in (REPOSITORY, sys.prefix, sys.base_prefix)))


def _log_end(agent: asyncio.Task[None]) -> None:
    if not agent.cancelled() and (error := agent.exception()) is not None:
        LOG.error("the node agent ended", exc_info=error)


async def together(*parts: Coroutine[Any, Any, None]) -> None:
    """Run all at once; the first that fails ends the others and is what is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(part)
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
