"""How the lab's binaries come to be: found, taken from the cache, or built by Go into it.

A build is safe to interrupt: each binary goes to a temporary name and is renamed when whole, and Go's own cache keeps
the packages compiled so far. Two processes never build at once (a file lock). What a build yields depends only on what
its key hashes, so a cached binary is never checked again.
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.paths import MODULES, cache
from lab.pins import ALL, BY_NAME, ENVIRONMENT, TAKEN_MODULE, Binary, pinned_version

GATEWAY_API = MODULES / "gateway-api"
Report = Callable[[str], None]


class BuildError(Exception):
    """A binary could not be had; the message says which, and what to do."""


def report_to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def ensure(names: Iterable[str] = ALL, report: Report = report_to_stderr) -> dict[str, Path]:
    """The path of each binary asked for, building those that are nowhere to be found."""
    wanted = [BY_NAME[name] for name in ALL if name in set(names)]
    found = {binary.name: path for binary in wanted if (path := existing(binary))}
    missing = [binary for binary in wanted if binary.name not in found]
    if missing:
        go = _go_version()
        with _build_lock(report):
            expected = sum(binary.cold_seconds for binary in missing if not _cached(binary, go).exists())
            if expected:
                report(f"building {len(missing)} of the lab's programs once into {cache()}")
                report(f"  from an empty Go cache on two cores this takes about {expected // 60 + 1} min")
            for index, binary in enumerate(missing, 1):
                found[binary.name] = _build(binary, go, f"[{index}/{len(missing)}] {binary.name}", report)
    return found


def existing(binary: Binary) -> Path | None:
    """A binary that needs no build: named by its variable, on PATH at the pinned version, or cached."""
    if named := os.environ.get(binary.environment_variable):
        version = _version_of(Path(named), binary)
        if not _fits(version, binary.version):
            raise BuildError(
                f"{binary.environment_variable}={named} says it is version {version or 'unknown'}; "
                f"the lab needs {_minor(binary.version)}.x: unset it, or name another"
            )
        return Path(named)
    if binary.version and (on_path := shutil.which(binary.name)):
        path = Path(on_path)
        if _fits(_version_of(path, binary), binary.version):
            return path
    if shutil.which("go"):
        cached = _cached(binary, _go_version())
        return cached if cached.exists() else None
    return None


def gateway_api_crds() -> list[Path]:
    """The Gateway API's CustomResourceDefinitions (standard channel), kept beside the binaries."""
    target = cache() / f"gateway-api-{pinned_version(GATEWAY_API / 'go.mod', TAKEN_MODULE)}"
    if not target.exists():
        _require_go()
        done = subprocess.run(
            ["go", "mod", "download", "-json", TAKEN_MODULE], cwd=GATEWAY_API, capture_output=True, text=True
        )
        if done.returncode:
            raise BuildError(f"go mod download {TAKEN_MODULE}: {done.stderr.strip() or done.stdout.strip()}")
        source = Path(json.loads(done.stdout)["Dir"]) / "config" / "crd" / "standard"
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}.{os.getpid()}")
        unfinished.mkdir()
        for path in source.glob("*.yaml"):
            # The module cache is read-only; copies made with its modes could not be deleted by their owner.
            (unfinished / path.name).write_bytes(path.read_bytes())
        try:
            unfinished.rename(target)
        except OSError:
            shutil.rmtree(unfinished)  # another process was faster
    return sorted(target.glob("*.yaml"))


def _build(binary: Binary, go: str, title: str, report: Report) -> Path:
    path = _cached(binary, go)
    if path.exists():  # built by whoever held the lock before
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    began = time.monotonic()
    log = path.with_name(f"{path.name}.build.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["go", "build", *binary.build_flags(), "-o", unfinished, binary.package],
            cwd=binary.folder,
            env={**os.environ, **ENVIRONMENT},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _watch(process, lambda: time.monotonic() - began, title, binary.cold_seconds, report)
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if process.returncode:
        raise BuildError(f"{binary.name}: go build failed\n{log.read_text(errors='replace')[-3000:]}")
    unfinished.rename(path)
    report(f"{title}: built in {time.monotonic() - began:.0f} s")
    return path


def _watch(
    process: subprocess.Popen[bytes], elapsed: Callable[[], float], title: str, expected: int, report: Report
) -> None:
    """Wait for the build, telling every so often that it is alive."""
    live = sys.stderr.isatty() and report is report_to_stderr
    pause = 1.0 if live else 20.0
    while True:
        try:
            process.wait(pause)
            if live:
                print("\r\033[K", end="", file=sys.stderr)
            return
        except subprocess.TimeoutExpired:
            line = f"{title}: {elapsed():.0f} s (up to about {expected} s when nothing is compiled yet)"
            if live:
                print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
            else:
                report(line)


def _cached(binary: Binary, go: str) -> Path:
    return cache() / f"{binary.name}-{binary.version or 'own'}-{binary.key(go)}" / binary.name


@contextmanager
def _build_lock(report: Report) -> Iterator[None]:
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "build.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("another process is building the lab's programs; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _require_go() -> None:
    if shutil.which("go") is None:
        raise BuildError("the lab's programs are built with Go, and no `go` is on PATH: install Go 1.26 or later")


_GO: list[str] = []


def _go_version() -> str:
    """What `go version` says, asked once per process."""
    if not _GO:
        _require_go()
        _GO.append(subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout.strip())
    return _GO[0]


def _version_of(path: Path, binary: Binary) -> str | None:
    try:
        done = subprocess.run([path, *binary.version_arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"v?(\d+\.\d+\.\d+)", done.stdout + done.stderr)
    return found[1] if found else None


def _fits(version: str | None, pinned: str | None) -> bool:
    """Patch releases may differ: what the lab relies on changes with minor versions."""
    return pinned is None or (version is not None and _minor(version) == _minor(pinned))


def _minor(version: str | None) -> str:
    """The first two numbers; Prometheus' module v0.316.0 is release 3.16.0."""
    major, minor, *_ = (version or "0.0").split(".")
    if major == "0" and len(minor) == 3:
        return f"{minor[0]}.{int(minor[1:])}"
    return f"{major}.{minor}"
