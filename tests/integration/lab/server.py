"""A workload for the lab's own tests: says who it is, what it was given, and fails on demand."""

import json
import os
import ssl
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SETTINGS = Path("/etc/settings")
healthy = True


def whoami() -> str:
    """As whom the API server knows this pod, by the token that was mounted."""
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    request = urllib.request.Request(
        f"https://{host}:{port}/apis/authentication.k8s.io/v1/selfsubjectreviews",
        data=json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).encode(),
        headers={"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, context=context, timeout=5) as response:
        user: str = json.load(response)["status"]["userInfo"]["username"]
    return user


def answer(path: str) -> tuple[int, str]:
    global healthy
    match path:
        case "/":
            return 200, sys.argv[1]
        case "/pid":
            return 200, str(os.getpid())
        case "/env":
            return 200, json.dumps(dict(os.environ))
        case "/whoami":
            return 200, whoami()
        case "/break":
            healthy = False
            return 200, "broken"
        case "/healthz":
            return (200, "ok") if healthy else (500, "broken")
        case "/readyz":
            ready = (SETTINGS / "ready").read_text() == "yes" if SETTINGS.exists() else True
            return (200, "ready") if ready else (503, "not ready")
        case "/metrics":
            return 200, f'labtest_info{{namespace="another",release="{sys.argv[1]}"}} 1\n'
        case _ if path.startswith("/settings/"):
            return 200, (SETTINGS / path.removeprefix("/settings/")).read_text()
    return 404, "no such page"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, text = answer(self.path)
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


if __name__ == "__main__":
    ThreadingHTTPServer((os.environ["POD_IP"], 8080), Handler).serve_forever()
