"""What keeps a service from being contained, whatever its metrics say? Asked by app/observe.py, twice in each turn."""

from firebreak.api.v1alpha1 import AIService
from firebreak.app.catalog import Catalog
from firebreak.app.settings import Settings
from firebreak.core.commands import Reason
from firebreak.core.objectives import ServiceKey
from firebreak.core.situation import Hold


def holds_of(service: AIService, key: ServiceKey, catalog: Catalog, settings: Settings) -> tuple[Hold, ...]:
    """All of them; what was declared beyond the installation's reach is one too."""
    holds = []
    if service.spec.suspend:
        because = f"AIService {key.name} has spec.suspend: true; it goes on when that is set to false"
        holds.append(Hold(reason=Reason.SUSPENDED, because=because))
    if (why := catalog.paused) is not None:
        because = f"the whole installation is paused ({why}); it goes on with: kubectl firebreak resume"
        holds.append(Hold(reason=Reason.PAUSED, because=because))
    if (overlap := catalog.conflicts.get(key)) is not None:
        holds.append(Hold(reason=Reason.TARGET_CONFLICT, because=overlap))
    account = service.spec.containment.service_account_name
    if account and (refused := settings.may_act_as(key.namespace, account)) is not None:
        # Never with more rights than the service was to be given.
        holds.append(Hold(reason=Reason.TARGET_NOT_ALLOWED, because=refused))
    for claim in catalog.claims(key):
        if (beyond := settings.reach.allows(claim.target, claim.written)) is not None:
            holds.append(Hold(reason=Reason.TARGET_NOT_ALLOWED, because=f"{claim.place}: {beyond}"))
    return tuple(holds)
