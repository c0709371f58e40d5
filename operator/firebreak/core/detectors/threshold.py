"""Has a gauge been beyond a limit for long enough?

A pure question to its values at the trailing steps (NaN: no value), it holds no state. A gap of up to 5 steps neither
ends nor confirms a run, for a missed scrape says nothing; a longer one ends it. With `absent: Breach` a step without
a value is beyond the limit: a heartbeat. One that was never seen is not missed: its name may be wrong.
"""

from dataclasses import dataclass

import numpy as np

from firebreak.core.detectors.rules import Absence, Threshold
from firebreak.core.detectors.tempering import Floats

TOLERATED_GAP_STEPS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdState:
    value: float | None  # at the last step
    beyond: bool  # at the last step
    run_from: int | None  # index of the step in which the present run began
    run_steps: int  # from there to the last step that is beyond; 0 for a single step
    last_within: int | None  # index of the last step known to be within the limit


def is_beyond(rule: Threshold, value: float) -> bool:
    if rule.above is not None:
        return value > rule.above
    return rule.below is not None and value < rule.below


def judge_threshold(rule: Threshold, values: Floats) -> ThresholdState:
    run_from: int | None = None
    last_beyond = -1
    last_within: int | None = None
    was_seen = False
    for at, value in enumerate(values):
        absent = bool(np.isnan(value))
        if absent and not (was_seen and rule.absent is Absence.BREACH):
            if run_from is not None and at - last_beyond > TOLERATED_GAP_STEPS:
                run_from = None
        elif absent or is_beyond(rule, float(value)):
            run_from = at if run_from is None else run_from
            last_beyond = at
        else:
            run_from, last_within = None, at
        was_seen = was_seen or not absent
    last = float(values[-1]) if len(values) and not np.isnan(values[-1]) else None
    return ThresholdState(
        value=last,
        beyond=run_from is not None and last_beyond == len(values) - 1,
        run_from=run_from,
        run_steps=last_beyond - run_from if run_from is not None else 0,
        last_within=last_within,
    )
