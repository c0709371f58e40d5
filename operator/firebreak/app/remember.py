"""How does a service come to remember an incident before the incident can be lost?

Asked by app/loop.py just before an incident's record begins, and just before it ends: from then on people may delete
it. Two objects cannot be written at once, so the memory is written first, and under the incident's name: killed in
between, the next turn writes the same again, and the incident counts once.
"""

import structlog

from firebreak.adapters.kube.objects import Conflict, FirebreakObjects, Stored
from firebreak.api.v1alpha1 import AIIncident, AIService
from firebreak.api.v1alpha1.model import API_VERSION
from firebreak.app.catalog import Catalog
from firebreak.core.memory import kept, remembered
from firebreak.core.ports import Missing, ObjectKey

log = structlog.get_logger()


async def remember(objects: FirebreakObjects, catalog: Catalog, service: AIService, incident: AIIncident) -> bool:
    """Have the service's status know of this incident; False when someone has written it meanwhile: look again."""
    meta = service.metadata
    known = kept(service.status, remembered(meta.name, service.status, (incident,)))
    if known.dump() == service.status.dump():
        return True
    where = ObjectKey(API_VERSION, AIService.__name__, meta.namespace, meta.name)
    stored = await objects.write_status(where, meta.resource_version, known)
    match stored:
        case Stored():
            catalog.see(stored.object)
            return True
        case Conflict():
            fresh = await objects.get(AIService.__name__, meta.namespace, meta.name)
            if fresh is not None:
                catalog.see(fresh)
            return False
        case Missing():
            catalog.forget(where)
            return False
        case _:
            # Asking again changes nothing, and an incident that can never end is worse than one that may be forgotten.
            log.warning("incident_not_remembered", incident=incident.metadata.name, message=stored.message)
            return True
