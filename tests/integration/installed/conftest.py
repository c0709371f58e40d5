"""The lab with Firebreak's CRDs, roles and admission policies in it, and a namespace per test."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lab.build import ensure
from tests.integration.installed.installed import CHART, NAMESPACE, Helm, Installation, Kubectl


@pytest.fixture(scope="session")
def helm() -> Helm:
    return Helm(program=ensure(("helm",))["helm"])


@pytest.fixture(scope="session")
def admin(lab: Any) -> Kubectl:
    """kubectl with every right."""
    return Kubectl(program=ensure(("kubectl",))["kubectl"], kubeconfig=Path(lab.kubeconfig), namespace="default")


@pytest.fixture(scope="session")
def firebreak(admin: Kubectl, helm: Helm) -> Installation:
    """Firebreak as the chart installs it, without what runs: left alone where the lab has installed it already."""
    policies = admin.run("get", "validatingadmissionpolicies", "-l", "app.kubernetes.io/name=firebreak", "-o", "name")
    if "authority" not in policies.text:
        admin.must(admin.run("apply", "--server-side", "-f", str(CHART / "crds")))
        admin.must(admin.run("wait", "--for=condition=Established", "--timeout=20s", "-f", str(CHART / "crds")))
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        parts = [each for each in helm.template() if each["kind"] not in ("Deployment", "Service")]
        admin.must(admin.apply(namespace))
        admin.must(replace(admin, namespace=NAMESPACE).apply(*parts))
    bound = admin.run(
        *("get", "clusterrolebindings", "-l", "app.kubernetes.io/name=firebreak", "-o"),
        'jsonpath={range .items[*]}{.metadata.name} {.subjects[0].name} {.subjects[0].namespace}{"\\n"}{end}',
    )
    rows = [line.split() for line in bound.text.splitlines()]
    ((name, namespace),) = {(account, at) for binding, account, at in rows if binding == account}
    return Installation(name=name, namespace=namespace)


@pytest.fixture
def kubectl(admin: Kubectl, firebreak: Installation) -> Iterator[Kubectl]:
    """kubectl with every right, in a namespace of the test's own."""
    name = f"installed-{uuid.uuid4().hex[:10]}"
    admin.must(admin.run("create", "namespace", name))
    yield replace(admin, namespace=name)
    admin.run("delete", "namespace", name, "--wait=false")


@pytest.fixture
def operator(kubectl: Kubectl, firebreak: Installation) -> Kubectl:
    """kubectl with the operator's own rights, in the test's namespace."""
    return kubectl.as_account(firebreak.name, firebreak.namespace)
