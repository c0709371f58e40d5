"""Which environment does a container get, and which command?"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab.node.settings import AgentSettings

Object = dict[str, Any]
ConfigMaps = Callable[[str, str], Object | None]


class ConfigError(Exception):
    """The container cannot be started as declared; the message becomes its status."""


class ImageError(Exception):
    """No command is known for this image."""


def field_of(pod: Object, path: str) -> str:
    """The downward API: what a fieldRef names."""
    keyed = re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path)
    if keyed:
        return str((pod["metadata"].get(keyed[1]) or {}).get(keyed[2], ""))
    status = pod.get("status") or {}
    found: Mapping[str, object] = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
        "metadata.uid": pod["metadata"]["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", "default"),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": status.get("podIP", ""),
        "status.hostIP": status.get("hostIP", ""),
    }
    if path not in found:
        raise ConfigError(f"fieldRef {path} is not in the lab")
    return str(found[path])


def environment(pod: Object, container: Object, configmaps: ConfigMaps, settings: AgentSettings) -> dict[str, str]:
    """The container's environment; raises ConfigError as a kubelet says CreateContainerConfigError."""
    namespace = pod["metadata"]["namespace"]
    result = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/",
        "LANG": "C.UTF-8",
        "HOSTNAME": pod["metadata"]["name"],
        "PYTHONUNBUFFERED": "1",
        # Many processes share two cores: none of them gains by starting a thread for each.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "KUBERNETES_SERVICE_HOST": settings.api_host,
        "KUBERNETES_SERVICE_PORT": str(settings.api_port),
    }
    for source in container.get("envFrom") or ():
        wanted = source.get("configMapRef")
        if wanted is None:
            raise ConfigError("envFrom: the lab knows configMapRef only")
        found = configmaps(namespace, wanted["name"])
        if found is None and not wanted.get("optional"):
            raise ConfigError(f'configmap "{wanted["name"]}" not found')
        prefix = source.get("prefix", "")
        result |= {prefix + k: v for k, v in ((found or {}).get("data") or {}).items()}
    for entry in container.get("env") or ():
        value = _value(pod, entry, configmaps)
        if value is not None:
            result[entry["name"]] = _expanded(value, result)
    return result


def _value(pod: Object, entry: Object, configmaps: ConfigMaps) -> str | None:
    source = entry.get("valueFrom")
    if source is None:
        return str(entry.get("value", ""))
    if "fieldRef" in source:
        return field_of(pod, source["fieldRef"]["fieldPath"])
    if "configMapKeyRef" in source:
        wanted = source["configMapKeyRef"]
        found = configmaps(pod["metadata"]["namespace"], wanted["name"])
        value = ((found or {}).get("data") or {}).get(wanted["key"])
        if value is None and not wanted.get("optional"):
            what = f'configmap "{wanted["name"]}"'
            raise ConfigError(f"{what} not found" if found is None else f"{what} has no key {wanted['key']}")
        return value
    raise ConfigError(f"env {entry['name']}: valueFrom.{next(iter(source))} is not in the lab")


def _expanded(value: str, known: Mapping[str, str]) -> str:
    """$(NAME) stands for what was set before; an unknown one is left as it is."""
    return re.sub(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)", lambda m: known.get(m[1], m[0]), value)


def command(container: Object, images: Mapping[str, Sequence[str]], known: Mapping[str, str]) -> list[str]:
    """What is run: `command` in place of the image's own, then `args`. Raises ImageError for an unknown image."""
    image = container["image"]
    own = images.get(image) or images.get(image.rpartition(":")[0] if ":" in image.rpartition("/")[2] else image)
    if own is None and not container.get("command"):
        raise ImageError(f'the lab has no command for image "{image}"; it has: {", ".join(sorted(images))}')
    argv = [*(container.get("command") or own or ()), *(container.get("args") or ())]
    return [_expanded(a, known) for a in argv]
