"""Which programs make up the lab, at which versions, and how each is compiled.

The versions themselves stand in `binaries/*/go.mod`, and go.sum holds what they must hash to.
The order is that of need: what the control plane cannot start without comes first, so that an interrupted or
running build already serves whoever needs less.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from lab.paths import MODULES

ENVIRONMENT = {"CGO_ENABLED": "0"}
STRIPPED = "-s -w"
TAKEN_MODULE = "sigs.k8s.io/gateway-api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """One program: where its source is, how to build it, and how to ask it for its version."""

    name: str
    module: str
    """The folder below `binaries/` whose go.mod pins it."""
    package: str
    requires: str | None
    """The module whose version in go.mod is the program's; None for the lab's own."""
    cold_seconds: int
    """What a first build takes on two cores, to tell people how long they will wait."""
    flags: tuple[str, ...] = ()
    version_arguments: tuple[str, ...] = ("--version",)

    @property
    def folder(self) -> Path:
        return MODULES / self.module

    @property
    def environment_variable(self) -> str:
        """The variable that names a binary to use instead."""
        return "FIREBREAK_LAB_" + self.name.upper().replace("-", "_")

    @property
    def version(self) -> str | None:
        """The pinned version without its `v`, as go.mod has it."""
        if self.requires is None:
            return None
        return pinned_version(self.folder / "go.mod", self.requires)

    def build_flags(self) -> list[str]:
        """What `go build` gets; changing any of it changes the cache's key."""
        linker = STRIPPED
        if self.requires == "k8s.io/kubernetes" and (version := self.version):
            # Clients see v0.0.0 unless the linker says otherwise: Kubernetes' own build scripts do just this.
            major, minor, _ = version.split(".", 2)
            stamp = "k8s.io/component-base/version"
            linker += f" -X {stamp}.gitVersion=v{version} -X {stamp}.gitMajor={major} -X {stamp}.gitMinor={minor}"
        return ["-trimpath", "-ldflags", linker, *self.flags]

    def key(self, go_version: str) -> str:
        """A hash of everything that decides what the build yields."""
        digest = hashlib.sha256()
        for part in (go_version, self.package, *self.build_flags()):
            digest.update(part.encode() + b"\0")
        for path in sorted(self.folder.iterdir()):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()[:16]


def pinned_version(go_mod: Path, module: str) -> str:
    """The version of `module` in a go.mod, without its `v`."""
    found = re.search(rf"^(?:require)?\s*{re.escape(module)} v(\S+)", go_mod.read_text(), re.MULTILINE)
    if found is None:
        raise LookupError(f"{go_mod} does not require {module}")
    return found[1]


def _kubernetes(name: str, seconds: int, *version_arguments: str) -> Binary:
    return Binary(
        name=name,
        module="kubernetes",
        package=f"k8s.io/kubernetes/cmd/{name}",
        requires="k8s.io/kubernetes",
        cold_seconds=seconds,
        version_arguments=version_arguments or ("--version",),
    )


BINARIES = (
    Binary(name="pki", module="pki", package=".", requires=None, cold_seconds=15),
    Binary(
        name="etcd",
        module="etcd",
        package="go.etcd.io/etcd/server/v3",
        requires="go.etcd.io/etcd/server/v3",
        cold_seconds=50,
    ),
    _kubernetes("kube-apiserver", 390),
    _kubernetes("kube-controller-manager", 92),
    _kubernetes("kube-scheduler", 10),
    _kubernetes("kubectl", 25, "version", "--client"),
    Binary(
        name="helm",
        module="helm",
        package="helm.sh/helm/v4/cmd/helm",
        requires="helm.sh/helm/v4",
        cold_seconds=140,
        version_arguments=("version", "--short"),
    ),
    Binary(
        name="prometheus",
        module="prometheus",
        package="github.com/prometheus/prometheus/cmd/prometheus",
        requires="github.com/prometheus/prometheus",
        cold_seconds=340,
        # The other service discoveries would pull in every cloud's SDK.
        flags=("-tags", "remove_all_sd,enable_kubernetes_sd"),
    ),
    Binary(
        name="traefik",
        module="traefik",
        package="github.com/traefik/traefik/v3/cmd/traefik",
        requires="github.com/traefik/traefik/v3",
        cold_seconds=540,
        version_arguments=("version",),
    ),
)

CONTROL_PLANE = ("pki", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
ALL = tuple(binary.name for binary in BINARIES)
BY_NAME = {binary.name: binary for binary in BINARIES}
