"""A real browser engine (Qt WebEngine, which is Chromium) that opens one page without a screen and tells what happened.

A process of its own, since Qt wants the main thread: `python browser.py page.html [picture.png]` prints a JSON object.
Every request but that for the page itself is refused, and told.
"""

import json
import os
import sys
from pathlib import Path

os.environ["QT_QPA_PLATFORM"] = "offscreen"
os.environ["QTWEBENGINE_DISABLE_SANDBOX"] = "1"  # no user namespaces in containers; the page is our own
os.environ["QTWEBENGINE_CHROMIUM_FLAGS"] = "--disable-gpu"

from PyQt6.QtCore import QTimer, QUrl
from PyQt6.QtWebEngineCore import (
    QWebEnginePage,
    QWebEngineProfile,
    QWebEngineSettings,
    QWebEngineUrlRequestInfo,
    QWebEngineUrlRequestInterceptor,
)
from PyQt6.QtWebEngineWidgets import QWebEngineView
from PyQt6.QtWidgets import QApplication

_DEADLINE_MS = 60_000
_LOOK_EVERY_MS = 100
_LOOKS = 200
_SEEN = """JSON.stringify({
  title: document.title,
  drawn: Number(document.body.dataset.drawn || 0),
  plots: [...document.querySelectorAll('.plot')].map(p => ({
    name: p.dataset.picture,
    lines: [...p.querySelectorAll('path.js-line')].filter(l => (l.getAttribute('d') || '').length > 20).length,
    height: p.getBoundingClientRect().height})),
  text: document.body.innerText})"""


class _Watch(QWebEngineUrlRequestInterceptor):
    def __init__(self, page: QUrl) -> None:
        super().__init__()
        self._page = page
        self.requested: list[str] = []

    def interceptRequest(self, info: QWebEngineUrlRequestInfo) -> None:
        url = info.requestUrl()
        if url != self._page and url.scheme() not in ("data", "blob"):
            self.requested.append(url.toString())
            info.block(True)


class _Page(QWebEnginePage):
    def __init__(self, profile: QWebEngineProfile) -> None:
        super().__init__(profile)
        self.errors: list[str] = []

    def javaScriptConsoleMessage(
        self, level: QWebEnginePage.JavaScriptConsoleMessageLevel, message: str | None, line: int, source: str | None
    ) -> None:
        if level != QWebEnginePage.JavaScriptConsoleMessageLevel.InfoMessageLevel:
            self.errors.append(f"line {line}: {message}")


def main(file: Path, picture: Path | None) -> None:
    """Open the page, wait until it says that it is drawn (or for a while), and print what was seen."""
    application = QApplication(sys.argv[:1])
    url = QUrl.fromLocalFile(str(file.resolve()))
    profile = QWebEngineProfile()
    watch = _Watch(url)
    profile.setUrlRequestInterceptor(watch)
    page = _Page(profile)
    settings = page.settings()
    assert settings is not None
    # Else Qt drops what a local page asks of the network before anybody sees it.
    settings.setAttribute(QWebEngineSettings.WebAttribute.LocalContentCanAccessRemoteUrls, True)
    view = QWebEngineView()
    view.setPage(page)
    view.resize(1240, 1600)
    view.show()
    looks = 0

    def look() -> None:
        page.runJavaScript(_SEEN, seen)

    def seen(told: str) -> None:
        nonlocal looks
        looks += 1
        found = json.loads(told)
        if found["drawn"] == 0 and looks < _LOOKS and not page.errors:
            QTimer.singleShot(_LOOK_EVERY_MS, look)
            return
        if picture is not None:
            view.grab().save(str(picture))
        print(json.dumps({**found, "errors": page.errors, "requested": watch.requested}))
        sys.stdout.flush()
        os._exit(0)  # Qt's own end may wait for processes of its renderer

    page.loadFinished.connect(lambda _: look())
    view.load(url)
    QTimer.singleShot(_DEADLINE_MS, lambda: os._exit(3))
    application.exec()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
