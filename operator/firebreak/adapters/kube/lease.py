"""Which replica acts?"""

from firebreak.core.ports import ClusterError


class NotLeader(ClusterError):
    """Another replica may be acting by the time this write arrives: leave it to that one."""
