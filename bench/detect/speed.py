"""How long one evaluation of a fleet takes, and how much it remembers."""

import statistics
import time

import numpy as np

from firebreak.core.counting import Counting, Subject
from firebreak.core.detectors.rules import Sequential
from firebreak.core.detectors.sequential import SequentialFolds
from firebreak.core.objectives import Labels
from firebreak.core.ports_metrics import Vector

SERVICES, OBJECTIVES = 10_000, 3


def folds() -> tuple[float, float]:
    """Milliseconds of one step of 10,000 services x 3 objectives, and MiB of its state."""
    rows = SERVICES * OBJECTIVES
    state = SequentialFolds([Sequential(allowed=0.05)] * rows)
    rng = np.random.default_rng(1)
    judged = rng.poisson(5.0, rows).astype(np.float64)
    bad = rng.binomial(judged.astype(np.int64), 0.02).astype(np.float64)
    took = []
    for step in range(20):
        began = time.perf_counter()
        state.advance(step, bad, judged)
        state.evidence()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e3, state.nbytes / 2**20


def differences() -> float:
    """Milliseconds to difference and group both answers of 10,000 services of one indicator, one series each."""
    subjects = [Subject(f"team-{i % 50}", (("service", f"s{i}"),)) for i in range(SERVICES)]
    counting = Counting(Labels(), subjects)
    labels = [
        (("instance", f"10.0.0.{i}:80"), ("namespace", s.namespace), ("revision", "v1"), ("service", s.matchers[0][1]))
        for i, s in enumerate(subjects)
    ]
    took = []
    for step in range(5):
        vector = Vector(labels=labels, values=np.full(SERVICES, float(step)))
        began = time.perf_counter()
        counting.advance(step, vector, vector)
        took.append(time.perf_counter() - began)
    return statistics.median(took[1:]) * 1e3
