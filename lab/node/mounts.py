"""How does a container see its volumes at their paths, without a trace on the host's disk?

Each container is started in a mount namespace of its own, which ends with it. A path that exists is bound over. For one
that does not, the nearest folder that exists is overlaid with an empty upper layer in memory, and the path is made
there: the host's own folder is never written to.
"""

import ctypes
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_CLONE_NEWNS = 0x00020000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x1, 0x20, 0x1000, 0x4000, 0x40000
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A folder of the agent's, seen by a container at a path."""

    source: Path
    path: Path
    read_only: bool = False


def mounter(mounts: Sequence[Mount], scratch: Path, visible: Sequence[Path]) -> Callable[[], None]:
    """What a container's child process does before it execs; raises OSError, whose message reaches the pod's status."""

    def prepare() -> None:
        _check(_libc.unshare(_CLONE_NEWNS), "unshare")
        _mount("none", "/", flags=_MS_REC | _MS_PRIVATE)
        # Opened before anything is mounted over them: a volume at /tmp must not hide what others come from.
        sources = [(os.open(m.source, os.O_PATH), m) for m in mounts]
        kept = [(os.open(p, os.O_PATH), p) for p in visible]
        scratch.mkdir(parents=True, exist_ok=True)
        _mount("tmpfs", str(scratch), kind="tmpfs")
        layers = os.open(scratch, os.O_PATH)
        in_order = sorted(sources, key=lambda s: len(s[1].path.parts))
        # Before anything is bound: an overlay does not show what is mounted below its lower folder.
        overlaid: list[Path] = []
        for _, mount in in_order:
            _make(Path(os.path.realpath(mount.path)), f"/proc/self/fd/{layers}", overlaid)
        for source, mount in in_order:
            path = Path(os.path.realpath(mount.path))
            path.mkdir(parents=True, exist_ok=True)  # a path within a volume that was just bound
            _mount(f"/proc/self/fd/{source}", str(path), flags=_MS_BIND | _MS_REC)
            if mount.read_only:
                _mount("none", str(path), flags=_MS_BIND | _MS_REMOUNT | _MS_RDONLY)
            for opened, hidden in kept:
                if hidden.is_relative_to(path):
                    hidden.mkdir(parents=True, exist_ok=True)
                    _mount(f"/proc/self/fd/{opened}", str(hidden), flags=_MS_BIND | _MS_REC)
        for opened, _ in (*sources, *kept):
            os.close(opened)
        os.close(layers)

    return prepare


def _make(path: Path, layers: str, overlaid: list[Path]) -> None:
    ground = path
    while not ground.is_dir():
        ground = ground.parent
    if ground == path:
        return
    if not any(ground.is_relative_to(o) for o in overlaid):
        # Short names: the kernel reads an overlay's options from one page.
        upper, work = f"{layers}/u{len(overlaid)}", f"{layers}/w{len(overlaid)}"
        os.mkdir(upper)
        os.mkdir(work)
        options = f"lowerdir={ground},upperdir={os.path.realpath(upper)},workdir={os.path.realpath(work)}"
        _mount("overlay", str(ground), kind="overlay", options=options)
        overlaid.append(ground)
    path.mkdir(parents=True)


def _mount(source: str, target: str, *, kind: str | None = None, flags: int = 0, options: str | None = None) -> None:
    done = _libc.mount(
        source.encode(), target.encode(), kind.encode() if kind else None, flags, options.encode() if options else None
    )
    _check(done, f"mount {source} on {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
