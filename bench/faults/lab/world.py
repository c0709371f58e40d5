"""The lab with Firebreak's chart on it, without its operator, and a loop that serves the doors."""

import asyncio
import base64
import contextlib
import json
import ssl
import threading
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Any, TypeVar

import yaml
from bench.faults.lab.traffic import NARROWED
from lab.cluster import Lab
from lab.install import NAMESPACE, install
from lab.paths import IMAGES, REPOSITORY
from tests.integration.operator.watching import Reader

T = TypeVar("T")
_SHOP = REPOSITORY / "tests" / "integration" / "operator" / "images.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What all namespaces share."""

    lab: Lab
    reader: Reader
    folder: Path
    environ: Mapping[str, str]
    """The operator's settings, as the chart makes them."""
    token: str
    tls: ssl.SSLContext
    loop: asyncio.AbstractEventLoop

    def call(self, act: Coroutine[Any, Any, T]) -> T:
        """Do this where the doors are served, and wait for it."""
        return asyncio.run_coroutine_threadsafe(act, self.loop).result()

    def let_route_name_the_responder(self, namespace: str) -> None:
        """What the chart's value `responder.namespaces` does."""
        grant = {
            "apiVersion": "gateway.networking.k8s.io/v1beta1",
            "kind": "ReferenceGrant",
            "metadata": {"name": f"bench-{namespace}", "namespace": NAMESPACE},
            "spec": {
                "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": namespace}],
                "to": [{"group": "", "kind": "Service", "name": "firebreak-responder"}],
            },
        }
        self.lab.kubectl("apply", "-f", "-", input=json.dumps(grant))

    def restart_etcd(self) -> None:
        """Kill etcd and start it again; returns at once."""

        def restart() -> None:
            self.lab.signal("etcd", SIGKILL)
            self.lab.restart("etcd")

        threading.Thread(target=restart, daemon=True).start()

    @property
    def watched_paths(self) -> tuple[str, ...]:
        """The collections that an operator watches in its namespace."""
        return tuple(kind.collection() for kind in NARROWED)


@contextlib.contextmanager
def standing(folder: Path) -> Iterator[World]:
    """Start it all."""
    folder.mkdir(parents=True, exist_ok=True)
    with Lab.start(images=[IMAGES, _SHOP]) as lab, _loop() as loop:
        install(lab, settings=("replicas=0", "circuitBreaker.enabled=false", "responder.replicas=1"))
        _allow_leases(lab)
        settings = json.loads(lab.kubectl("get", "configmap", "firebreak", "-n", NAMESPACE, "-o", "json"))["data"]
        token = lab.kubectl("create", "token", "firebreak", "-n", NAMESPACE, "--duration=24h").strip()
        cluster = yaml.safe_load(lab.kubeconfig.read_text())["clusters"][0]["cluster"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        yield World(
            lab=lab,
            reader=Reader.of(lab),
            folder=folder,
            environ=settings | {"POD_NAMESPACE": NAMESPACE},
            token=token,
            tls=ssl.create_default_context(cadata=authority),
            loop=loop,
        )


def _allow_leases(lab: Lab) -> None:
    """The chart grants one Lease by its name; here each namespace's operators compete for one of their own."""
    lab.kubectl(
        *("create", "role", "bench-leases", "-n", NAMESPACE, "--resource=leases.coordination.k8s.io"),
        *("--verb=get", "--verb=create", "--verb=update"),
    )
    account = f"--serviceaccount={NAMESPACE}:firebreak"
    lab.kubectl("create", "rolebinding", "bench-leases", "-n", NAMESPACE, "--role=bench-leases", account)


@contextlib.contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
