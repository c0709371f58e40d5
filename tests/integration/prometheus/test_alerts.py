"""The chart's alerts, asked of a real Prometheus: each is silent where all is well, and fires where it should."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from firebreak.adapters.prometheus import Endpoint, Prometheus

pytestmark = pytest.mark.lab

RULES = Path(__file__).parents[3] / "charts" / "firebreak" / "alerts.yaml"
ALERTS = {
    rule["alert"]: rule["expr"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
}
QA, OTHER = 'namespace="docs",service="qa"', 'namespace="shop",service="qa"'


def well(now: float) -> dict[str, float]:
    """What the operator says of itself at this moment."""
    return {
        'firebreak_leader{pod="a"}': 1,
        'firebreak_leader{pod="b"}': 0,
        "firebreak_last_list_timestamp_seconds": now,
        f'firebreak_incidents_open{{{QA},phase="Contained"}}': 1,
        "firebreak_circuit_breaker_tripped": 0,
        f'firebreak_containment_ready{{{QA},reason="Paused"}}': 0,
        f'firebreak_containment_ready{{{OTHER},reason="Ready"}}': 1,
        f"firebreak_drill_passed{{{OTHER}}}": 1,
        f"firebreak_containment_proven_timestamp_seconds{{{OTHER}}}": now - 86400,
        "firebreak_quarantine_gaps": 0,
        f'firebreak_objective_state{{{QA},objective="groundedness"}}': 3,
        f'firebreak_judge_coverage_ratio{{{QA},objective="groundedness"}}': 0.9,
        "firebreak_turn_errors_total": 0,
    }


def ill(now: float) -> dict[str, float]:
    """What it says instead where something is wrong."""
    return {
        'firebreak_leader{pod="a"}': 0,
        "firebreak_last_list_timestamp_seconds": now - 400,
        f'firebreak_incidents_open{{{QA},phase="AwaitingHuman"}}': 1,
        "firebreak_circuit_breaker_tripped": 1,
        f'firebreak_containment_ready{{{QA},reason="TargetConflict"}}': 0,
        f"firebreak_drill_passed{{{QA}}}": 0,
        f"firebreak_containment_proven_timestamp_seconds{{{QA}}}": 0,
        "firebreak_quarantine_gaps": 2,
        f'firebreak_objective_state{{{OTHER},objective="groundedness"}}': -2,
        f'firebreak_judge_coverage_ratio{{{OTHER},objective="groundedness"}}': 0.05,
        "firebreak_turn_errors_total": 1,
    }


async def test_each_alert_fires_where_it_should_and_nowhere_else(prometheus, service):
    """What one service has wrong is not hidden by another that is well, nor by one of its name elsewhere."""
    client = Prometheus(Endpoint(url=prometheus.url, timeout=timedelta(seconds=2)))

    async def firing() -> dict[str, list[str]]:
        found = {}
        for name, expression in ALERTS.items():
            answer = await client.instant(expression, datetime.now(UTC))
            if answer.labels:
                found[name] = sorted(dict(labels).get("namespace", "") for labels in answer.labels)
        return found

    now = datetime.now(UTC).timestamp()
    try:
        service.counters = well(now)
        await service.scrapes(3)
        assert await firing() == {}
        service.counters = well(now) | ill(now)
        await service.scrapes(3)
        fires = await firing()
    finally:
        await client.close()
    assert set(fires) == set(ALERTS)
    assert fires["FirebreakContainmentNotReady"] == ["docs"]
    assert fires["FirebreakDrillFailed"] == ["docs"]
    assert fires["FirebreakContainmentUnproven"] == ["docs"]
    assert fires["FirebreakCannotSay"] == ["shop"]
