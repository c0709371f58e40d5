"""Hypothesis' profiles: `dev` by default; `pytest --hypothesis-profile thorough tests/property` looks longer."""

from datetime import timedelta

from hypothesis import settings

# A machine that is busy with the lab must not fail a test for being slow.
settings.register_profile("dev", deadline=timedelta(seconds=10))
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile("dev")
