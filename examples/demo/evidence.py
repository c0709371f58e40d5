"""When did the service begin to be bad, going by Prometheus alone? Read from the raw samples, with their scrapes' times."""

import json
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from typing import Any

from lab.cluster import Lab


def first_above_zero(lab: Lab, selector: str, since: datetime) -> datetime | None:
    """The time of the first scrape since then in which a counter of this selector stood above what it was then."""
    firsts = [moment for series in _samples(lab, selector) if (moment := _first_rise(series, since))]
    return min(firsts, default=None)


def highest(lab: Lab, selector: str) -> float | None:
    """The highest value that was scraped of this selector in the last minutes."""
    return max((value for series in _samples(lab, selector) for _, value in series), default=None)


def _first_rise(samples: list[tuple[datetime, float]], since: datetime) -> datetime | None:
    before = [value for moment, value in samples if moment <= since]
    base = before[-1] if before else 0.0
    return next((moment for moment, value in samples if moment > since and value > base), None)


def _samples(lab: Lab, selector: str) -> list[list[tuple[datetime, float]]]:
    form = urllib.parse.urlencode({"query": f"{selector}[15m]"}).encode()
    with urllib.request.urlopen(f"{lab.prometheus_url}/api/v1/query", form, timeout=10) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return [[(datetime.fromtimestamp(float(at), UTC), float(value)) for at, value in one["values"]] for one in found]
