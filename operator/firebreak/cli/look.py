"""What is going on? Reads only."""

from typing import Annotated

import typer

from firebreak.api.v1alpha1 import AIIncident, AIService, Quarantine
from firebreak.api.v1alpha1.incident import Phase
from firebreak.app.clock import SystemClock
from firebreak.cli.explain import explanation
from firebreak.cli.session import Everywhere, Kubeconfig, Namespace, Session, run
from firebreak.cli.show import incidents_table, service_words, services_table, tell


def status(
    service: Annotated[
        str | None, typer.Argument(help="One AIService in full; without it all of them, a line each.")
    ] = None,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Which services are well, which are not, and what is in the way."""

    async def command(session: Session) -> None:
        now = SystemClock().now()
        if service is not None:
            tell(service_words(await session.get(AIService, service), now))
        else:
            services = await session.all(AIService)
            tell(services_table(services, now) if services else _nothing("AIService", session), a_line_each=True)

    run(command, namespace=namespace, kubeconfig=kubeconfig, everywhere=everywhere and service is None)


def incidents(
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are open.")] = False,
    service: Annotated[str | None, typer.Option("--service", "-s", help="Only those of this AIService.")] = None,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    kubeconfig: Kubeconfig = None,
) -> None:
    """The incidents, the latest first."""

    async def command(session: Session) -> None:
        found = [
            i
            for i in await session.all(AIIncident)
            if (service is None or i.spec.service == service) and not (only_open and i.status.phase is Phase.RESOLVED)
        ]
        now = SystemClock().now()
        tell(incidents_table(found, now) if found else _nothing("AIIncident", session), a_line_each=True)

    run(command, namespace=namespace, kubeconfig=kubeconfig, everywhere=everywhere)


def explain(
    incident: Annotated[str, typer.Argument(help="The AIIncident's name, or a service's: its open or last incident.")],
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """What happened, what was done and why, what is held, and what comes next: everything about one incident."""

    async def command(session: Session) -> None:
        found = await session.incident(incident)
        services = [s for s in await session.all(AIService) if s.metadata.name == found.spec.service]
        quarantines = [q for q in await session.all(Quarantine) if q.spec.incident == found.metadata.name]
        tell(explanation(found, services[0] if services else None, quarantines, SystemClock().now()))

    run(command, namespace=namespace, kubeconfig=kubeconfig)


def _nothing(kind: str, session: Session) -> str:
    return f"no {kind} in {'any namespace' if not session.namespace else f'namespace {session.namespace}'}"
