"""Where and as whom is each metric source asked, as it is declared now?

Follows the catalog once a round of app/evaluate.py; Secrets are read again every minute. A source that cannot be used
is left out with the reason; the objectives that read it say Error, and no others.
"""

import asyncio
import base64
from collections.abc import Mapping

import structlog

from firebreak.adapters.kube.client import ClusterDenied, KubeClient
from firebreak.adapters.kube.kinds import SECRET, path_of
from firebreak.adapters.prometheus import Endpoint
from firebreak.api.v1alpha1 import ClusterMetricSource, MetricSource
from firebreak.api.v1alpha1.source import LONGEST_TIMEOUT, MetricSourceSpec, SecretKey
from firebreak.app.catalog import Catalog
from firebreak.app.sources import Sources
from firebreak.core.objectives import SourceKey
from firebreak.core.ports import ClusterUnavailable

log = structlog.get_logger()

SECRET_LABEL = "firebreak.dev/metric-source"
_READ_SECRETS_EVERY_SECONDS = 60.0
_SECRETS_AT_ONCE = 8

_Known = tuple[MetricSourceSpec, float, Endpoint | str]
"""A source as declared, when its Secrets were read, and where that leads to, or why nowhere."""


class Unusable(Exception):
    """The source cannot be asked as declared; the message says what to change and holds no secret."""


class Endpoints:
    """Keeps `Sources` in step with the declared sources."""

    def __init__(self, client: KubeClient, catalog: Catalog, sources: Sources, namespace: str) -> None:
        self._client = client
        self._catalog = catalog
        self._sources = sources
        self._namespace = namespace
        self._known: Mapping[SourceKey, _Known] = {}
        self._slots = asyncio.Semaphore(_SECRETS_AT_ONCE)
        self._in_use: Mapping[SourceKey, Endpoint] = {}
        self.unusable: Mapping[SourceKey, str] = {}
        """Why some sources cannot be asked."""

    async def follow(self, monotonic: float) -> None:
        """Bring everything up to date; without the API server what is known stays."""
        declared: tuple[MetricSource | ClusterMetricSource, ...] = (
            *self._catalog.all(MetricSource),
            *self._catalog.all(ClusterMetricSource),
        )
        known: dict[SourceKey, _Known] = {}
        news = []
        for source in declared:
            key = SourceKey(source.metadata.namespace, source.metadata.name)
            spec, read_at, found = self._known.get(key, (None, float("-inf"), ""))
            stale = _has_secrets(source.spec) and monotonic - read_at >= _READ_SECRETS_EVERY_SECONDS
            if spec is None or spec != source.spec or stale:
                news.append((key, source.spec))
            else:
                known[key] = (spec, read_at, found)
        async with asyncio.TaskGroup() as group:
            reads = {key: group.create_task(self._found(key, spec)) for key, spec in news}
        for key, spec in news:
            now_found = reads[key].result()
            if now_found is not None:
                known[key] = (spec, monotonic, now_found)
        self._known = known
        wanted = {key: found for key, (_, _, found) in known.items() if isinstance(found, Endpoint)}
        unusable = {key: found for key, (_, _, found) in known.items() if isinstance(found, str)}
        if wanted != self._in_use:
            unusable |= await self._sources.use(wanted)
            self._in_use = wanted
            self.unusable = unusable
        elif unusable:
            self.unusable = {**self.unusable, **unusable}

    async def _found(self, key: SourceKey, spec: MetricSourceSpec) -> Endpoint | str | None:
        """Where a source leads to, or why nowhere; None if that was never known and cannot be known now."""
        try:
            async with self._slots:
                return await self._endpoint(key, spec)
        except Unusable as error:
            return str(error)
        except ClusterUnavailable as error:
            log.warning("source_credentials_unread", source="/".join(filter(None, key)), error=str(error))
            return self._known[key][2] if key in self._known else None
        except Exception as error:
            # Whatever one source does must not end the round of all. Its words may hold the secret.
            log.exception("source_not_understood", source="/".join(filter(None, key)))
            return f"cannot be used as declared ({type(error).__name__})"

    async def _endpoint(self, key: SourceKey, spec: MetricSourceSpec) -> Endpoint:
        where = key.namespace or self._namespace
        basic = None
        if spec.basic_auth:
            basic = (spec.basic_auth.username, await self._secret(where, spec.basic_auth.password))
        return Endpoint(
            url=spec.url,
            timeout=min(spec.timeout, LONGEST_TIMEOUT),  # one that was stored before the schema had a bound
            tenant=spec.tenant,
            bearer_token=await self._secret(where, spec.bearer_token) if spec.bearer_token else None,
            basic_auth=basic,
            ca_pem=await self._secret(where, spec.tls.ca) if spec.tls.ca else None,
            insecure_skip_verify=spec.tls.insecure_skip_verify,
        )

    async def _secret(self, namespace: str, ref: SecretKey) -> str:
        place = f"Secret {namespace}/{ref.name}"
        try:
            found = await self._client.get(path_of(SECRET.key(namespace, ref.name)))
        except ClusterDenied as error:
            raise Unusable(f"{place} may not be read: add {namespace} to the chart's value secretNamespaces") from error
        if found is None:
            raise Unusable(f"{place} does not exist")
        if (found["metadata"].get("labels") or {}).get(SECRET_LABEL) != "true":
            raise Unusable(f'{place} is not labelled {SECRET_LABEL}: "true", so it is not read')
        data = (found.get("data") or {}).get(ref.key)
        if data is None:
            raise Unusable(f"{place} has no key {ref.key}")
        try:
            return base64.b64decode(data).decode().strip()
        except ValueError as error:
            raise Unusable(f"{place}: its key {ref.key} holds no text; write the credential in UTF-8") from error


def _has_secrets(spec: MetricSourceSpec) -> bool:
    return bool(spec.bearer_token or spec.basic_auth or spec.tls.ca)
