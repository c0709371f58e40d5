"""The operator on a real control plane: each scenario in a namespace of its own, all at once."""

from collections.abc import Mapping
from concurrent.futures import Future

import pytest
from tests.integration.operator.conftest import SCENARIOS

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(played: Mapping[str, Future[None]], scenario: str) -> None:
    """The scenario ends as its sentence says."""
    played[scenario].result(timeout=900)
