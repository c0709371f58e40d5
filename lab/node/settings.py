"""What the node agent needs to know of the lab it is part of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """One node."""

    node_name: str
    pod_cidr: str
    """Pods get addresses from this range; the lab routes it to itself."""
    state: Path
    """Volumes, logs and process numbers of the pods."""
    images: Mapping[str, Sequence[str]]
    """The command of each image, by `repository:tag` or by `repository` for every tag."""
    api_host: str
    api_port: int
    """Where pods find the API server."""
    ca: Path
    visible: tuple[Path, ...] = ()
    """Paths that a container must see whatever is mounted above them: the interpreter and the repository."""
