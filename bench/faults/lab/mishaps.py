"""What goes wrong at a point of the lab part, and for how long?"""

from enum import StrEnum


class Mishap(StrEnum):
    """What happens at a boundary."""

    KILLED_BEFORE = "killed-before"
    """The process is killed (SIGKILL) before the request arrives at the API server."""
    KILLED_AFTER = "killed-after"
    """The process is killed after the request was carried out, before it hears of that."""
    CUT_OFF = "cut-off"
    """From here on this replica does not reach the API server, for longer than the Lease lasts."""
    ANSWER_LOST = "answer-lost"
    """The request is carried out, and its answer is lost."""
    LATE = "late"
    """It arrives when the operator has given it up, four and a half seconds late."""
    DOUBLED = "doubled"
    """It arrives twice."""
    CONFLICT = "409"
    TOO_MANY = "429"
    FAILED = "500"
    """Answered once, without being carried out."""
    STALE_LISTS = "stale-lists"
    """The process is killed, and what is started instead gets lists from before the incident for five seconds."""
    API_AWAY_1 = "api-away-1s"
    API_AWAY_60 = "api-away-60s"
    PROMETHEUS_AWAY_1 = "prometheus-away-1s"
    PROMETHEUS_AWAY_60 = "prometheus-away-60s"
    """Nobody reaches it for as long: every connection is closed."""
    WATCHES_SILENT = "watches-silent"
    """Every watch that is open says nothing any more and is not closed."""
    WATCHES_TOO_OLD = "watches-too-old"
    """Every watch is cut, and the next one of each kind is told that its resourceVersion is too old."""
    LISTS_TOO_OLD = "lists-too-old"
    """Every watch is cut, and watches as well as lists are answered 410 for five seconds."""
    ETCD_RESTARTED = "etcd-restarted"
    """etcd is killed and started again."""


BEFORE_THE_DEPLOYMENT = "before-the-deployment"
"""Where a boundary is named: it happens at once, so the bad revision is not heard of by a watch."""
WATCHES = (Mishap.WATCHES_SILENT, Mishap.WATCHES_TOO_OLD)
KILLS = (Mishap.KILLED_BEFORE, Mishap.KILLED_AFTER)
ANSWERS = {
    Mishap.CONFLICT: (409, "Conflict"),
    Mishap.TOO_MANY: (429, "TooManyRequests"),
    Mishap.FAILED: (500, "InternalError"),
}
API_AWAY = {Mishap.API_AWAY_1: 1.0, Mishap.API_AWAY_60: 60.0}
PROMETHEUS_AWAY = {Mishap.PROMETHEUS_AWAY_1: 1.0, Mishap.PROMETHEUS_AWAY_60: 60.0}
EXCLUSIVE = frozenset({Mishap.ETCD_RESTARTED})
"""What strikes everybody in the lab: tried while nothing else goes on."""

LEASE_SECONDS = 8.0
CUT_OFF_SECONDS = 14.0
LATE_SECONDS = 4.5
TOO_OLD_SECONDS = 5.0


class Neighbour(StrEnum):
    """Who else writes to the same objects, from the beginning of a story to its end."""

    GITOPS_SERVER_SIDE = "gitops-server-side"
    GITOPS_CLIENT_SIDE = "gitops-client-side"
    """A loop that applies what stands in Git once a second, and puts back what differs."""
    AUTOSCALER = "autoscaler"
    """One that sets the workload's replicas through /scale again and again."""
