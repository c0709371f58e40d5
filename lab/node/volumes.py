"""What stands in a pod's volumes?

ConfigMaps and projected volumes are written as a kubelet does: the files lie in a folder of their own, `..data` links
to it, and a change replaces that one link, so a reader sees all of the old files or all of the new ones.
A kubelet follows a changed ConfigMap within about a minute; the lab within a second.
"""

import base64
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

Object = dict[str, Any]
ConfigMaps = Callable[[str, str], Object | None]
Token = Callable[[str, str, Object], Awaitable[str]]


class VolumeError(Exception):
    """The volume cannot be made yet; the message becomes the pod's."""


SUPPORTED = ("configMap", "projected", "emptyDir", "downwardAPI")


class Volumes:
    """The volumes of one pod."""

    def __init__(self, pod: Object, root: Path, configmaps: ConfigMaps, token: Token, ca: Path) -> None:
        self._pod = pod
        self._namespace: str = pod["metadata"]["namespace"]
        self._root = root
        self._configmaps = configmaps
        self._token = token
        self._ca = ca
        self._written: dict[str, Mapping[str, bytes]] = {}

    def path(self, name: str) -> Path:
        """The folder that a container gets to see."""
        return self._root / name

    async def make(self) -> None:
        """Make every volume; raises VolumeError when something it needs is not there."""
        for volume in self._pod["spec"].get("volumes") or ():
            self.path(volume["name"]).mkdir(parents=True, exist_ok=True)
            if "emptyDir" not in volume:
                self._write(volume["name"], await self._content(volume))

    async def follow(self) -> None:
        """Bring ConfigMaps up to date; one that is gone leaves the files as they are."""
        for volume in self._pod["spec"].get("volumes") or ():
            if "configMap" in volume:
                try:
                    self._write(volume["name"], await self._content(volume))
                except VolumeError:
                    continue

    def remove(self) -> None:
        """Delete everything."""
        shutil.rmtree(self._root, ignore_errors=True)

    async def _content(self, volume: Object) -> Mapping[str, bytes]:
        if "configMap" in volume:
            return self._from_configmap(volume["configMap"], volume["configMap"].get("name", ""))
        if "projected" in volume:
            files: dict[str, bytes] = {}
            for source in volume["projected"]["sources"]:
                files |= await self._projected(source)
            return files
        if "downwardAPI" in volume:
            return self._downward(volume["downwardAPI"])
        kinds = [k for k in volume if k != "name"]
        raise VolumeError(f"volume {volume['name']}: the lab has no {kinds[0]} (it has {', '.join(SUPPORTED)})")

    async def _projected(self, source: Object) -> Mapping[str, bytes]:
        if "configMap" in source:
            return self._from_configmap(source["configMap"], source["configMap"]["name"])
        if "serviceAccountToken" in source:
            wanted = source["serviceAccountToken"]
            account = self._pod["spec"].get("serviceAccountName") or "default"
            return {wanted["path"]: (await self._token(self._namespace, account, wanted)).encode()}
        if "downwardAPI" in source:
            return self._downward(source["downwardAPI"])
        raise VolumeError(f"a projected volume's source {next(iter(source))} is not in the lab")

    def _from_configmap(self, wanted: Object, name: str) -> Mapping[str, bytes]:
        found = self._configmaps(self._namespace, name)
        if found is None:
            if wanted.get("optional"):
                return {}
            raise VolumeError(f'configmap "{name}" not found')
        data = {k: v.encode() for k, v in (found.get("data") or {}).items()}
        data |= {k: base64.b64decode(v) for k, v in (found.get("binaryData") or {}).items()}
        items = wanted.get("items")
        if not items:
            return data
        missing = [i["key"] for i in items if i["key"] not in data]
        if missing:
            raise VolumeError(f'configmap "{name}" has no key {missing[0]}')
        return {i["path"]: data[i["key"]] for i in items}

    def _downward(self, wanted: Object) -> Mapping[str, bytes]:
        from lab.node.environment import field_of

        return {i["path"]: field_of(self._pod, i["fieldRef"]["fieldPath"]).encode() for i in wanted.get("items") or ()}

    def _write(self, name: str, files: Mapping[str, bytes]) -> None:
        if self._written.get(name) == files:
            return
        folder = self.path(name)
        fresh = folder / f"..{time.time_ns()}"
        for path, content in files.items():
            (fresh / path).parent.mkdir(parents=True, exist_ok=True)
            (fresh / path).write_bytes(content)
        fresh.mkdir(parents=True, exist_ok=True)
        old = os.readlink(folder / "..data") if (folder / "..data").is_symlink() else None
        (folder / "..data_tmp").symlink_to(fresh.name)
        (folder / "..data_tmp").rename(folder / "..data")
        tops = {Path(p).parts[0] for p in files}
        for top in tops:
            if not (folder / top).is_symlink():
                (folder / top).symlink_to(f"..data/{top}")
        for entry in folder.iterdir():
            if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in tops:
                entry.unlink()
        if old:
            shutil.rmtree(folder / old, ignore_errors=True)
        self._written[name] = files
