"""How do the cluster's events reach the catalog?

`on.event` only: it writes nothing to objects and is never retried, so handlers do no I/O, lose nothing (what cannot be
read is kept as Invalid) and return nothing (Kopf would patch a returned value into the status).
Deletions during a gap of the watch never come: app/relist.py is the truth.
"""

from typing import Any

import kopf

from firebreak.adapters.kube.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    FIREBREAK,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    SCALED_OBJECT,
    Kind,
)
from firebreak.app.catalog import Catalog, key_of
from firebreak.app.settings import Reach

_TARGETS = (DEPLOYMENT, CONFIG_MAP, HTTP_ROUTE, HORIZONTAL_POD_AUTOSCALER, SCALED_OBJECT)


def watched_kinds(reach: Reach) -> tuple[Kind, ...]:
    """Every kind that the catalog keeps, Firebreak's own first: they say which targets matter.

    Of the kinds that services may write to only those within reach: the others may not be read either.
    """
    allowed = {(kind.api_version, kind.kind) for kind in reach.kinds}
    return (*FIREBREAK.values(), *(t for t in _TARGETS if (t.api_version, t.kind) in allowed))


def register(registry: kopf.OperatorRegistry, catalog: Catalog, kinds: tuple[Kind, ...]) -> None:
    """Keep the catalog equal to the cluster; the loop takes it from there."""

    async def seen(event: kopf.RawEvent, **_: Any) -> None:
        raw = event["object"]
        if event["type"] == "DELETED":
            catalog.forget(key_of(raw), raw["metadata"].get("resourceVersion", ""))
        else:
            catalog.see(raw)

    for kind in kinds:
        group, _, version = kind.api_version.rpartition("/")
        kopf.on.event(group, version, kind.plural, registry=registry)(seen)
