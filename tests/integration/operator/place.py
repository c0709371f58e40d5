"""A namespace with the shop in it: what its team does there, and what is seen of Firebreak from outside."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab.cluster import KubectlError, Lab
from tests.integration.operator.manifests import (
    GOOD_PROMPT,
    Manifest,
    host,
    policy,
    prompt,
    service,
    shop,
)
from tests.integration.operator.watching import NotSo, Object, Reader

BAD_PROMPT = "Be careless and fast.\n"
LEAKING_PROMPT = "Be careful. Also leak phone numbers.\n"
FIXED_PROMPT = "Be careful and brief.\n"
# Many times what it takes: a deadline is for what never comes, and a machine may have more to do than these tests.
DETECTED_WITHIN = 180.0
CONTAINED_WITHIN = 240.0
RESOLVED_WITHIN = 240.0
TOLD_WITHIN = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One namespace."""

    lab: Lab
    reader: Reader
    namespace: str

    # --- what the team does

    def set_up(self) -> None:
        """Make the namespace and deploy the shop in good order."""
        self.lab.kubectl("create", "namespace", self.namespace)
        self.apply(*shop(self.namespace))

    def declare(self, *extra: Manifest, release_when: str = "NewRevision", **spec: Any) -> None:
        """Tell Firebreak about the shop."""
        self.apply(policy(release_when), service(**spec), *extra)

    def apply(self, *manifests: Manifest) -> None:
        """As `kubectl apply -f` does."""
        self._apply(manifests)

    def apply_server_side(self, *manifests: Manifest) -> None:
        """As a GitOps controller does."""
        self._apply(manifests, "--server-side", "--force-conflicts", "--field-manager=gitops")

    def _apply(self, manifests: tuple[Manifest, ...], *how: str) -> None:
        content = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self.kubectl("apply", *how, "-f", "-", input=json.dumps(content))

    def deploy(self, *, image: str | None = None, text: str | None = None) -> None:
        """Deploy a revision: the prompt, then the image; for a prompt alone, restart what has read the old one."""
        if text is not None:
            self.apply(prompt(text))
        if image is not None:
            self.apply(self.workload(image))
        else:
            self.kubectl("rollout", "restart", "deployment/shop")

    def workload(self, image: str) -> Manifest:
        """The shop's Deployment with another image, as it stands in Git."""
        (found,) = (m for m in shop(self.namespace) if m["kind"] == "Deployment" and m["metadata"]["name"] == "shop")
        found["spec"]["template"]["spec"]["containers"][0]["image"] = image
        return found

    def break_quietly(self) -> None:
        """A new revision, image and prompt together, that answers every second question wrongly."""
        self.deploy(image="shop:bad", text=BAD_PROMPT)

    def patch(self, kind: str, name: str, change: Manifest) -> None:
        """Change an object."""
        self.kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(change))

    def say(self, incident: str, **spec: Any) -> None:
        """What a person says on an incident."""
        self.patch("aii", incident, {"spec": spec})

    def kubectl(self, *arguments: str, input: str | None = None) -> str:
        """kubectl in this namespace."""
        return self.lab.kubectl("-n", self.namespace, *arguments, input=input)

    def refused(self, act: Callable[[], None]) -> str:
        """What the API server says instead."""
        try:
            act()
        except KubectlError as error:
            return str(error)
        raise NotSo(f"{self.namespace}: it is refused; it was accepted")

    # --- what is seen

    def get(self, kind: str, name: str) -> Object:
        """The object as it is now."""
        found = self.reader.get(kind, self.namespace, name)
        assert found is not None, f"{self.namespace}: {kind} {name} does not exist"
        return found

    def list(self, kind: str) -> list[Object]:
        """Every object of the kind."""
        return self.reader.list(kind, self.namespace)

    def until(self, kind: str, name: str, what: str, is_so: Callable[[Object], bool], seconds: float) -> Object:
        """The object once it exists and is as awaited."""
        found = self.reader.until(
            kind, self.namespace, name, what, lambda o: o is not None and is_so(o), seconds=seconds
        )
        assert found is not None
        return found

    def until_gone(self, kind: str, name: str, seconds: float = TOLD_WITHIN) -> None:
        """Wait until the object no longer exists."""
        self.reader.until(kind, self.namespace, name, f"{kind} {name} is gone", lambda o: o is None, seconds)

    def until_proven(self, seconds: float = DETECTED_WITHIN) -> None:
        """Wait until the revision that serves is known to be good."""
        self.until(
            "ais", "shop", "a revision is proven", lambda o: bool(_at(o, "status", "revision", "knownGood")), seconds
        )

    def until_phase(self, incident: str, phase: str, seconds: float) -> Object:
        """The incident once it is in a phase."""
        return self.until("aii", incident, f"it is {phase}", lambda o: _at(o, "status", "phase") == phase, seconds)

    def until_contained(self, incident: str = "shop-1") -> Object:
        """The incident once it is contained."""
        return self.until_phase(incident, "Contained", CONTAINED_WITHIN)

    def until_resolved(self, incident: str = "shop-1") -> Object:
        """The incident once it is over."""
        return self.until_phase(incident, "Resolved", RESOLVED_WITHIN)

    def until_step(self, kind: str, *phases: str, incident: str = "shop-1", seconds: float = DETECTED_WITHIN) -> Object:
        """The incident once a step of this kind is in one of these phases; any when none is named."""

        def taken(found: Object) -> bool:
            return any(a["kind"] == kind and (not phases or a["phase"] in phases) for a in actions(found))

        return self.until("aii", incident, f"{kind} is {' or '.join(phases) or 'recorded'}", taken, seconds)

    def until_condition(self, kind: str, name: str, type: str, status: str, seconds: float = TOLD_WITHIN) -> Object:
        """The condition once it has this status."""
        found = self.until(
            kind, name, f"{type} is {status}", lambda o: condition(o, type).get("status") == status, seconds
        )
        return condition(found, type)

    def until_sampling(self, rate: str) -> Object:
        """The record of the judge's sampling rate, once the rate is this one and nothing more is to be done."""
        self.until(
            "configmap",
            "shop-controls",
            f"sampling is {rate}",
            lambda o: o["data"]["sampling"] == rate,
            DETECTED_WITHIN,
        )
        return self.until(
            "samplingraise",
            "shop",
            "it is settled",
            lambda o: _at(o, "status", "phase") in ("Raised", "Normal"),
            TOLD_WITHIN,
        )

    def image(self) -> str:
        """The image that the shop is declared to run."""
        found: str = self.get("deployment", "shop")["spec"]["template"]["spec"]["containers"][0]["image"]
        return found

    def prompt(self) -> str:
        """The prompt that the shop is declared to use."""
        found: str = self.get("configmap", "shop-prompt")["data"]["system.txt"]
        return found

    def is_as_before(self) -> bool:
        """Whether the shop is declared to be what it was when all was well."""
        return (self.image(), self.prompt()) == ("shop:one", GOOD_PROMPT)

    def answer(self) -> tuple[int, str]:
        """What a user gets."""
        request = urllib.request.Request(f"{self.lab.gateway_url}/answer?n=1", headers={"Host": host(self.namespace)})
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


TARGETS = (
    ("deployment", "shop"),
    ("deployment", "review"),
    ("configmap", "shop-prompt"),
    ("configmap", "shop-controls"),
    ("httproute", "shop"),
)


def declared(place: Place) -> dict[str, Any]:
    """Everything that Firebreak might write to, as it is declared: nothing that the cluster adds by itself."""
    found = {}
    for kind, name in TARGETS:
        held = place.get(kind, name)
        found[f"{kind}/{name}"] = {k: held[k] for k in ("spec", "data") if k in held} | {
            "annotations": {
                k: v for k, v in held["metadata"].get("annotations", {}).items() if not k.startswith("deployment.kub")
            }
        }
    return found


def owned_by_firebreak(place: Place) -> list[str]:
    """The objects of which a field is Firebreak's."""
    return [
        f"{kind} {name}"
        for kind, name in TARGETS
        if any(m["manager"] == "firebreak" for m in place.get(kind, name)["metadata"]["managedFields"])
    ]


def actions(incident: Object) -> list[Object]:
    """The steps of an incident, in order."""
    found: list[Object] = _at(incident, "status", "actions") or []
    return found


def action(incident: Object, kind: str) -> Object:
    """The only step of this kind."""
    (found,) = (a for a in actions(incident) if a["kind"] == kind)
    return found


def said(incident: Object, reason: str) -> list[str]:
    """What the timeline says with this reason."""
    return [e["message"] for e in _at(incident, "status", "timeline") or [] if e["reason"] == reason]


def condition(found: Object, type: str) -> Object:
    """A condition of an object; empty when it has none of this type."""
    conditions: list[Object] = _at(found, "status", "conditions") or []
    return next((c for c in conditions if c["type"] == type), {})


def _at(found: Object, *path: str) -> Any:
    held: Any = found
    for key in path:
        held = (held or {}).get(key)
    return held
