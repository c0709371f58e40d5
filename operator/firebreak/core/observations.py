"""What was seen of an effect in the cluster: the first of the two proofs of a step.

Made by adapters/kube/observers.py, read by `decide`.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """It is so, and was seen to be so."""

    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Not yet; what is missing."""

    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It will not be so without someone's help."""

    because: str


Effect: TypeAlias = InForce | Waiting | Failed


def all_of(effects: tuple[Effect, ...]) -> Effect:
    """In force when every part is; one that failed outweighs one that is still awaited."""
    for kind in (Failed, Waiting):
        for effect in effects:
            if isinstance(effect, kind):
                return effect
    return InForce(because="; ".join(dict.fromkeys(e.because for e in effects)) or "nothing to wait for")
