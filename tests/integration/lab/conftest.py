"""A place for workloads on the session's lab."""

import pytest
from lab.cluster import Lab
from tests.integration.lab.labplace import Place


@pytest.fixture
def place(lab: Lab, namespace: str) -> Place:
    return Place(lab=lab, namespace=namespace)
