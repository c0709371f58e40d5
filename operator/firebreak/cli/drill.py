"""Could the ladder be carried out now? Creates a ContainmentDrill, waits for its end, and prints what it found.

The exit code says it too: 0 when nothing is in the way of any step, else 1. So a pipeline may rehearse before it deploys.
"""

import asyncio
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from firebreak.adapters.kube.kinds import FIREBREAK, path_of
from firebreak.api.v1alpha1 import AIService, ContainmentDrill
from firebreak.api.v1alpha1.aiservice import FallbackRole
from firebreak.api.v1alpha1.drill import DrillMode, DrillOption, DrillOutcome
from firebreak.api.v1alpha1.policy import ActionKind
from firebreak.cli.session import Kubeconfig, Namespace, Refusal, Session, accepted, run
from firebreak.cli.show import coloured, columns, lasted, tell

_LOOK_EVERY_SECONDS = 0.5


def drill(
    service: Annotated[str, typer.Argument(help="The AIService whose ladders are rehearsed.")],
    mode: Annotated[
        DrillMode, typer.Option(help="How far: check the writes, also look at everything around, or do it and undo it.")
    ] = DrillMode.DRY_RUN,
    step: Annotated[
        list[str] | None,
        typer.Option(
            "--step",
            "-s",
            help="Only this step, such as RollBack, SwitchTraffic=small-model (a fallback or a role) or "
            "DisableFeature=date-answers; may be repeated.",
        ),
    ] = None,
    execute_allowed: Annotated[
        bool, typer.Option("--execute-allowed", help="Mode Execute changes what users get while it runs: say so.")
    ] = False,
    wait: Annotated[int, typer.Option(help="How long the report is waited for, in seconds.", min=1)] = 1200,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Rehearse a service's ladder now: which steps could be carried out, how long each takes, what is in the way."""

    async def command(session: Session) -> None:
        await session.get(AIService, service)
        spec: dict[str, Any] = {"service": service, "mode": mode.value}
        spec |= {"steps": [_step(text) for text in step]} if step else {}
        spec |= {"allowExecution": True} if execute_allowed else {}
        labels = {"firebreak.dev/service": service}
        answer = await session.create(ContainmentDrill, {"generateName": f"{service}-", "labels": labels}, spec)
        name = accepted(answer, f"no drill of {service} was created")["metadata"]["name"]
        typer.echo(f"ContainmentDrill {name} of mode {mode.value} is created", err=True)
        over = await _until_over(session, name, wait)
        tell(report(over))
        if over.status.run is None or over.status.run.outcome is not DrillOutcome.PASSED:
            raise typer.Exit(1)

    run(command, namespace=namespace, kubeconfig=kubeconfig)


async def _until_over(session: Session, name: str, seconds: int) -> ContainmentDrill:
    path = path_of(FIREBREAK[ContainmentDrill.__name__].key(session.namespace, name))
    said = ""
    try:
        async with asyncio.timeout(seconds):
            while True:
                raw = await session.client.get(path)
                if raw is None:
                    raise Refusal(f"ContainmentDrill {name} was deleted while it ran")
                found = ContainmentDrill.model_validate(raw)
                if found.status.run is not None and found.status.run.ended_at is not None:
                    return found
                ready = next((c for c in found.status.conditions if c.type == "Ready" and c.status == "False"), None)
                if ready is not None and ready.message != said:
                    said = ready.message
                    typer.echo(f"it waits: {said}", err=True)
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
    except TimeoutError:
        raise Refusal(
            f"ContainmentDrill {name} has not come to its end within {seconds} s{f': {said}' if said else ''}; it goes "
            f"on: kubectl get drill {name} -n {session.namespace} -o yaml"
        ) from None


def report(drill: ContainmentDrill) -> RenderableType:
    """What the last run says of each step."""
    run = drill.status.run
    assert run is not None, "a report is of a run"
    head = Text.assemble(
        (f"{drill.metadata.namespace}/{drill.metadata.name}", "bold"),
        "  ",
        coloured(str(run.outcome or drill.status.state)),
        f"  mode {run.mode}, {drill.status.summary or 'no step'}, took {lasted(run.started_at, run.ended_at)}",
    )
    table = columns("STEP", "MODE", "RESULT", "ACCEPTED", "IN FORCE", "GIVEN BACK", "WHAT WAS FOUND")
    for option in drill.status.options:
        table.add_row(option.name, str(option.mode), coloured(option.result), *_phases(option), option.message or "-")
    facts = f"policy {run.policy or '-'} ({run.policy_hash or '-'}), revision {run.revision or '-'}"
    parts: list[RenderableType] = [head, Text(facts, style="dim")]
    if drill.status.options:
        parts += [Text(), table]
    if run.outcome is not DrillOutcome.PASSED and run.message:
        parts += [Text(), Text(run.message)]
    return Group(*parts)


def _phases(option: DrillOption) -> tuple[str, str, str]:
    times = (option.accepted_seconds, option.in_force_seconds, option.given_back_seconds)
    accepted_in, in_force_in, given_back_in = ("-" if t is None else f"{t:.1f}s" for t in times)
    return accepted_in, in_force_in, given_back_in


def _step(text: str) -> dict[str, Any]:
    """SwitchTraffic=small-model, as a drill's spec says it."""
    action, _, subject = text.partition("=")
    if action not in set(ActionKind):
        raise Refusal(f"--step {text}: {action} is no step; write one of {', '.join(ActionKind)}")
    match ActionKind(action):
        case ActionKind.SWITCH_TRAFFIC if subject:
            return {"action": action, "fallback": {"role" if subject in set(FallbackRole) else "name": subject}}
        case ActionKind.DISABLE_FEATURE if subject:
            return {"action": action, "feature": subject}
        case ActionKind.SWITCH_TRAFFIC | ActionKind.DISABLE_FEATURE:
            raise Refusal(f"--step {text}: say which, as in {action}=name")
        case _ if subject:
            raise Refusal(f"--step {text}: {action} takes no name")
        case _:
            return {"action": action}
