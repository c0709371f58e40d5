"""Where a running lab keeps what: the layout of its state directory."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Files:
    """The paths below one lab's state directory."""

    directory: Path

    @property
    def kubeconfig(self) -> Path:
        """For the host: reaches the API server by the forwarder, as cluster administrator."""
        return self.directory / "kubeconfig"

    @property
    def state(self) -> Path:
        """What `Lab.attach` needs to know: written once, before the lab starts."""
        return self.directory / "state.json"

    @property
    def spec(self) -> Path:
        """What the lab's first process is to start."""
        return self.directory / "spec.json"

    @property
    def lock(self) -> Path:
        """Held by the lab's first process for as long as it lives; holds its PID as the host sees it."""
        return self.directory / "lock"

    @property
    def control(self) -> Path:
        """The Unix socket that takes commands."""
        return self.directory / "control.sock"

    @property
    def pki(self) -> Path:
        return self.directory / "pki"

    @property
    def ca(self) -> Path:
        return self.pki / "ca.crt"

    @property
    def tokens(self) -> Path:
        """The API server's token-auth-file."""
        return self.directory / "users" / "tokens.csv"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def node(self) -> Path:
        """The node agent's: the pods' volumes, logs and process numbers."""
        return self.directory / "node"

    def data(self, component: str) -> Path:
        """What a component may keep while the lab runs."""
        return self.directory / "data" / component

    def user(self, name: str) -> Path:
        """The kubeconfig, for use inside, of one of the lab's own programs."""
        return self.directory / "users" / f"{name}.kubeconfig"

    def log(self, component: str) -> Path:
        return self.logs / f"{component}.log"

    def make(self) -> None:
        """Create the folders; private, since they hold keys."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for path in (self.pki, self.tokens.parent, self.logs, self.node, self.directory / "data"):
            path.mkdir(mode=0o700, exist_ok=True)
        # Pods may run as another user; what they must read lies below here, with modes of its own.
        self.node.chmod(0o755)


def tail(path: Path, lines: int = 25) -> str:
    """The end of a log, for an error message."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(no log)"
