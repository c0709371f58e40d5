"""What one lab consists of: written by who starts it, read by its first process."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import yaml

API_PORT = 6443
GATEWAY_PORT = 8000
PROMETHEUS_PORT = 9090
"""Fixed, since nobody else is in the lab's network namespace."""

NODE_NAME = "lab"
POD_CIDR = "10.244.0.0/20"
"""The node's part of the range that is routed to loopback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A lab to start."""

    images: dict[str, list[str]]
    """What the node agent runs for each image."""
    binaries: dict[str, str]
    crds: list[str]
    """The files of the Gateway API's definitions; none for a lab without a gateway."""
    gateway: bool
    prometheus: bool
    doors: dict[str, int]
    """The file descriptors of the host's listening sockets, by what they lead to: api, gateway, prometheus."""
    report: int
    """Where the first process tells how the start goes, a JSON object a line; closed when it is over."""
    owner: int | None
    """A pipe whose end means that the lab's owner is gone; None for a lab that outlives its starter."""
    temporary: bool
    """Whether the state directory goes when the lab ends, however it ends."""
    deadline: float
    """Seconds until a start that is not over has failed."""

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, path: Path) -> Self:
        values: Mapping[str, Any] = json.loads(path.read_text())
        return cls(**values)


class ImagesError(Exception):
    """A file of images cannot be used; the message says why."""


def read_images(files: Iterable[Path], python: str) -> dict[str, list[str]]:
    """The commands of each image named in these YAML files, `{python}` replaced by the interpreter."""
    images: dict[str, list[str]] = {}
    for file in files:
        try:
            content = yaml.safe_load(file.read_text())
        except (OSError, yaml.YAMLError) as error:
            raise ImagesError(f"{file}: {error}") from error
        if not isinstance(content, dict):
            raise ImagesError(f"{file} must map an image to the list of words of its command")
        for image, argv in content.items():
            if not isinstance(argv, list) or not argv or not all(isinstance(word, str) for word in argv):
                raise ImagesError(f"{file}: {image} must be a list of words, such as [sleep, '60']; it is {argv!r}")
            if image in images:
                raise ImagesError(f"{file}: {image} is in another file too")
            images[str(image)] = [word.replace("{python}", python) for word in argv]
    return images
