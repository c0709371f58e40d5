"""One lab for the session, and a namespace of its own for each test."""

import uuid
from collections.abc import Iterator

import pytest
from lab.cluster import Lab
from lab.paths import IMAGES, REPOSITORY


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The lab: a control plane, a node, the gateway and Prometheus."""
    with Lab.start(images=[IMAGES, REPOSITORY / "examples" / "qa" / "images.yaml"]) as lab:
        yield lab


@pytest.fixture
def namespace(lab: Lab) -> Iterator[str]:
    """A namespace that is deleted when the test is over."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    lab.kubectl("create", "namespace", name)
    yield name
    lab.kubectl("delete", "namespace", name, "--wait=false")
