"""With which credentials does Kopf watch? The Pod's ServiceAccount, else the kubeconfig.

Kopf reads a token once unless told when it expires; the projected token rotates, so it is read again every ten minutes.
Where the same token was refused just now, we wait: Kopf would ask twenty times a second.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import kopf

_READ_AGAIN = timedelta(minutes=10)
_AT_LEAST_BETWEEN = timedelta(seconds=5)


class Login:
    """The login of one run of Kopf; `credentials` is the handler."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._last: tuple[datetime, str | None] | None = None

    async def credentials(self, **kwargs: Any) -> kopf.ConnectionInfo:
        """The credentials as they are now; raises kopf.LoginError when there are none."""
        found = _in_cluster(kopf.login_with_service_account(**kwargs)) or kopf.login_with_kubeconfig(**kwargs)
        if found is None:
            raise kopf.LoginError("there is neither a ServiceAccount token nor a kubeconfig")
        now = self._now()
        if self._last and self._last[1] == found.token and now - self._last[0] < _AT_LEAST_BETWEEN:
            await asyncio.sleep(_AT_LEAST_BETWEEN.total_seconds())
        self._last = (self._now(), found.token)
        return replace(found, expiration=self._now() + _READ_AGAIN)


def _in_cluster(found: kopf.ConnectionInfo | None) -> kopf.ConnectionInfo | None:
    """The API server as the Pod's environment names it: Kopf would ask DNS, which may be the thing that is down."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if found is None or not host:
        return found
    return replace(found, server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}")
