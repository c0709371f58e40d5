"""What must be in the cluster before anybody uses it: the Gateway API, the lab's own roles and its Gateway."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from lab.kube import Kube, KubeError, Object

POLL = 0.05


def documents(path: Path) -> list[Object]:
    """The objects in a YAML file."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [item for item in yaml.load_all(path.read_text(), loader) if item]


async def apply_file(kube: Kube, path: Path) -> None:
    """Apply the objects of a file in their order, as often as it takes until their kinds are served."""
    for manifest in documents(path):
        await eventually(lambda manifest=manifest: kube.apply(manifest))


async def apply_crds(kube: Kube, paths: list[Path]) -> None:
    """Apply CustomResourceDefinitions and wait until they are served."""

    async def one(path: Path) -> None:
        for manifest in documents(path):
            await kube.apply(manifest)
            where = await kube.path_of(manifest)
            await until(kube, where, lambda item: condition(item, "Established"))

    await asyncio.gather(*(one(path) for path in paths))


async def eventually(action: Callable[[], Awaitable[Any]]) -> None:
    """Try until the API server accepts; the lab's deadline is the limit."""
    while True:
        try:
            await action()
            return
        except (KubeError, aiohttp.ClientError, OSError):
            await asyncio.sleep(POLL)


async def until(kube: Kube, path: str, is_so: Callable[[Object], bool]) -> None:
    """Wait until the object at a path is there and as it should be."""
    while True:
        try:
            if is_so(await kube.get(path)):
                return
        except (KubeError, aiohttp.ClientError, OSError):
            pass
        await asyncio.sleep(POLL)


def condition(item: Object, kind: str) -> bool:
    """Whether an object's status says so."""
    conditions = item.get("status", {}).get("conditions") or []
    return any(each["type"] == kind and each["status"] == "True" for each in conditions)
