"""How do people see in `kubectl describe` what was decided?

An Event is never worth a failure: one that cannot be written is a line in the log. The same thing said again about the
same object counts up the Event that says it, as the kubelet and controllers do, instead of piling up new ones.
"""

import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from firebreak.adapters.kube.client import MERGE_PATCH, WRITE_TIMEOUT, ClusterDenied, KubeClient, written_by
from firebreak.adapters.kube.kinds import EVENT, path_of
from firebreak.core.ports import ClusterError, ObjectKey

COMPONENT = "firebreak"
_LONGEST_BYTES = 1024
_AGAIN_WITHIN = timedelta(minutes=10)
"""Well below the API server's time to live of Events (an hour by default)."""
_REMEMBERED = 1000

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class _Told:
    key: ObjectKey
    count: int
    at: datetime


class Events:
    """Tells people about objects."""

    def __init__(self, client: KubeClient, *, now: Callable[[], datetime], identity: str) -> None:
        self._client = client
        self._now = now
        self._identity = identity
        self._told: OrderedDict[tuple[str, str, str], _Told] = OrderedDict()

    async def tell(
        self,
        about: ObjectKey,
        *,
        uid: str,
        reason: str,
        message: str,
        warning: bool = False,
        action: str = "",
    ) -> None:
        """Say something about an object; never fails."""
        text = _cut(message)
        said, now = (uid or str(about), reason, text), self._now()
        told = self._told.get(said)
        try:
            if told is None or now - told.at > _AGAIN_WITHIN or not await self._again(told, now):
                key = await self._first(about, uid, reason, text, warning, action, now)
                told = self._told[said] = _Told(key=key, count=1, at=now)
            self._told.move_to_end(said)
            if len(self._told) > _REMEMBERED:
                self._told.popitem(last=False)
        except ClusterError as error:
            log.warning("event_lost", kind=about.kind, name=about.name, reason=reason, error=str(error))

    async def _again(self, told: _Told, now: datetime) -> bool:
        """Count up; False when the Event is gone."""
        answer = await self._client.request(
            "PATCH",
            path_of(told.key),
            query=written_by(),
            body={"count": told.count + 1, "lastTimestamp": _text(now)},
            content_type=MERGE_PATCH,
            deadline_seconds=WRITE_TIMEOUT,
        )
        if answer.status == 404:
            return False
        if not answer.ok:
            raise ClusterDenied(answer.message)
        told.count, told.at = told.count + 1, now
        return True

    async def _first(
        self, about: ObjectKey, uid: str, reason: str, text: str, warning: bool, action: str, now: datetime
    ) -> ObjectKey:
        # Of a cluster-scoped object they are kept in `default`: kubectl looks for them there.
        key = EVENT.key(about.namespace or "default", f"{about.name[:200]}.{uuid.uuid4().hex[:16]}")
        answer = await self._client.request(
            "POST",
            EVENT.collection(key.namespace),
            query=written_by(),
            body={
                "apiVersion": EVENT.api_version,
                "kind": EVENT.kind,
                "metadata": {"name": key.name, "namespace": key.namespace},
                "involvedObject": {
                    "apiVersion": about.api_version,
                    "kind": about.kind,
                    "name": about.name,
                    "uid": uid,
                }
                | ({"namespace": about.namespace} if about.namespace else {}),
                "type": "Warning" if warning else "Normal",
                "reason": reason,
                "message": text,
                "count": 1,
                "firstTimestamp": _text(now),
                "lastTimestamp": _text(now),
                "source": {"component": COMPONENT},
                "reportingComponent": COMPONENT,
                "reportingInstance": self._identity,
            }
            | ({"action": action} if action else {}),
            deadline_seconds=WRITE_TIMEOUT,
        )
        if not answer.ok:
            raise ClusterDenied(answer.message)
        return key


def _cut(message: str) -> str:
    """The API server counts bytes."""
    raw = message.encode()
    if len(raw) <= _LONGEST_BYTES:
        return message
    return raw[: _LONGEST_BYTES - len("…".encode())].decode(errors="ignore") + "…"


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
