"""What the model checker is asked: each question is a policy, where it starts, and what may happen around it.

The small ones are searched to their end. The wide ones are cut off after a number of states, breadth first, so that
everything short of that many events is seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tests.builders import (
    KEY,
    NO_DATES,
    REVIEW_STEP,
    ROLL_BACK,
    TO_SMALL,
    TO_STATIC,
    V1,
    V2,
    V3,
    a_count,
    a_gauge,
    a_policy,
    a_ratio,
    a_service,
    at,
)
from tests.property.core.containment_world import TICK, Setting, World
from tests.property.core.model_search import Event, Events, all_of
from tests.property.core.surroundings import (
    acknowledgements,
    approvals,
    coverages,
    deployments,
    effects,
    evidence,
    flips,
    folds,
    jobs,
    other_hands,
    person,
    put_back,
    resolutions,
    rollouts,
    the_service_goes,
)

from firebreak.api.v1alpha1.aiservice import Mode
from firebreak.api.v1alpha1.incident import AIIncidentSpec
from firebreak.api.v1alpha1.policy import ContainmentPolicySpec, ReleaseValidation, Severity
from firebreak.core.situation import PastContainment

_SOON = {"verifyWithin": "15m"}
BACK = ROLL_BACK | _SOON
SMALL = TO_SMALL | _SOON
STATIC = TO_STATIC | _SOON
DATES = NO_DATES | _SOON
LADDERS = [{"when": {"categories": ["PolicyViolation"]}, "steps": [STATIC]}, {"steps": [BACK, SMALL]}]
P1 = [{"when": {"categories": ["PolicyViolation"]}, "severity": "P1"}]
TWO = a_service(a_ratio(), a_ratio("violations", category="PolicyViolation"))


_RATIO = a_ratio()
_SLOW = a_service(_RATIO | {"detector": _RATIO["detector"] | {"step": "15m"}})
"""Whose steps of evidence are a tick apart, as everything else that takes time."""
FREEZE = a_policy(
    guardrails={"cooldown": "15m", "freeze": [{"cron": "0 3 4 5 *", "timeZone": "UTC", "duration": "30m"}]}
).guardrails
"""From T0 on, for two ticks."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One question."""

    setting: Setting
    start: World
    events: Events
    must_end: bool = True


def quick_policy(*steps: dict[str, Any], when: str = "NewRevision", **spec: Any) -> ContainmentPolicySpec:
    """A policy of which all times are one tick."""
    release = {"when": when, "stableFor": "15m", "ramp": [10, 100]}
    return a_policy(*steps, release=release, guardrails={"cooldown": "15m"}, **spec)


def validated_policy(*steps: dict[str, Any], when: str = "NewRevision") -> ContainmentPolicySpec:
    """A policy that asks for a Job before anything is given back."""
    found = quick_policy(*steps, when=when)
    validation = ReleaseValidation(cron_job="golden", timeout=TICK)
    return found.model_copy(update={"release": found.release.model_copy(update={"validation": validation})})


def a_case(
    *events: Events,
    policy: ContainmentPolicySpec | None = None,
    setting: Setting | None = None,
    must_end: bool = True,
    **start: Any,
) -> Case:
    """By default somebody has the pager, and the one objective is surely breached."""
    setting = setting or Setting(policy=policy, remembers_pages=False)
    n = len(setting.names)
    known: dict[str, Any] = {
        "verdicts": ("Confirmed",) + ("Met",) * (n - 1),
        "folds": ("Inconclusive",) * n,
    }
    return Case(setting=setting, start=World(**known | start), events=all_of(*events), must_end=must_end)


def modes(w: World) -> Iterator[Event]:
    """The service is switched between Observe and Enforce."""
    mode = Mode.ENFORCE if w.mode is Mode.OBSERVE else Mode.OBSERVE
    yield f"mode: {mode}", replace(w, mode=mode)


_EVIDENCE = evidence("Met", "Suspected", "Confirmed", "Inconclusive")
_TWO_WAYS = evidence("Met", "Confirmed")
_ALL = evidence("Met", "Suspected", "Confirmed", "Inconclusive", "Error")
_FOLDS = folds("Recovered", "NotHelped")
_EFFECTS = effects("InForce", "Failed")
_IN_FORCE = effects("InForce")
_REFUSALS = flips("refuses")
_RELEASE = person(release=(True, False))
_CONTAIN = person(contain=(True, False))


def small_cases() -> dict[str, Case]:
    """Searched to their end in every run."""
    back, small = quick_policy(BACK), quick_policy(SMALL)
    observing = Setting(
        spec=a_service(mode=Mode.OBSERVE).spec, policy=quick_policy(REVIEW_STEP, BACK, SMALL), remembers_pages=False
    )
    gauge = Setting(
        spec=a_service(a_gauge("freshness")).spec,
        policy=quick_policy(DATES, SMALL, when="GaugeRecovered"),
        remembers_pages=False,
    )
    elsewhere = [{"when": {"categories": ["Pipeline"]}, "steps": [BACK]}]
    earlier = PastContainment(incident="earlier", at=at(hours=-23), ended_at=at(minutes=-1))
    limited = quick_policy(BACK).model_copy(
        update={"guardrails": a_policy(guardrails={"maxContainments": {"count": 1}}).guardrails}
    )
    by_person = quick_policy(SMALL, when="Person")
    frozen = quick_policy(BACK).model_copy(update={"guardrails": FREEZE})
    freeze = Setting(policy=frozen, freeze_ends=at(minutes=30), remembers_pages=False)
    counted = Setting(
        spec=a_service(a_ratio(), a_count()).spec,
        policy=quick_policy(ladders=LADDERS, severity=P1).model_copy(update={"guardrails": FREEZE}),
        freeze_ends=at(minutes=30),
        remembers_pages=False,
    )
    return {
        "a rollback, and a fix for it": a_case(
            evidence("Met", "Confirmed", "Inconclusive"), _FOLDS, _EFFECTS, deployments(V3), policy=back
        ),
        "a switch, and a fix for it": a_case(
            _FOLDS, _IN_FORCE, rollouts, deployments(V3), policy=small, must_end=False
        ),
        "a gauge that comes and goes": a_case(evidence("Met", "Confirmed", "Inconclusive"), _IN_FORCE, setting=gauge),
        "killed while a switch is written, and ended": a_case(
            resolutions, _EFFECTS, _REFUSALS, _TWO_WAYS, policy=small
        ),
        "killed while a rollback is written, and ended": a_case(
            resolutions, _EFFECTS, _REFUSALS, _TWO_WAYS, policy=back
        ),
        "review beside a rollback, and ended": a_case(resolutions, _REFUSALS, policy=quick_policy(REVIEW_STEP, BACK)),
        "other hands on the weights": a_case(resolutions, _FOLDS, _IN_FORCE, other_hands(3, 4), policy=small),
        "a switch in shares, to a fallback that comes and goes": a_case(
            _IN_FORCE,
            flips("is_ready"),
            _CONTAIN,
            setting=Setting(
                spec=_SLOW.spec, policy=quick_policy(SMALL | {"weights": [10, 100]}, STATIC), remembers_pages=False
            ),
            must_end=False,
        ),
        "two switches, and the first may never be seen in force": a_case(
            _IN_FORCE,
            _TWO_WAYS,
            flips("is_ready"),
            setting=Setting(spec=_SLOW.spec, policy=quick_policy(SMALL, STATIC), remembers_pages=False),
            must_end=False,
        ),
        "two switches that wait for approval, and a person": a_case(
            _IN_FORCE,
            _CONTAIN,
            approvals,
            setting=Setting(
                policy=quick_policy(SMALL, STATIC, approval={"P3": "Required"}),
                needs_approval=True,
                remembers_pages=False,
            ),
            must_end=False,
        ),
        "a switch in shares, and a person who gives it back": a_case(
            _IN_FORCE, _RELEASE, policy=quick_policy(SMALL | {"weights": [10, 100]}), must_end=False
        ),
        "a fix that a Job is to prove": a_case(
            folds("Recovered"),
            _IN_FORCE,
            jobs,
            deployments(V3),
            policy=validated_policy(SMALL),
            must_end=False,
        ),
        "a gauge that comes and goes, and a Job": a_case(
            evidence("Met", "Confirmed"),
            _IN_FORCE,
            jobs,
            setting=replace(gauge, policy=validated_policy(SMALL, when="GaugeRecovered")),
            must_end=False,
        ),
        "what was in force is changed, and put back": a_case(
            _IN_FORCE, _FOLDS, other_hands(3), put_back, resolutions, policy=quick_policy(SMALL, DATES)
        ),
        "other hands on the revision": a_case(resolutions, _IN_FORCE, other_hands(0, 1), policy=back),
        "a person asks for the next step": a_case(
            _IN_FORCE, _FOLDS, _CONTAIN, policy=quick_policy(BACK, SMALL), verdicts=("Suspected",), must_end=False
        ),
        "a person asks to give back traffic": a_case(_IN_FORCE, _FOLDS, _RELEASE, policy=by_person),
        "a person asks to give back a rollback": a_case(
            _IN_FORCE, _FOLDS, _RELEASE, _TWO_WAYS, policy=quick_policy(BACK, when="Person")
        ),
        "a person declares it": a_case(
            _IN_FORCE, _CONTAIN, evidence("Confirmed"), resolutions, policy=back, is_declared=True, verdicts=("Met",)
        ),
        "a judge that a change has broken": a_case(
            coverages("Lost", "Usual", ""), _TWO_WAYS, policy=back, coverage="Lost", must_end=False
        ),
        "a judge that stops in the middle": a_case(
            coverages("Lost", "Usual"), _FOLDS, _IN_FORCE, policy=back, must_end=False
        ),
        "a judge that is broken, and a person contains": a_case(
            coverages("Lost", "Usual"),
            _IN_FORCE,
            _CONTAIN,
            policy=small,
            coverage="Lost",
            verdicts=("Met",),
            must_end=False,
        ),
        "it observes only": a_case(_EVIDENCE, resolutions, setting=observing, mode=Mode.OBSERVE),
        "it is switched to Enforce and back": a_case(
            _IN_FORCE,
            folds("NotHelped"),
            _TWO_WAYS,
            modes,
            policy=quick_policy(BACK, SMALL),
            mode=Mode.OBSERVE,
            must_end=False,
        ),
        "it is paused": a_case(
            _TWO_WAYS, _IN_FORCE, _FOLDS, flips("is_paused"), deployments(V3), policy=small, must_end=False
        ),
        "there is no policy": a_case(_ALL, setting=Setting(policy=None, remembers_pages=False)),
        "there is no ladder": a_case(_ALL, policy=quick_policy(ladders=elsewhere)),
        "fixes that do not pass": a_case(
            _IN_FORCE, _FOLDS, evidence("ConfirmedAnew", "Met"), deployments(V1, V2, V3), policy=back
        ),
        "the service goes": a_case(_EFFECTS, the_service_goes, _REFUSALS, policy=quick_policy(REVIEW_STEP, SMALL)),
        "too soon after the last one": a_case(
            _TWO_WAYS, _IN_FORCE, _FOLDS, policy=back, past=(earlier,), must_end=False
        ),
        "too many within a day": a_case(_TWO_WAYS, _IN_FORCE, _FOLDS, policy=limited, past=(earlier,), must_end=False),
        "in a freeze": a_case(_TWO_WAYS, _IN_FORCE, _FOLDS, _CONTAIN, setting=freeze, must_end=False),
        "violations are counted in a freeze": a_case(evidence("Met", "Confirmed", of=1), resolutions, setting=counted),
        "the circuit breaker has tripped": a_case(
            _TWO_WAYS, _IN_FORCE, _FOLDS, flips("is_wave"), _CONTAIN, policy=small, is_wave=True, must_end=False
        ),
        "violations are counted in a wave": a_case(
            evidence("Met", "Confirmed", of=1),
            resolutions,
            setting=replace(counted, policy=quick_policy(ladders=LADDERS, severity=P1), freeze_ends=None),
            is_wave=True,
        ),
        "steps wait for approval": a_case(
            _TWO_WAYS,
            _IN_FORCE,
            folds("NotHelped"),
            approvals,
            setting=Setting(
                policy=quick_policy(BACK, SMALL, approval={"P3": "Required"}),
                needs_approval=True,
                remembers_pages=False,
            ),
            must_end=False,
        ),
        "steps wait for approval, and cannot be seen": a_case(
            evidence("Met", "Confirmed", "Error"),
            approvals,
            flips("is_paused"),
            _CONTAIN,
            setting=Setting(
                policy=quick_policy(SMALL, approval={"P3": "Required"}), needs_approval=True, remembers_pages=False
            ),
            must_end=False,
        ),
        "what is approved is changed meanwhile": a_case(
            evidence("Confirmed", "Error"),
            _IN_FORCE,
            approvals,
            other_hands(3),
            setting=Setting(
                policy=quick_policy(SMALL, approval={"P3": "Required"}),
                needs_approval=True,
                remembers_pages=False,
            ),
            must_end=False,
        ),
        "steps wait for approval, and nobody has the pager": a_case(
            _IN_FORCE,
            folds("NotHelped"),
            approvals,
            acknowledgements,
            setting=Setting(
                policy=quick_policy(BACK, SMALL, approval={"P3": "Required"}), needs_approval=True, has_pager=False
            ),
            must_end=False,
        ),
        "the service goes, and what is in force stays": a_case(
            _EFFECTS,
            the_service_goes,
            _REFUSALS,
            policy=small,
            said=AIIncidentSpec(service=KEY.name, on_delete="Leave"),
        ),
        "nobody has the pager": a_case(
            evidence("Confirmed", "Error"),
            _EFFECTS,
            setting=Setting(policy=back, has_pager=False),
            must_end=False,
        ),
    }


def wide_cases() -> dict[str, Case]:
    """Too wide to be searched to their end in a minute."""
    whole = quick_policy(REVIEW_STEP, BACK, SMALL, DATES)
    two = Setting(spec=TWO.spec, policy=quick_policy(ladders=LADDERS, severity=P1), remembers_pages=False)
    mixed = Setting(
        spec=a_service(a_ratio(), a_gauge("freshness")).spec, policy=quick_policy(BACK, DATES), remembers_pages=False
    )
    return {
        "a whole ladder": a_case(_TWO_WAYS, _FOLDS, _EFFECTS, deployments(V3), policy=whole),
        "fixes after two steps": a_case(
            _IN_FORCE, _FOLDS, evidence("ConfirmedAnew", "Met"), deployments(V1, V3), policy=quick_policy(BACK, SMALL)
        ),
        "a ratio and a gauge": a_case(
            _IN_FORCE,
            _TWO_WAYS,
            evidence("Met", "Confirmed", "Inconclusive", of=1),
            _FOLDS,
            setting=mixed,
            must_end=False,
        ),
        "two ladders": a_case(
            _IN_FORCE,
            _TWO_WAYS,
            evidence("Met", "Confirmed", of=1),
            _FOLDS,
            folds("Recovered", "NotHelped", of=1),
            deployments(V3),
            setting=two,
        ),
        "everything that a person may say": a_case(
            _IN_FORCE,
            _FOLDS,
            _TWO_WAYS,
            resolutions,
            person(contain=(True, False), release=(True, False), severity=(Severity.P1,)),
            policy=quick_policy(BACK, SMALL),
        ),
        "everything that may go wrong with a write": a_case(
            resolutions,
            _EFFECTS,
            _REFUSALS,
            _TWO_WAYS,
            other_hands(0, 3, 7),
            policy=quick_policy(REVIEW_STEP, BACK, SMALL),
        ),
    }
