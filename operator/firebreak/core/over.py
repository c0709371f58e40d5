"""When is it over by itself? Asked by core/judging.py and core/release.py."""

from datetime import datetime, timedelta

from firebreak.api.v1alpha1.incident import AIIncidentStatus
from firebreak.core.drift import drifted_since
from firebreak.core.evidence import declared_of
from firebreak.core.situation import Situation
from firebreak.core.verdict import Finding


def over_at(s: Situation, status: AIIncidentStatus, stable_for: timedelta) -> datetime | None:
    """When every objective will have been met for long enough; None while one of them is not seen to be met now."""
    cleared = [o.cleared_at for o in status.objectives if o.cleared_at and not o.breached]
    if not cleared or len(cleared) < len(status.objectives):
        return None
    verdicts = [s.verdicts.get(name) for name in declared_of(s, status)]
    if any(v is None or v.finding is not Finding.MET for v in verdicts):
        return None
    # What was good while the traffic was elsewhere says nothing of what has it back.
    drifted = drifted_since(status)
    return max((*cleared, drifted) if drifted else cleared) + stable_for
