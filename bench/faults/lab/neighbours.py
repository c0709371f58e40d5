"""Who else writes to the same objects? A GitOps loop and an autoscaler, from the beginning of a story to its end."""

import contextlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator

from bench.faults.lab.mishaps import Neighbour
from bench.faults.lab.stories import Revision, deployed
from lab.cluster import KubectlError
from tests.integration.operator.manifests import Manifest
from tests.integration.operator.place import Place

_EVERY_SECONDS = 1.0


class Git:
    """What stands in Git, and a loop that keeps it applied. Fields that Firebreak moves for the length of an incident
    (weights, replicas, switches) are not in it, as docs/gitops.md asks."""

    def __init__(self, apply: Callable[..., None], manifests: tuple[Manifest, ...]) -> None:
        self._apply = apply
        self._manifests = manifests

    def commit(self, manifests: tuple[Manifest, ...]) -> None:
        """Somebody commits a revision."""
        self._manifests = manifests

    def sync(self) -> None:
        """Apply what stands there; what is refused is tried again, each object by itself."""
        for manifest in self._manifests:
            with contextlib.suppress(KubectlError):
                self._apply(manifest)


@contextlib.contextmanager
def beside(neighbour: Neighbour | None, place: Place, good: Revision) -> Iterator[Git | None]:
    """Let the neighbour live beside a story."""
    git: Git | None = None
    replicas = itertools.cycle((2, 1))
    over = threading.Event()

    def scale() -> None:
        change = json.dumps({"spec": {"replicas": next(replicas)}})
        place.kubectl("patch", "deployment", "shop", "--subresource=scale", "--type=merge", "-p", change)

    match neighbour:
        case None:
            yield None
            return
        case Neighbour.AUTOSCALER:
            act = scale
        case _:
            on_server = neighbour is Neighbour.GITOPS_SERVER_SIDE
            git = Git(place.apply_server_side if on_server else place.apply, deployed(place.workload(good.image), good))
            act = git.sync

    def live() -> None:
        while not over.wait(_EVERY_SECONDS):
            with contextlib.suppress(KubectlError):
                act()

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    try:
        yield git
    finally:
        over.set()
        thread.join()
