"""How does a command reach the cluster, in which namespace, and what does it say when it cannot?

Everything goes through the API server with the caller's own rights: whoever may not patch an AIIncident with kubectl may
not do it with this either.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
import yaml
from pydantic import ValidationError

from firebreak.adapters.kube.client import MERGE_PATCH, Answer, KubeClient
from firebreak.adapters.kube.kinds import FIREBREAK, path_of
from firebreak.api.v1alpha1 import AIIncident, AIService
from firebreak.api.v1alpha1.incident import Phase
from firebreak.api.v1alpha1.model import Resource
from firebreak.app import logs
from firebreak.core.ports import ClusterError

FIELD_MANAGER = "kubectl-firebreak"
R = TypeVar("R", bound=Resource)

Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Default: the namespace of the kubeconfig's context.")
]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="In all namespaces.")]
Kubeconfig = Annotated[str | None, typer.Option("--kubeconfig", help="Default: KUBECONFIG, else ~/.kube/config.")]


class Refusal(Exception):
    """The command ends here; the message says what is wrong and what to do instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A connection, and the namespace that is meant; empty means all of them."""

    client: KubeClient
    namespace: str

    async def all(self, model: type[R]) -> tuple[R, ...]:
        """All objects of a kind in the namespace; those that cannot be read are left out and said."""
        listed = await self.client.list(FIREBREAK[model.__name__], self.namespace)
        found = []
        for raw in listed.items:
            try:
                found.append(model.model_validate(raw))
            except ValidationError as error:
                meta = raw["metadata"]
                _say(f"{model.__name__} {meta.get('namespace', '')}/{meta['name']} cannot be read: {_first(error)}")
        return tuple(found)

    async def get(self, model: type[R], name: str) -> R:
        """One object; when there is none, the refusal names those that there are."""
        raw = await self.client.get(path_of(FIREBREAK[model.__name__].key(self.namespace, name)))
        if raw is not None:
            return model.model_validate(raw)
        others = ", ".join(sorted(o.metadata.name for o in await self.all(model))[:12])
        known = f"there are: {others}" if others else "there is none"
        raise Refusal(f"no {model.__name__} {name} in namespace {self.namespace}; {known}")

    async def open_incident(self, service: str) -> AIIncident | None:
        """The open incident of a service."""
        mine = [i for i in await self.all(AIIncident) if i.spec.service == service]
        return next((i for i in mine if i.status.phase is not Phase.RESOLVED), None)

    async def incident(self, name: str) -> AIIncident:
        """An incident by its name, or the open one (else the last one) of the service of this name."""
        incidents = await self.all(AIIncident)
        named = next((i for i in incidents if i.metadata.name == name), None)
        if named is not None:
            return named
        mine = [i for i in incidents if i.spec.service == name]
        if mine:
            still = [i for i in mine if i.status.phase is not Phase.RESOLVED]
            return max(still or mine, key=lambda i: (str(i.metadata.creation_timestamp), i.metadata.name))
        if any(s.metadata.name == name for s in await self.all(AIService)):
            raise Refusal(f"AIService {name} in namespace {self.namespace} has had no incident")
        return await self.get(AIIncident, name)

    async def me(self) -> str:
        """The user name under which the API server knows the caller."""
        answer = await self.client.request(
            "POST",
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            body={"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
        )
        return str(accepted(answer, "the API server does not say who you are")["status"]["userInfo"]["username"])

    async def say(self, model: type[Resource], name: str, spec: Mapping[str, Any]) -> Answer:
        """Change some fields of a spec; the rest stays."""
        return await self.client.request(
            "PATCH",
            path_of(FIREBREAK[model.__name__].key(self.namespace, name)),
            query={"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"},
            body={"spec": dict(spec)},
            content_type=MERGE_PATCH,
        )

    async def create(self, model: type[Resource], metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> Answer:
        """Create an object."""
        kind = FIREBREAK[model.__name__]
        return await self.client.request(
            "POST",
            kind.collection(self.namespace),
            query={"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"},
            body={"apiVersion": kind.api_version, "kind": kind.kind, "metadata": dict(metadata), "spec": dict(spec)},
        )


def accepted(answer: Answer, what: str) -> Mapping[str, Any]:
    """The object after the request. Raises Refusal with the API server's words."""
    if not answer.ok:
        raise Refusal(f"{what}: {answer.message}")
    return answer.body


def run(
    command: Callable[[Session], Awaitable[None]],
    *,
    namespace: str | None,
    kubeconfig: str | None,
    everywhere: bool = False,
) -> None:
    """Run a command; what goes wrong is one line on stderr and exit code 1."""
    logs.configure("error")
    try:
        asyncio.run(_run(command, namespace, kubeconfig, everywhere))
    except (Refusal, ClusterError) as error:
        _end(str(error))
    except (OSError, yaml.YAMLError) as error:
        _end(f"cannot reach the cluster: {error}")


async def _run(
    command: Callable[[Session], Awaitable[None]], namespace: str | None, kubeconfig: str | None, everywhere: bool
) -> None:
    async with _session(namespace, kubeconfig, everywhere) as session:
        await command(session)


@asynccontextmanager
async def _session(namespace: str | None, kubeconfig: str | None, everywhere: bool) -> AsyncIterator[Session]:
    client = await _connect(kubeconfig)
    try:
        yield Session(client=client, namespace="" if everywhere else namespace or namespace_of(kubeconfig))
    finally:
        await client.close()


async def _connect(kubeconfig: str | None) -> KubeClient:
    try:
        return await KubeClient.connect(kubeconfig)
    except (ValueError, TypeError) as error:
        raise Refusal(f"the kubeconfig cannot be used: {error}") from error
    except Exception as error:  # the package's ConfigException derives from nothing else
        if type(error).__name__ != "ConfigException":
            raise
        raise Refusal(f"the kubeconfig cannot be used: {error}") from error


def namespace_of(kubeconfig: str | None) -> str:
    """The namespace of the current context, as kubectl finds it; `default` where none is named."""
    named = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    current = ""
    contexts: dict[str, dict[str, Any]] = {}
    for file in named.split(os.pathsep):
        if not file or not Path(file).is_file():
            continue
        held = yaml.safe_load(Path(file).read_text()) or {}
        current = current or held.get("current-context") or ""
        for context in held.get("contexts") or ():
            contexts.setdefault(str(context.get("name")), context.get("context") or {})
    return str(contexts.get(current, {}).get("namespace") or "default")


def _first(error: ValidationError) -> str:
    first: Any = error.errors()[0]
    return f"{'.'.join(str(p) for p in first['loc'])}: {first['msg']}"


def _say(message: str) -> None:
    print(f"firebreak: {message}", file=sys.stderr)


def _end(message: str) -> NoReturn:
    _say(message)
    raise typer.Exit(1)
