"""What is to happen in an incident? Each verb sets a field of an AIIncident's spec, as `kubectl edit` would.

The operator does the rest and says so in the incident; nothing here waits for it.
"""

from typing import Annotated, Any

import typer

from firebreak.api.v1alpha1 import AIIncident, AIService
from firebreak.api.v1alpha1.aiservice import Category, Mode
from firebreak.api.v1alpha1.incident import Phase, Resolution
from firebreak.api.v1alpha1.policy import Severity
from firebreak.cli.session import Kubeconfig, Namespace, Refusal, Session, accepted, run

IncidentName = Annotated[
    str, typer.Argument(help="The AIIncident's name, or a service's: its open incident.", metavar="INCIDENT")
]


def declare(
    service: Annotated[str, typer.Argument(help="The AIService.")],
    description: Annotated[str, typer.Option("--description", "-d", help="What you saw, in a sentence.")],
    category: Annotated[Category | None, typer.Option(help="What kind of harm; chooses severity and ladder.")] = None,
    severity: Annotated[Severity | None, typer.Option(help="Overrides what the policy says.")] = None,
    contain: Annotated[
        bool, typer.Option("--contain", help="Take the first step now, on your word instead of the metrics'.")
    ] = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Open an incident for something that you have seen and the metrics have not."""

    async def command(session: Session) -> None:
        declared = await session.get(AIService, service)
        already = await session.open_incident(service)
        if already is not None:
            raise Refusal(
                f"{already.metadata.name} is open for {service} already, and there is one at a time; "
                f"to have its next step taken: kubectl firebreak contain {already.metadata.name}"
            )
        said: dict[str, Any] = {"service": service, "description": description}
        said |= {"category": category.value} if category else {}
        said |= {"severity": severity.value} if severity else {}
        said |= {"contain": True} if contain else {}
        labels = {"firebreak.dev/service": service}
        answer = await session.create(AIIncident, {"generateName": f"{service}-declared-", "labels": labels}, said)
        name = accepted(answer, f"the incident was not declared for {service}")["metadata"]["name"]
        typer.echo(f"{name} is declared; see: kubectl firebreak explain {name} -n {session.namespace}")
        if contain and declared.spec.containment.mode is Mode.OBSERVE:
            typer.echo(f"{service} is in mode Observe: the steps will be said, not taken")

    run(command, namespace=namespace, kubeconfig=kubeconfig)


def ack(incident: IncidentName, namespace: Namespace = None, kubeconfig: Kubeconfig = None) -> None:
    """You have it: what is asked is no longer repeated. Nothing else changes."""
    _say(incident, {"acknowledged": True}, "is acknowledged: what it asks is not repeated", namespace, kubeconfig)


def contain(incident: IncidentName, namespace: Namespace = None, kubeconfig: Kubeconfig = None) -> None:
    """Take the next step of the ladder now, on your word instead of the metrics' evidence."""
    said = "is told to take its next step; pauses, suspensions and conflicts still hold it"
    _say(incident, {"contain": True}, said, namespace, kubeconfig)


def release(incident: IncidentName, namespace: Namespace = None, kubeconfig: Kubeconfig = None) -> None:
    """Give back now, by the policy's ramp, without waiting for the policy's proof."""
    _say(incident, {"release": True}, "is told to give back, by the policy's ramp", namespace, kubeconfig)


def resolve(
    incident: IncidentName,
    how: Annotated[
        Resolution,
        typer.Option(
            "--as",
            help="KnownGoodAccepted: the known-good stays, the bad revision stays out. FalseAlarm: it may come back.",
        ),
    ],
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """End the incident: everything that can be given back is given back. It cannot be taken back."""
    said = f"is told to end as {how.value}: what can be given back is given back first"
    _say(incident, {"resolution": how.value}, said, namespace, kubeconfig)


def _say(name: str, spec: dict[str, Any], said: str, namespace: str | None, kubeconfig: str | None) -> None:
    async def command(session: Session) -> None:
        incident = await session.incident(name)
        found = incident.metadata.name
        if incident.status.phase is Phase.RESOLVED:
            raise Refusal(f"{found} is resolved: nothing can be said to it; kubectl firebreak explain {found}")
        accepted(await session.say(AIIncident, found, spec), f"{found} was not changed")
        typer.echo(f"{found} {said}; see: kubectl firebreak explain {found} -n {session.namespace}")

    run(command, namespace=namespace, kubeconfig=kubeconfig)
