"""Which metrics store does a MetricSource mean, as it is declared now?

Asked by the sampler for each feed; told by the loop whenever a source or its Secrets change. Keeps one client per
source, and puts a new one in place when where or as whom to ask has changed.
"""

from collections.abc import Mapping

import structlog

from firebreak.adapters.prometheus import Endpoint, Prometheus
from firebreak.core.objectives import SourceKey
from firebreak.core.ports_metrics import MetricsError, MetricsPort

log = structlog.get_logger()


class Sources:
    """The clients of all metric sources. Call within a running event loop, and `close` at the end."""

    def __init__(self) -> None:
        self._clients: dict[SourceKey, tuple[Endpoint, Prometheus]] = {}

    def __call__(self, key: SourceKey) -> MetricsPort | None:
        held = self._clients.get(key)
        return held[1] if held else None

    async def use(self, endpoints: Mapping[SourceKey, Endpoint]) -> dict[SourceKey, str]:
        """From now on exactly these; what is wrong with those that cannot be used."""
        problems: dict[SourceKey, str] = {}
        for key in [key for key, (endpoint, _) in self._clients.items() if endpoints.get(key) != endpoint]:
            _, client = self._clients.pop(key)
            await client.close()
        for key, endpoint in endpoints.items():
            if key not in self._clients:
                try:
                    self._clients[key] = (endpoint, Prometheus(endpoint))
                except MetricsError as error:
                    problems[key] = str(error)
                except Exception as error:
                    # What nobody foresaw in one source is that one's problem. Its words may hold a secret.
                    log.exception("source_not_usable", source="/".join(filter(None, key)))
                    problems[key] = f"{endpoint.url}: cannot be used as declared ({type(error).__name__})"
        return problems

    async def close(self) -> None:
        await self.use({})
