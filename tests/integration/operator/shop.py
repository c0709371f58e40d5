"""A small AI service for the operator's tests: what it answers follows from its release and its prompt, as in life.

`server` answers and judges itself, `users` ask it through the gateway, `idle` is a workload whose replicas matter.
A release `bad` or a prompt with the word `careless` gets every second answer wrong; a prompt with the word `leak` tells
personal data in every fourth. One request may ask several questions, so that much is judged at little cost.
"""

import hashlib
import http.client
import itertools
import os
import signal
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIG = Path("/etc/shop")
QUESTIONS = 8
PAUSE_SECONDS = 0.1
LINGER_SECONDS = 3.0
"""A pod that ends answers on until the gateway has noticed."""


class Counters:
    """What a Prometheus counts: judged, bad, violations."""

    def __init__(self, release: str, prompt: str) -> None:
        self._lock = threading.Lock()
        self._careless = release == "bad" or "careless" in prompt
        self._leaks = "leak" in prompt
        revision = f"{release}-{hashlib.sha256(prompt.encode()).hexdigest()[:8]}"
        self._labels = f'service="shop",revision="{revision}"'
        self.answers = self.bad = self.leaks = 0

    def answer(self, questions: int) -> None:
        with self._lock:
            for _ in range(questions):
                self.answers += 1
                self.bad += self.answers % (2 if self._careless else 500) == 0
                self.leaks += self._leaks and self.answers % 4 == 0

    def exposition(self) -> str:
        with self._lock:
            values = {
                "shop_answers_total": self.answers,
                "shop_judged_total": self.answers,
                "shop_judged_bad_total": self.bad,
                "shop_violations_total": self.leaks,
            }
        lines = [f"{name}{{{self._labels}}} {value}" for name, value in values.items()]
        # What a team forgets: the same counts without the labels that say whose they are.
        lines += [f"shop_unlabelled_total {values['shop_answers_total']}"]
        lines += [f'shop_index_age_seconds{{service="shop"}} {(CONFIG / "index" / "age").read_text()}']
        return "\n".join(lines) + "\n"


def serve(release: str) -> None:
    counters = Counters(release, (CONFIG / "prompt" / "system.txt").read_text())

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urllib.parse.urlsplit(self.path)
            if url.path == "/metrics":
                self._say(counters.exposition())
            else:
                if url.path == "/answer":
                    counters.answer(int(urllib.parse.parse_qs(url.query)["n"][0]))
                self._say(f"shop {release}\n")

        def _say(self, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: a line per answer helps nobody."""

    signal.signal(signal.SIGTERM, lambda *_: threading.Timer(LINGER_SECONDS, os._exit, (0,)).start())
    ThreadingHTTPServer((os.environ["POD_IP"], 8080), Handler).serve_forever()


def ask() -> None:
    """Ask for ever; an outage is what users live with, too."""
    gateway, host = urllib.parse.urlsplit(os.environ["GATEWAY_URL"]), os.environ["SHOP_HOST"]
    connection = http.client.HTTPConnection(gateway.hostname or "", gateway.port, timeout=5)
    for _ in itertools.count():
        try:
            connection.request("GET", f"/answer?n={QUESTIONS}", headers={"Host": host})
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            connection.close()
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["server", release]:
            serve(release)
        case ["users"]:
            ask()
        case ["idle"]:
            signal.pause()
