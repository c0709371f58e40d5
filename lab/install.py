"""Firebreak on a lab, by its chart: what runs there has the chart's rights and no others.

`python -m lab install` is the same from a shell.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.build import Report, ensure, report_to_stderr
from lab.cluster import KubectlError, Lab
from lab.launch import LabError
from lab.paths import PACKAGE, REPOSITORY

CHART = REPOSITORY / "charts" / "firebreak"
VALUES = PACKAGE / "values.yaml"
NAMESPACE = "firebreak-system"
FIELD_MANAGER = "helm"
"""Whom the objects belong to after a real `helm install`."""


def install(
    lab: Lab,
    *,
    namespaces: Sequence[str] = (),
    values: Sequence[Path] = (),
    settings: Sequence[str] = (),
    seconds: int = 60,
    report: Report = report_to_stderr,
) -> None:
    """Install or upgrade Firebreak and return when all of it is available.

    `namespaces` are those whose routes may name the responder; `values` and `settings` are helm's --values and --set.
    """
    apply_crds(lab)
    manifests = render(namespaces=namespaces, values=values, settings=settings, report=report)
    _apply(lab, f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}}}\n")
    _apply(lab, manifests)
    await_available(lab, seconds)


def render(
    *,
    namespaces: Sequence[str] = (),
    values: Sequence[Path] = (),
    settings: Sequence[str] = (),
    report: Report = report_to_stderr,
) -> str:
    """The chart's manifests with the lab's values, by helm itself."""
    helm = ensure(["helm"], report)["helm"]
    command = [str(helm), "template", "firebreak", str(CHART), "--namespace", NAMESPACE, "--values", str(VALUES)]
    for file in values:
        command += ["--values", str(file)]
    for setting in settings:
        command += ["--set", setting]
    if namespaces:
        command += ["--set", f"responder.namespaces={{{','.join(namespaces)}}}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"helm template: {done.stderr.strip()}")
    return done.stdout


def apply_crds(lab: Lab) -> None:
    """Apply the chart's CustomResourceDefinitions and wait until they are served."""
    crds = str(CHART / "crds")
    lab.kubectl("apply", "--server-side", "--force-conflicts", f"--field-manager={FIELD_MANAGER}", "-f", crds)
    lab.kubectl("wait", "--for=condition=Established", "--timeout=20s", "-f", crds)


def await_available(lab: Lab, seconds: int = 60) -> None:
    """Wait until every Deployment of Firebreak is available; LabError with the pods' last words when one is not."""
    try:
        # First the rollout: after an upgrade the old pods are available still.
        names = lab.kubectl("get", "deployments", "-n", NAMESPACE, "-o", "name").split()
        for name in names:
            lab.kubectl("rollout", "status", name, "-n", NAMESPACE, f"--timeout={seconds}s", timeout=seconds + 10)
    except KubectlError as error:
        raise LabError(f"Firebreak is not available after {seconds} s: {error}\n{_last_words(lab)}") from error


def _apply(lab: Lab, manifests: str) -> None:
    lab.kubectl(
        *("apply", "--server-side", "--force-conflicts", f"--field-manager={FIELD_MANAGER}", "-f", "-"),
        input=manifests,
    )


def _last_words(lab: Lab) -> str:
    """What the pods look like, and the end of what each has printed."""
    said = [lab.kubectl("get", "pods", "-n", NAMESPACE, "-o", "wide")]
    for pod in lab.kubectl("get", "pods", "-n", NAMESPACE, "-o", "name").split():
        name = pod.removeprefix("pod/")
        lines = lab.logs(NAMESPACE, name).splitlines()[-15:]
        said.append(f"--- {name}\n" + "\n".join(lines))
    return "\n".join(said)
