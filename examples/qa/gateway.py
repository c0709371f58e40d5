"""How do the parts reach each other? Through the gateway, by host name; nothing here needs cluster DNS."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

import aiohttp


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The gateway's address, and the host names of the service's two routes."""

    url: str
    public_host: str
    internal_host: str

    @classmethod
    def from_environment(cls) -> Self:
        """As the ConfigMap `qa-gateway` says."""
        return cls(
            url=os.environ.get("GATEWAY_URL", "http://127.0.0.1:8000").rstrip("/"),
            public_host=os.environ.get("PUBLIC_HOST", "qa.example"),
            internal_host=os.environ.get("INTERNAL_HOST", "internal.qa.example"),
        )

    @asynccontextmanager
    async def public(self) -> AsyncIterator[aiohttp.ClientSession]:
        """A session that speaks to the service as its users do."""
        async with self._session(self.public_host, seconds=5) as session:
            yield session

    @asynccontextmanager
    async def internal(self) -> AsyncIterator[aiohttp.ClientSession]:
        """A session that speaks to the service's own parts."""
        async with self._session(self.internal_host, seconds=5) as session:
            yield session

    def _session(self, host: str, seconds: float) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            self.url, headers={"Host": host}, timeout=aiohttp.ClientTimeout(total=seconds, connect=2)
        )


def outline(error: Exception) -> str:
    """An error of the gateway in a few words, for the log."""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{error.status} {error.message} from {error.request_info.url}"
    return f"{type(error).__name__}: {error}"
