"""Is anything contained at all? The one switch of the installation: FirebreakControl firebreak."""

from typing import Annotated

import typer

from firebreak.api.v1alpha1 import FirebreakControl
from firebreak.cli.session import Kubeconfig, Session, accepted, run

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


def _set(paused: bool, reason: str, said: str, kubeconfig: str | None) -> None:
    async def command(session: Session) -> None:
        spec = {"paused": paused, "reason": reason}
        answer = await session.say(FirebreakControl, _NAME, spec)
        if answer.status == 404:
            answer = await session.create(FirebreakControl, {"name": _NAME}, spec)
        accepted(answer, "nothing was changed")
        typer.echo(said)

    run(command, namespace=None, kubeconfig=kubeconfig)
