"""Reading the API server as a program does: get, and watch until something is so."""

import base64
import json
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml
from lab.cluster import Lab

Object = dict[str, Any]

_PATHS = {
    "ais": "apis/firebreak.dev/v1alpha1/{namespaces}aiservices",
    "aii": "apis/firebreak.dev/v1alpha1/{namespaces}aiincidents",
    "quarantine": "apis/firebreak.dev/v1alpha1/{namespaces}quarantines",
    "samplingraise": "apis/firebreak.dev/v1alpha1/{namespaces}samplingraises",
    "drill": "apis/firebreak.dev/v1alpha1/{namespaces}containmentdrills",
    "metricsource": "apis/firebreak.dev/v1alpha1/{namespaces}metricsources",
    "deployment": "apis/apps/v1/{namespaces}deployments",
    "controllerrevision": "apis/apps/v1/{namespaces}controllerrevisions",
    "configmap": "api/v1/{namespaces}configmaps",
    "event": "apis/events.k8s.io/v1/{namespaces}events",
    "pod": "api/v1/{namespaces}pods",
    "namespace": "api/v1/namespaces",
    "lease": "apis/coordination.k8s.io/v1/{namespaces}leases",
    "httproute": "apis/gateway.networking.k8s.io/v1/{namespaces}httproutes",
}
_WATCH_SECONDS = 20


class NotSo(AssertionError):
    """What was awaited did not come about; the message shows what is so instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """The API server, read as administrator."""

    url: str
    token: str = field(repr=False)
    context: ssl.SSLContext = field(repr=False)

    @classmethod
    def of(cls, lab: Lab) -> "Reader":
        """As the lab's kubeconfig says."""
        config = yaml.safe_load(lab.kubeconfig.read_text())
        authority = config["clusters"][0]["cluster"]["certificate-authority-data"]
        context = ssl.create_default_context(cadata=_pem(authority))
        return cls(url=lab.api_url, token=config["users"][0]["user"]["token"], context=context)

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """The object as it is now; None when there is none."""
        try:
            with self._open(f"{_collection(kind, namespace)}/{name}", {}, 10) as response:
                found: Object = json.load(response)
                return found
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def list(self, kind: str, namespace: str) -> list[Object]:
        """Every object of the kind in the namespace."""
        with self._open(_collection(kind, namespace), {}, 10) as response:
            items: list[Object] = json.load(response)["items"]
            return items

    def until(
        self, kind: str, namespace: str, name: str, what: str, is_so: Callable[[Object | None], bool], seconds: float
    ) -> Object | None:
        """The object once it is as awaited; watches, and begins again where a watch is cut off."""
        deadline = time.monotonic() + seconds
        last: Object | None = None
        while True:
            try:
                last = self.get(kind, namespace, name)
                if is_so(last):
                    return last
                version = last["metadata"]["resourceVersion"] if last else "0"
                for last in self._watch(kind, namespace, name, version, deadline):
                    if is_so(last):
                        return last
            except (OSError, ValueError):
                # The server is away, or the watch was cut off in the middle of a line.
                time.sleep(0.2)
            if time.monotonic() >= deadline:
                raise NotSo(f"{namespace}: {what}: not within {seconds:g} s; {kind} {name} is {_short(last)}")

    def _watch(self, kind: str, namespace: str, name: str, version: str, deadline: float) -> Any:
        left = min(_WATCH_SECONDS, max(1.0, deadline - time.monotonic()))
        query = {
            "watch": "1",
            "fieldSelector": f"metadata.name={name}",
            "resourceVersion": version,
            "timeoutSeconds": str(int(left)),
        }
        with self._open(_collection(kind, namespace), query, left + 2) as response:
            for line in response:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                yield None if event["type"] == "DELETED" else event["object"]

    def _open(self, path: str, query: dict[str, str], timeout: float) -> Any:
        url = f"{self.url}/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self.token}"})
        return urllib.request.urlopen(request, timeout=timeout, context=self.context)


def _collection(kind: str, namespace: str) -> str:
    return _PATHS[kind].format(namespaces=f"namespaces/{namespace}/" if namespace else "")


def _pem(encoded: str) -> str:
    return base64.b64decode(encoded).decode()


def _short(found: Object | None) -> str:
    if found is None:
        return "not there"
    status = found.get("status") or {}
    kept = {k: v for k, v in status.items() if k not in ("policy", "actions", "timeline")}
    lines = [f"{e['at']} {e['reason']}: {e['message']}" for e in status.get("timeline", ())]
    actions = [
        {k: a.get(k) for k in ("kind", "phase", "outcome", "reason", "because", "message")}
        for a in status.get("actions", ())
    ]
    told = json.dumps(kept, indent=1) + "".join(f"\n{a}" for a in actions) + "".join(f"\n{line}" for line in lines)
    return re.sub(r"\n\s+", "\n ", told)
