"""What would be done if a step that waits for approval were approved: in words, and as a digest that tells plans apart.

Asked by core/approval.py and core/record.py. Who approves reads the words, and the step is taken only while its plan has
the digest of what was read: anything else is asked anew.
"""

import hashlib
import json
from datetime import datetime

from firebreak.api.v1alpha1.incident import Action, ApprovalAsked, FieldValue, FieldWrite
from firebreak.core.revision import shorten
from firebreak.core.steps import in_words

_TOLD = 500
"""So many characters of a page are about the fields; the incident lists them all."""


def wish_of(action: Action, number: int, now: datetime, *, on_request: bool) -> ApprovalAsked:
    """The wish to take this step, as the incident records it."""
    return ApprovalAsked(
        request=f"{action.id}.{number}",
        step=action.id,
        since=now,
        would=would(action),
        changes=changes(action),
        plan=plan_of(action),
        on_request=on_request,
    )


def plan_of(action: Action) -> str:
    """Sixteen hex digits over everything that the step would do: of what, to what, and what that replaces."""
    writes = [
        [w.target.api_version, w.target.kind, w.target.name, w.path, _exactly(w.original), _exactly(w.desired)]
        for w in action.writes
    ]
    parts = [action.kind, action.subject, action.share, list(action.restores), writes]
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def would(action: Action) -> str:
    """The step and how far it goes: "SwitchTraffic to small, with 10% of traffic first"."""
    first = f", with {action.share}% of traffic first" if action.share < 100 else ""
    return f"{in_words(action)}{first}"[:1024]


def changes(action: Action) -> tuple[str, ...]:
    """What it would set, place by place, and what it would make again."""
    set_ = (change_in_words(w)[:1024] for w in action.writes)
    made = (f"ConfigMap {name} is made again"[:1024] for name in action.restores)
    return (*set_, *made)[:64]


def changes_in_brief(told: tuple[str, ...]) -> str:
    """As many of the changes as a page has room for, and how many more there are."""
    shown: list[str] = []
    for each in told:
        if sum(map(len, shown)) + len(each) > _TOLD and shown:
            break
        shown.append(each[:_TOLD])
    left = len(told) - len(shown)
    return "; ".join(shown) + (f"; and {left} more (status.approval.changes)" if left else "")


def change_in_words(write: FieldWrite) -> str:
    """One place, what stands there, and what would."""
    place = f"{write.target.kind} {write.target.name} {write.path}"
    return f"{place}: {value_in_words(write.original)} → {value_in_words(write.desired)}"


def value_in_words(value: FieldValue) -> str:
    """The value itself, where it stands, or that there is none."""
    if value.revision:
        return f"[{value.field} of revision {value.revision}]"
    return "nothing" if value.value is None else shorten(value.value)


def _exactly(value: FieldValue) -> list[str | int | None]:
    return [value.value, value.revision, value.field]
