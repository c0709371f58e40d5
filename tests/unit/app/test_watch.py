"""A run of Kopf that failed is followed by another one in the same process, which must live to see it."""

from firebreak.app import watch


def test_kopf_never_kills_the_process_after_a_run_that_failed() -> None:
    """Kopf's last resort, a SIGKILL some time after a run began to end, would hit the run that follows."""
    assert watch._settings().process.ultimate_exiting_timeout is None
