"""What is to happen in an incident? Each verb sets a field of an AIIncident's spec, as `kubectl edit` would.

The operator does the rest and says so in the incident; nothing here waits for it, but for a request made again.
"""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from firebreak.api.v1alpha1 import AIIncident, AIService
from firebreak.api.v1alpha1.aiservice import Category, Mode
from firebreak.api.v1alpha1.incident import Phase, Resolution
from firebreak.api.v1alpha1.policy import ReleaseWhen, Severity
from firebreak.cli.session import Kubeconfig, Namespace, Refusal, Session, accepted, run

_HEARD_WITHIN = 20
"""Seconds; the operator takes a change up within one or two."""

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


def ack(
    incident: IncidentName,
    page: Annotated[
        int | None, typer.Option(help="The number of the last page that you have seen; default: of all so far.", min=1)
    ] = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """You have what was asked so far: it is no longer repeated. What comes up later is said again."""

    async def command(session: Session) -> None:
        found = await _open(session, incident)
        name, latest, known = found.metadata.name, found.status.pages, found.spec.acknowledged_up_to
        if latest == 0:
            raise Refusal(f"nothing was asked in {name} so far; see: kubectl firebreak explain {name}")
        if page is not None and page > latest:
            raise Refusal(f"there is no page {page} in {name}: the latest is {latest}")
        up_to = max(page or latest, known)
        accepted(await session.say(AIIncident, name, {"acknowledgedUpTo": up_to}), f"{name} was not changed")
        typer.echo(f"{name} is acknowledged up to page {up_to}: what was asked so far is not repeated")
        if up_to < latest:
            typer.echo(f"page {latest} is not; see: kubectl firebreak explain {name} -n {session.namespace}")

    run(command, namespace=namespace, kubeconfig=kubeconfig)


def contain(incident: IncidentName, namespace: Namespace = None, kubeconfig: Kubeconfig = None) -> None:
    """Take the next step of the ladder now, on your word instead of the metrics' evidence."""
    said = "is told to take its next step; only pauses, suspensions, conflicts and approvals still hold it"
    _ask(incident, _Request("contain", _contain_is_over), said, namespace, kubeconfig)


def approve(
    incident: IncidentName,
    request: Annotated[
        str | None,
        typer.Option(
            help="What you approve, as the page names it; anything else that is asked by now is not approved.",
            metavar="REQUEST",
        ),
    ] = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Approve the step that waits for it, in your own name: this step, with what it would do now.

    Without --request you are shown what is asked for, and in a terminal asked whether you mean that.
    """

    async def command(session: Session) -> None:
        found = await session.incident(incident)
        name, asked = found.metadata.name, found.status.approval
        if asked is None:
            raise Refusal(f"{name} waits for no approval; see: kubectl firebreak explain {name}")
        told = f"{asked.would or asked.step} ({asked.request})"
        if request is not None and request != asked.request:
            raise Refusal(f"{request} is not asked for any more: {name} waits for approval of {told}")
        typer.echo(told)
        for change in asked.changes:
            typer.echo(f"  {change}")
        if request is None and sys.stdin.isatty():
            typer.confirm("Approve that?", abort=True)
        said = {"approval": {"request": asked.request, "by": await session.me()}}
        accepted(await session.say(AIIncident, name, said), f"{asked.request} was not approved")
        typer.echo(f"{asked.request} is approved; see: kubectl firebreak explain {name} -n {session.namespace}")

    run(command, namespace=namespace, kubeconfig=kubeconfig)


def release(incident: IncidentName, namespace: Namespace = None, kubeconfig: Kubeconfig = None) -> None:
    """Give back now, by the policy's ramp, without waiting for the policy's proof."""
    said = "is told to give back, by the policy's ramp"
    _ask(incident, _Request("release", _release_is_over), said, namespace, kubeconfig)


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


@dataclass(frozen=True, slots=True)
class _Request:
    """A field that counts once for as long as it is set, and whether the operator is through with it."""

    field: str
    is_over: Callable[[AIIncident], bool]


def _contain_is_over(incident: AIIncident) -> bool:
    return incident.status.contain_followed


def _release_is_over(incident: AIIncident) -> bool:
    return ReleaseWhen.PERSON in incident.status.refuted


def _ask(name: str, request: _Request, said: str, namespace: str | None, kubeconfig: str | None) -> None:
    """Set the field; one that is set since it was last asked is unset first, or the operator would not hear it."""

    async def command(session: Session) -> None:
        incident = await _open(session, name)
        found = incident.metadata.name
        if getattr(incident.spec, request.field):
            if not request.is_over(incident):
                raise Refusal(
                    f"{found} was told so already, and it is not done yet; why: kubectl firebreak explain {found}"
                )
            accepted(await session.say(AIIncident, found, {request.field: False}), f"{found} was not changed")
            await _until_heard(session, found, request)
        accepted(await session.say(AIIncident, found, {request.field: True}), f"{found} was not changed")
        typer.echo(f"{found} {said}; see: kubectl firebreak explain {found} -n {session.namespace}")

    run(command, namespace=namespace, kubeconfig=kubeconfig)


async def _until_heard(session: Session, name: str, request: _Request) -> None:
    try:
        async with asyncio.timeout(_HEARD_WITHIN):
            while True:
                if not request.is_over(await session.get(AIIncident, name)):
                    return
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise Refusal(
            f"spec.{request.field} of {name} is unset, and the operator has not taken that up within "
            f"{_HEARD_WITHIN} s; see that it runs, then say it again"
        ) from None


async def _open(session: Session, name: str) -> AIIncident:
    incident = await session.incident(name)
    found = incident.metadata.name
    if incident.status.phase is Phase.RESOLVED:
        raise Refusal(f"{found} is resolved: nothing can be said to it; kubectl firebreak explain {found}")
    return incident


def _say(name: str, spec: dict[str, Any], said: str, namespace: str | None, kubeconfig: str | None) -> None:
    async def command(session: Session) -> None:
        found = (await _open(session, name)).metadata.name
        accepted(await session.say(AIIncident, found, spec), f"{found} was not changed")
        typer.echo(f"{found} {said}; see: kubectl firebreak explain {found} -n {session.namespace}")

    run(command, namespace=namespace, kubeconfig=kubeconfig)
