"""Which static answer does a request get? Known from the AIServices, kept when the API server is away.

Asked by server.py for each request, told by follow.py.
A request says by the header `firebreak-fallback: namespace/service/fallback` which answer it is sent for; the rule of the
route sets that header, so no client can choose.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from firebreak.api.v1alpha1.aiservice import StaticAnswer

HEADER = "firebreak-fallback"


class FallbackKey(NamedTuple):
    """A fallback of a service."""

    namespace: str
    service: str
    fallback: str

    @classmethod
    def read(cls, header: str | None) -> "FallbackKey | None":
        """What the header names; None when it is not there or names nothing."""
        parts = (header or "").strip().split("/")
        return cls(*parts) if len(parts) == 3 and all(parts) else None


class Answers:
    """Every static answer of every service."""

    def __init__(self) -> None:
        self._by_service: dict[tuple[str, str], Mapping[str, StaticAnswer]] = {}
        self.listed = False

    def find(self, key: FallbackKey) -> StaticAnswer | None:
        """The answer; None when the service or its fallback is not known."""
        return self._by_service.get((key.namespace, key.service), {}).get(key.fallback)

    def replace_all(self, services: Iterable[Mapping[str, Any]]) -> None:
        """These are all services there are."""
        self._by_service = {_key(service): _static_answers(service) for service in services}
        self.listed = True

    def keep(self, service: Mapping[str, Any]) -> None:
        """The service is now like this."""
        self._by_service[_key(service)] = _static_answers(service)

    def forget(self, service: Mapping[str, Any]) -> None:
        """The service is gone."""
        self._by_service.pop(_key(service), None)


def _key(service: Mapping[str, Any]) -> tuple[str, str]:
    return service["metadata"]["namespace"], service["metadata"]["name"]


def _static_answers(service: Mapping[str, Any]) -> Mapping[str, StaticAnswer]:
    answers = {}
    for fallback in service.get("spec", {}).get("fallbacks") or ():
        try:
            answers[str(fallback["name"])] = StaticAnswer.model_validate(fallback["static"])
        except (KeyError, ValidationError):
            # Not a static one, or one from before a rule that it breaks; the others are none the worse for it.
            continue
    return answers
