"""Which experiments make which table, and how its cells read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from bench.detect import changes as c
from bench.detect import experiments as e
from bench.detect.statistics import median, minutes, poisson_interval, rate, share
from bench.detect.weather import CLEAN, DELAYED, DRIFT, HARSH, NOISE, OUTAGE, WEEKLY

VOLUMES = [1.0, 5.0, 20.0, 100.0]
COMPARED = [5.0, 20.0, 100.0]
ON_DEMAND = e.Raise(to=100.0)
CHANGES = 4  # a month
WITHIN = ((0.005, 0.02), (0.005, 0.03), (0.01, 0.04))


@dataclass(frozen=True, slots=True)
class Size:
    """How much is simulated."""

    months: int  # service-months per cell of the default policy
    compared: int  # and per cell of the comparison
    runs: int


FULL = Size(400, 200, 1000)
QUICK = Size(20, 10, 100)

Job = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def jobs(size: Size, seed: int) -> dict[str, Job]:
    """Every experiment by name; each has a seed of its own, so that any can be repeated alone."""
    found: dict[str, Job] = {}

    def add(name: str, what: Callable[..., Any], *args: Any, **options: Any) -> None:
        found[name] = (what, args, {**options, "seed": seed + len(found)})

    add("compare/alarms", e.compare_false_alarms, COMPARED, size.compared)
    for to in (0.2, 0.1):
        add(f"compare/delay {to:.0%}", e.compare_delays, COMPARED, to, size.runs)
    live: dict[str, Any] = {"raised": ON_DEMAND, "changes": CHANGES}
    add("policy/noise", e.service_months, NOISE, 0.02, VOLUMES, size.months, **live)
    add("policy/harsh", e.service_months, HARSH, 0.02, VOLUMES, size.months // 2, **live, measure=True)
    for n in COMPARED:
        add(f"harsh/delay {n:g}", e.delays, HARSH, 0.2, n, size.runs // 2, raised=ON_DEMAND, measure=True)
    for weather in (CLEAN, DRIFT, WEEKLY, OUTAGE, DELAYED):
        add(f"weather/{weather.name}", e.service_months, weather, 0.02, COMPARED, size.months // 4, raised=ON_DEMAND)
    for healthy in (0.02, 0.03, 0.04, 0.05):
        add(f"cost/{healthy:.0%}", e.service_months, NOISE, healthy, [5.0], size.months // 4, raised=ON_DEMAND)
        add(f"cost/{healthy:.0%} base", e.service_months, NOISE, healthy, [5.0], size.months // 4, raised=None)
    for to in (0.2, 0.1, 0.08):
        add(f"demand/{to:.0%}", e.delays, NOISE, to, 5.0, size.runs, raised=ON_DEMAND)
        add(f"demand/{to:.0%} never", e.delays, NOISE, to, 5.0, size.runs)
    for late in (3, 5, 10):
        slow = e.Raise(to=100.0, in_force_after=late)
        add(f"demand/late {late}", e.delays, NOISE, 0.2, 5.0, size.runs, raised=slow)
    for name, (known, new) in c.PAIRS.items():
        add(f"change/{name} worse", c.just_changed, 0.08, known, new, size.runs)
        add(f"change/{name} healthy", c.just_changed, 0.02, known, new, 4 * size.runs)
    for n in (5.0, 20.0):
        add(f"both/{n:g} worse", c.both_serve, 0.02, 0.08, n, size.runs)
        add(f"both/{n:g} healthy", c.both_serve, 0.02, 0.02, n, 2 * size.runs)
    for n in VOLUMES:
        for true in (0.02, 0.05, 0.08, 0.2):
            add(f"recovery/{n:g} at {true:.0%}", e.recoveries, true, n, size.runs)
    add("improvements", e.improvements, 10 * size.runs)
    hour: dict[str, Any] = {"first_hour": 20.0}
    add(f"change/{c.FOR_AN_HOUR} worse", c.just_changed, 0.08, 5.0, 5.0, size.runs, **hour)
    add(f"change/{c.FOR_AN_HOUR} healthy", c.just_changed, 0.02, 5.0, 5.0, 4 * size.runs, **hour)
    add("change/better", c.just_changed, 0.01, 5.0, 5.0, 4 * size.runs)
    add("change/harsh healthy", c.just_changed, 0.02, 5.0, 5.0, 2 * size.runs, weather=HARSH, clustering=0.9)
    for to in (0.2, 0.1, 0.06):
        add(f"change/to {to:.0%}", c.just_changed, to, 5.0, 5.0, size.runs // 2, **hour)
    for was, now in WITHIN:
        add(f"within/{was:.1%}→{now:.0%}", c.just_changed, now, 5.0, 5.0, size.runs // 2, known=was)
    return found


def tables(results: Mapping[str, Any], size: Size) -> dict[str, str]:
    """Markdown of each table by its name in docs/detection.md."""
    return {
        "comparison": _comparison(results, size),
        "policy": _policy(results, size),
        "demand": _demand(results, size),
        "change": _change(results),
        "recovery": _recovery(results),
    }


@dataclass(frozen=True, slots=True)
class Bound:
    """What must hold."""

    what: str
    measured: float
    at_most: float

    @property
    def holds(self) -> bool:
        return self.measured <= self.at_most


def bounds_table(bounds: list[Bound]) -> str:
    """All of them, as in docs/detection.md."""
    lines = ["| what | measured | at most | |", "|---|---|---|---|"]
    lines += [f"| {b.what} | {b.measured:.3g} | {b.at_most:g} | {'' if b.holds else '**missed**'} |" for b in bounds]
    return "\n".join(lines)


def bounds(results: Mapping[str, Any]) -> list[Bound]:
    """What must hold of what was simulated."""
    found: list[Bound] = []

    def at_most(what: str, value: float, bound: float) -> None:
        found.append(Bound(what, value, bound))

    for n, month in zip(VOLUMES, results["policy/noise"], strict=True):
        upper = float(_rate(month.alarms)[2])
        at_most(f"false containments a month, noise, n={n:g}, upper 95%", upper, 0.02)
    for n, month in zip(VOLUMES, results["policy/harsh"], strict=True):
        upper = float(_rate(month.alarms)[2])
        at_most(f"false containments a month, harsh, G measured, n={n:g}, upper 95%", upper, 0.1)
    for n in COMPARED:
        at_most(f"2→20% under harsh, n={n:g}, median min", median(results[f"harsh/delay {n:g}"]), 110)
    sheet = {0.2: (30, 16, 13), 0.1: (164, 91, 67)}
    for to, medians in sheet.items():
        measured = results[f"compare/delay {to:.0%}"]["**Sequential, run length 1 year**"]
        for n, expected, delays in zip(COMPARED, medians, measured, strict=True):
            at_most(f"Sequential alone 2→{to:.0%}, n={n:g}, median min", median(delays), 1.2 * expected)
    at_most("on demand 2→20%, median min", median(results["demand/20%"]), 20)
    at_most("on demand 2→10%, median min", median(results["demand/10%"]), 100)
    at_most("judged on demand at a healthy 2%, times", _times(results, 0.02), 1.3)
    for pair, bound in (("5→5", 60), ("5→20", 40), (c.FOR_AN_HOUR, 40)):
        worse = results[f"change/{pair} worse"]
        at_most(f"just changed 2→8%, {pair}, called, median min", median(worse.called), bound)
        at_most(f"just changed 2→8%, {pair}, contained, median min", median(worse.breach), bound)
    for pair in ("5→5", "20→20", c.FOR_AN_HOUR):
        at_most(f"healthy changes called, {pair}", _said(results[f"change/{pair} healthy"].called), 0.01)
    at_most("recovered at 2%, n=5, median min", median(results["recovery/5 at 2%"].recovered), 90)
    at_most("recovered at 2%, n=100, median min", median(results["recovery/100 at 2%"].recovered), 40)
    for n in VOLUMES:
        at_most(f"recovered said at a true 8%, n={n:g}", _said(results[f"recovery/{n:g} at 8%"].recovered), 0.005)
    at_most("improvements that alarmed, of 10,000", float(results["improvements"][0]), 0)
    at_most("improvements contained right after a change, share", _said(results["change/better"].breach), 0.001)
    return found


def _comparison(results: Mapping[str, Any], size: Size) -> str:
    lines = [
        "| detector | false alarms per service-month, n = 5 / 20 / 100 | minutes to detect 2→20%, median | 2→10% |",
        "|---|---|---|---|",
    ]
    for name, by_volume in results["compare/alarms"].items():
        alarms = " / ".join(f"{np.mean(months):.3g}" for months in by_volume)
        delays = [" / ".join(_median(runs) for runs in results[f"compare/delay {to}"][name]) for to in ("20%", "10%")]
        lines.append(f"| {name} | {alarms} | {delays[0]} | {delays[1]} |")
    return "\n".join(lines)


def _policy(results: Mapping[str, Any], size: Size) -> str:
    lines = ["| conditions, healthy at 2% | false containments per service-month, by n |", "|---|---|"]
    changing = f"{CHANGES} changes of revision"
    rows = {
        f"noise, {changing}": ("policy/noise", VOLUMES),
        f"harsh, G measured, {changing}": ("policy/harsh", VOLUMES),
    }
    for key in results:
        if key.startswith("weather/"):
            rows[key.removeprefix("weather/")] = (key, COMPARED)
    for name, (key, volumes) in rows.items():
        cells = [
            f"n={n:g}: {rate(float(m.alarms.sum()), len(m.alarms))}" for n, m in zip(volumes, results[key], strict=True)
        ]
        lines.append(f"| {name} | {'; '.join(cells)} |")
    delays = "; ".join(f"n={n:g}: {minutes(results[f'harsh/delay {n:g}'])}" for n in COMPARED)
    lines.append(f"| minutes to detect 2→20% under harsh, G measured: median / p95 | {delays} |")
    return "\n".join(lines)


def _demand(results: Mapping[str, Any], size: Size) -> str:
    lines = ["| n = 5, raised to 100 at Watch | minutes to Confirmed: median / p95 | never raised |", "|---|---|---|"]
    for to in (0.2, 0.1, 0.08):
        raised, never = results[f"demand/{to:.0%}"], results[f"demand/{to:.0%} never"]
        lines.append(f"| 2→{to:.0%} | {minutes(raised)} | {minutes(never)} |")
    for late in (3, 5, 10):
        lines.append(f"| 2→20%, in force after {late} min | {minutes(results[f'demand/late {late}'])} | |")
    lines += ["", "| true rate | judged answers, times | a day, of 7,200 | false Confirmed per service-month |"]
    lines.append("|---|---|---|---|")
    for healthy in (0.02, 0.03, 0.04, 0.05):
        (month,) = results[f"cost/{healthy:.0%}"]
        said = rate(float(month.alarms.sum()), len(month.alarms))
        times = _times(results, healthy)
        lines.append(f"| {healthy:.0%} | ×{times:.2f} | {round(7200 * times, -3):,.0f} | {said} |")
    return "\n".join(lines)


def _change(results: Mapping[str, Any]) -> str:
    lines = [
        "| judged per minute: before → after the change | 2→8% called, minutes: median / p95 | contained: median / p95 "
        "| harmless changes called | contained |",
        "|---|---|---|---|---|",
    ]
    rows = {f"before/after, {pair}": f"change/{pair}" for pair in (*c.PAIRS, c.FOR_AN_HOUR)}
    rows |= {f"side by side, {n} each": f"both/{n}" for n in ("5", "20")}
    for name, key in rows.items():
        worse, healthy = results[f"{key} worse"], results[f"{key} healthy"]
        cells = [minutes(worse.called), minutes(worse.breach), _share(healthy.called), _share(healthy.breach)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    harsh = results["change/harsh healthy"]
    lines.append(f"| before/after, 5→5 under harsh, G measured | | | {_share(harsh.called)} | {_share(harsh.breach)} |")
    lines += ["", f"| from 2% to, judged {c.FOR_AN_HOUR} | called: median / p95 | contained: median / p95 |"]
    lines.append("|---|---|---|")
    for to, key in (("20%", "to 20%"), ("10%", "to 10%"), ("8%", f"{c.FOR_AN_HOUR} worse"), ("6%", "to 6%")):
        found = results[f"change/{key}"]
        lines.append(f"| {to} | {minutes(found.called)} | {minutes(found.breach)} |")
    lines += ["", "| the objective is met all the same, n = 5 | called within 12 h | contained |", "|---|---|---|"]
    better = results["change/better"]
    lines.append(f"| an improvement, 2%→1% | {_share(better.called)} | {_share(better.breach)} |")
    for was, now in WITHIN:
        found = results[f"within/{was:.1%}→{now:.0%}"]
        lines.append(f"| {was:.1%}→{now:.0%} | {_share(found.called)} | {_share(found.breach)} |")
    return "\n".join(lines)


def _recovery(results: Mapping[str, Any]) -> str:
    lines = [
        "| judged per minute | true rate since | Improved, median min | Recovered: median / p95 "
        "| said Recovered within 12 h | NotHelped, median min |",
        "|---|---|---|---|---|---|",
    ]
    for n in VOLUMES:
        for true in (0.02, 0.05, 0.08, 0.2):
            found = results[f"recovery/{n:g} at {true:.0%}"]
            said = share(int(np.isfinite(found.recovered).sum()), len(found.recovered))
            lines.append(
                f"| {n:g} | {true:.0%} | {_median(found.improved)} | {minutes(found.recovered)} | {said} "
                f"| {_median(found.not_helped)} |"
            )
    return "\n".join(lines)


def _rate(alarms: Any) -> tuple[float, float, float]:
    return poisson_interval(float(alarms.sum()), float(len(alarms)))


def _times(results: Mapping[str, Any], healthy: float) -> float:
    (raised,), (base,) = results[f"cost/{healthy:.0%}"], results[f"cost/{healthy:.0%} base"]
    return float(raised.judged.sum() / base.judged.sum())


def _share(found: Any) -> str:
    return share(int(np.isfinite(found).sum()), len(found))


def _said(found: Any) -> float:
    return float(np.isfinite(found).mean())


def _median(delays: Any) -> str:
    found = median(delays)
    return "never" if np.isinf(found) else f"{found:.0f}"
