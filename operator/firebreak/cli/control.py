"""Is anything contained at all? The one switch of the installation, and its breaker: FirebreakControl firebreak."""

from typing import Annotated

import typer

from firebreak.api.v1alpha1 import FirebreakControl
from firebreak.api.v1alpha1.control import BreakerCause, BreakerState
from firebreak.cli.session import Kubeconfig, Refusal, Session, accepted, run

_NAME = "firebreak"


def pause(
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why, for whoever finds it paused.")],
    kubeconfig: Kubeconfig = None,
) -> None:
    """Take no new containment anywhere. What is in force stays, incidents are still recorded."""
    _set(True, reason, "paused: nothing new is contained anywhere; what is in force stays", kubeconfig)


def resume(kubeconfig: Kubeconfig = None) -> None:
    """Contain again: steps that were held are taken if they are still called for."""
    _set(False, "", "resumed: what is still called for is contained", kubeconfig)


def confirm(
    trip: Annotated[int, typer.Argument(help="The trip's number, as the incidents and `kubectl get fbc` say it.")],
    kubeconfig: Kubeconfig = None,
) -> None:
    """The circuit breaker has tripped, and so many services are really bad: contain them all. Counts for this trip."""

    async def command(session: Session) -> None:
        control = await session.get(FirebreakControl, _NAME)
        breaker = control.status.breaker
        if breaker.state is BreakerState.READY or breaker.trip != trip:
            last = f"its last trip was {breaker.trip}, and it is {breaker.state}" if breaker.trip else "it never has"
            raise Refusal(f"the circuit breaker is not tripped by trip {trip}: {last}")
        accepted(await session.say(FirebreakControl, _NAME, {"confirmedTrip": trip}), "nothing was changed")
        typer.echo(f"trip {trip} is confirmed: what is still called for is contained in every service")
        if breaker.cause is BreakerCause.METRICS_PIPELINE:
            typer.echo(f"it counts once the metrics are well: {breaker.because}")

    run(command, namespace="", kubeconfig=kubeconfig)


def _set(paused: bool, reason: str, said: str, kubeconfig: str | None) -> None:
    async def command(session: Session) -> None:
        spec = {"paused": paused, "reason": reason}
        answer = await session.say(FirebreakControl, _NAME, spec)
        if answer.status == 404:
            answer = await session.create(FirebreakControl, {"name": _NAME}, spec)
        accepted(answer, "nothing was changed")
        typer.echo(said)

    run(command, namespace=None, kubeconfig=kubeconfig)
