"""The kubeconfig files of a lab: one user, one cluster, one token."""

import base64
from pathlib import Path

import yaml


def write_kubeconfig(path: Path, *, server: str, ca: Path, user: str, token: str) -> Path:
    """Write a kubeconfig that only its owner can read, and return its path."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "lab",
                "cluster": {
                    "server": server,
                    "certificate-authority-data": base64.b64encode(ca.read_bytes()).decode(),
                },
            }
        ],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user}}],
        "current-context": "lab",
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def token_of(path: Path) -> str:
    """The token of a kubeconfig that `write_kubeconfig` has written."""
    token: str = yaml.safe_load(path.read_text())["users"][0]["user"]["token"]
    return token
