"""What was seen of an effect in the cluster: the first of the two proofs of a step.

Made by adapters/kube/observers.py, read by `decide`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """It is so, and was seen to be so."""

    because: str
    since: datetime | None = None
    """Since when, where the cluster says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Not yet; what is missing."""

    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It will not be so without someone's help."""

    because: str
    is_seen: bool = True
    """False: it could not be looked at, so nothing is known of it."""


Effect: TypeAlias = InForce | Waiting | Failed


def all_of(effects: tuple[Effect, ...]) -> Effect:
    """In force when every part is; one that failed outweighs one that is still awaited."""
    for kind in (Failed, Waiting):
        for effect in effects:
            if isinstance(effect, kind):
                return effect
    moments = [e.since for e in effects if isinstance(e, InForce) and e.since is not None]
    because = "; ".join(dict.fromkeys(e.because for e in effects)) or "nothing to wait for"
    return InForce(because=because, since=max(moments, default=None))
