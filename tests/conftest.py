"""How long hypothesis looks, and which tests run beside which.

Hypothesis' profiles: by default every run tries the same examples, so that a commit that is green stays green;
`make explore` tries others each time, and more of them. What it finds becomes an `@example` or a test of its own.
`make test` runs two processes, since tests on a lab mostly wait.
"""

from datetime import timedelta

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# A machine that is busy with the lab must not fail a test for being slow.
settings.register_profile("dev", deadline=timedelta(seconds=10), derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=1000, derandomize=False)
settings.load_profile("dev")


class _ByLab(LoadScopeScheduling):  # type: ignore[misc]
    """What shares a lab stays in one process; the operator's scenarios and the adapter's tests have labs of their own."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        match file.split("/"):
            case ["tests", "integration", "operator" | "kube" as part, *_]:
                return part
            case ["tests", "integration", *_]:
                return "lab"
            case ["tests", "property", *_]:
                return nodeid
            case _:
                return file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Two processes take the groups in the order in which they are collected: those on a lab begin."""
    return _ByLab(config, log)
