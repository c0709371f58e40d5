"""One lab for the session, and a namespace of its own for each test.

`make test` runs two sessions side by side, since these tests mostly wait: what shares a lab stays in one of them.
"""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab.cluster import Lab
from lab.install import install
from lab.paths import IMAGES, REPOSITORY

OWN_IMAGES = [Path(__file__).parent / part / "images.yaml" for part in ("lab", "operator")]


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The lab: a control plane, a node, the gateway and Prometheus."""
    with Lab.start(images=[IMAGES, REPOSITORY / "examples" / "qa" / "images.yaml", *OWN_IMAGES]) as lab:
        yield lab


@pytest.fixture
def namespace(lab: Lab) -> Iterator[str]:
    """A namespace that is deleted when the test is over."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    lab.kubectl("create", "namespace", name)
    yield name
    lab.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def operator(lab: Lab) -> Lab:
    """The lab with Firebreak running in it, installed by its chart."""
    install(lab)
    return lab
