"""Something about a service that someone must change, beside what its metrics say.

Found by app/observe.py, shown by app/status.py as the condition that it makes False. The message names the place, the
value and the change.
"""

from dataclasses import dataclass

from firebreak.api.conditions import ConditionReason, ConditionType
from firebreak.core.commands import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong, the condition that it makes False, and why in one word."""

    condition: ConditionType
    reason: ConditionReason | Reason
    message: str
