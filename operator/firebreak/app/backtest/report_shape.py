"""Which shape has a backtest's answer? One for the terminal, for `--output json` (docs/backtest.md) and for the page.

Made by app/backtest/report.py. Within one version of the shape fields are only ever added.
"""

from firebreak.api.v1alpha1.model import ApiModel, Time

SHAPE = 1
"""The version of the JSON's shape; a field is only ever added within one."""


class Between(ApiModel):
    """A number with its 95% interval."""

    value: float
    low: float
    high: float


class RangeReport(ApiModel):
    """What was asked about."""

    start: Time
    end: Time
    warm_up_seconds: float
    step_seconds: float


class WeightReport(ApiModel):
    """From this moment on it was judged with another G."""

    at: Time
    clustering: float


class ClusteringReport(ApiModel):
    """How strongly failures were known to cluster, as live measures it day by day."""

    clustering: float
    """G in force at the end."""
    basis: str
    """Assumed or Measured."""
    healthy: str
    """How much healthy history it rests on, or there was."""
    needed: str
    changes: tuple[WeightReport, ...]
    """When a measurement came into force."""


class ObjectiveReport(ApiModel):
    """One objective over the whole range."""

    name: str
    category: str
    indicator: str
    detector: str
    allowed: float | None
    """The share of bad that the target allows; for detector Sequential."""
    judged: float
    bad: float
    rate: float | None
    interval: tuple[float, float] | None
    """95%, widened for clustering."""
    highest_evidence: float | None
    thresholds: dict[str, float]
    """What the evidence is compared with, by tier; for detector Sequential."""
    last_finding: str
    because: str
    clustering: ClusteringReport | None = None
    """For a ratio by detector Sequential."""


class ChangeReport(ApiModel):
    """A revision began to serve."""

    at: Time
    revision: str


class ActionReport(ApiModel):
    """A step that would have been taken, or skipped."""

    at: Time
    kind: str
    words: str
    phase: str
    outcome: str
    in_force_at: Time | None
    writes: tuple[str, ...]
    """The places that would have been written."""
    because: str


class EntryReport(ApiModel):
    """One line of the timeline."""

    at: Time
    reason: str
    message: str


class IncidentReport(ApiModel):
    """One incident that would have been opened."""

    name: str
    severity: str
    category: str
    summary: str
    onset: Time | None
    detected_at: Time
    contained_at: Time | None
    containment: str
    """What was done first that changes what users get; empty if nothing was."""
    resolved_at: Time | None
    recorded_end: Time | None
    """When the recorded counts stopped being bad."""
    phase: str
    objectives: tuple[str, ...]
    because: str
    """The evidence that opened it."""
    suspects: tuple[str, ...]
    actions: tuple[ActionReport, ...]
    truth: str
    """True, False or Unclear; empty if nothing was contained. docs/backtest.md says what is called false."""
    truth_because: str
    bad_before: Between | None
    """Bad answers from the onset until it was contained."""
    bad_spared: Between | None
    """Bad answers from then on to the recorded end, beyond the usual rate."""
    answers_contained: float | None
    timeline: tuple[EntryReport, ...]


class TotalsReport(ApiModel):
    """Over the whole range."""

    incidents: int
    contained: int
    true: int
    false: int
    unclear: int
    bad_spared: Between | None
    false_answers: float
    """Answers given while contained for nothing."""
    false_minutes: float
    counted: str
    """What the numbers count: answers, or judged answers where no answers are declared or recorded."""


class WhatIfReport(ApiModel):
    """The same history with one thing changed."""

    change: str
    """Empty for the service as declared."""
    totals: TotalsReport
    delay_seconds: float | None
    """From the onset to the containment, the median over those that were not for nothing."""
    judged: float
    """How many answers were judged for it."""


class RaiseReport(ApiModel):
    """The judge's sampling rate would have been raised."""

    since: Time
    until: Time | None
    """None where it was raised still at the end of the range."""
    reason: str
    because: str
    ended: str
    """Why it would have been given back, in one word."""
    judged: float
    """How many answers were judged meanwhile, over the objectives of detector Sequential."""
    judged_raised: float | None
    """How many would have been, at the raised rate; None where that cannot be known."""


class SamplingReport(ApiModel):
    """Evidence on demand: what it would have cost. What it would have shown is not in the history."""

    raised: str
    daily_budget: str
    raises: tuple[RaiseReport, ...]
    seconds: float
    judged: float
    judged_raised: float | None
    more: float | None
    """How many more answers would have been judged, as a share of all that were judged in the range."""
    unknown: str
    """What cannot be known, in words."""


class ProposalReport(ApiModel):
    """A target that the healthy history would have kept."""

    objective: str
    because: str
    healthy_steps: int
    judged: float
    rate: float | None
    interval: tuple[float, float] | None
    worst_hour: int | None
    worst_hour_rate: float | None
    clustering: float | None
    target: str
    """Such as 96%; empty where none is proposed."""
    allowed: float | None
    highest_evidence: float | None
    delay_seconds: float | None


class Report(ApiModel):
    """The answer."""

    shape: int = SHAPE
    service: str
    namespace: str
    policy: str
    assume: str
    range: RangeReport
    revision_at_start: str
    objectives: tuple[ObjectiveReport, ...]
    revisions: tuple[ChangeReport, ...]
    healthy: tuple[tuple[Time, Time], ...]
    incidents: tuple[IncidentReport, ...]
    totals: TotalsReport
    what_if: tuple[WhatIfReport, ...]
    """The service as declared first; empty where nothing was to be tried."""
    sampling: SamplingReport | None = None
    """None where the service declares no `judge.samplingRate`."""
    proposals: tuple[ProposalReport, ...]
    problems: tuple[str, ...]
