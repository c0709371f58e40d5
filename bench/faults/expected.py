"""Which ending is right at a point? The undisturbed one, but for two things that a mishap may rightly change.

- A drill reports what it finds: a step that is not seen in force in its time, while the API server or Prometheus is away
  or the clock is wrong, is Blocked. It is given back like any other; if it could not be written, it is not written. A
  drill that cannot begin in time is Missed, and writes nothing.
- A raise of the judge's sampling rate that is refused (403, 422) is not tried again for an hour: it changes nothing for
  users, and by then what called for it is gone.
"""

from dataclasses import replace

from bench.faults.check import Ending
from bench.faults.connection import LASTING, Mishap

_SPOTS_OF = {
    "RaiseHumanReview": ("replicas", "rate"),
    "DisableFeature date-summaries": ("dates",),
    "SwitchTraffic to small-model": ("small", "primary"),
}
"""What each step that the drill executes sets."""
_LATE = "NotInForce"


def expected(story: str, mishap: Mishap, ending: Ending, undisturbed: Ending) -> Ending:
    """What `ending` is to be held against."""
    if story == "SamplingRaise" and mishap in (Mishap.FORBIDDEN, Mishap.INVALID) and not ending.written:
        return replace(undisturbed, written=())
    if story == "Drill" and mishap in LASTING:
        return _with_late_steps(ending, undisturbed)
    return undisturbed


def _with_late_steps(ending: Ending, undisturbed: Ending) -> Ending:
    drill, found = undisturbed.drills[0], ending.drills[0].get("status") or {}
    if found.get("state") == "Missed":
        return replace(undisturbed, drills=ending.drills, written=())
    late = {o["name"] for o in found.get("options", ()) if (o["result"], o.get("reason")) == ("Blocked", _LATE)}
    if not late:
        return undisturbed
    told = [o | {"result": "Blocked"} if o["name"] in late else o for o in drill["status"]["options"]]
    status = drill["status"] | {"state": "Failed", "options": told}
    set_ = {spot for spot, _ in ending.written}
    never = {spot for name in late for spot in _SPOTS_OF[name] if spot not in set_}
    written = tuple(w for w in undisturbed.written if w[0] not in never)
    return replace(undisturbed, drills=(drill | {"status": status},), written=written)
