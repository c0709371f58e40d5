"""Where an autoscaler owns the number of replicas: which floor is raised instead, and how far may it go?

Asked by core/field_writes.py, core/declaration.py and the observers. What an HPA sets would be set back within its
period; KEDA makes and owns an HPA, so there the ScaledObject's floor is what counts.
"""

from firebreak.api.v1alpha1.aiservice import HumanReview, autoscaler_target, workload_target
from firebreak.api.v1alpha1.references import HPA, SCALED_OBJECT
from firebreak.core.field_paths import FieldPath, Found, find
from firebreak.core.owners import owner_of
from firebreak.core.ports import KubeObject
from firebreak.core.situation import Situation

REPLICAS_PATH = "$.spec.replicas"
FLOOR_PATHS = {HPA: "$.spec.minReplicas", SCALED_OBJECT: "$.spec.minReplicaCount"}
_CEILING_PATHS = {HPA: "$.spec.maxReplicas", SCALED_OBJECT: "$.spec.maxReplicaCount"}
# What the API server takes an absent field for; of KEDA's, what its documentation says.
_FLOOR_UNSET = {HPA: 1, SCALED_OBJECT: 0}
_CEILING_UNSET = {HPA: 1, SCALED_OBJECT: 100}
_HPA_CONTROLLER = "kube-controller-manager (Update of scale)"


def is_floor(path: str) -> bool:
    """Whether more than what was written there does as well."""
    return path == REPLICAS_PATH or path in FLOOR_PATHS.values()


def scales(autoscaler: KubeObject) -> str:
    """The name of the workload that an autoscaler is about; empty when it names none that Firebreak knows."""
    ref = autoscaler["spec"].get("scaleTargetRef") or {}
    return str(ref.get("name") or "") if ref.get("kind", "Deployment") == "Deployment" else ""


def floor_of(autoscaler: KubeObject) -> int:
    """How many replicas it keeps at least."""
    kind = autoscaler["kind"]
    return _number(autoscaler, FLOOR_PATHS[kind], _FLOOR_UNSET[kind])


def ceiling_of(autoscaler: KubeObject) -> int:
    """How many replicas it allows at most; a floor above is refused."""
    kind = autoscaler["kind"]
    return _number(autoscaler, _CEILING_PATHS[kind], _CEILING_UNSET[kind])


def problem_of(s: Situation, review: HumanReview) -> str:
    """What must be changed before human review can be raised as far as asked; empty when nothing must."""
    if review.workload is None or review.replicas is None:
        return ""
    workload = s.objects.get(workload_target(review.workload))
    if review.autoscaler is None:
        by = owner_of(workload, FieldPath.parse(REPLICAS_PATH)) if workload else ""
        if by != _HPA_CONTROLLER:
            return ""
        return (
            f"spec.humanReview.workload: an autoscaler sets the replicas of Deployment {review.workload.name}, and would "
            f"set back what is raised: name it in spec.humanReview.autoscaler"
        )
    scaler = s.objects.get(autoscaler_target(review.autoscaler))
    if scaler is None:
        return ""  # that it does not exist is told with the other targets
    what = f"{review.autoscaler.kind} {review.autoscaler.name}"
    if scales(scaler) != review.workload.name:
        return (
            f"spec.humanReview.autoscaler: {what} scales {scales(scaler) or 'no Deployment'}, not Deployment "
            f"{review.workload.name}: name the one that does"
        )
    if ceiling_of(scaler) < review.replicas:
        return (
            f"spec.humanReview.replicas: {review.replicas} are asked for and {what} allows at most {ceiling_of(scaler)}: "
            f"raise its maximum, or ask for fewer"
        )
    if workload is not None and workload["spec"].get("replicas") == 0 and review.autoscaler.kind == HPA:
        return (
            f"spec.humanReview.workload: Deployment {review.workload.name} has 0 replicas, which turns {what} off: "
            f"scale it to 1 once"
        )
    return ""


def _number(object_: KubeObject, path: str, unset: int) -> int:
    found = find(object_, FieldPath.parse(path))
    return found.value if isinstance(found, Found) and isinstance(found.value, int) else unset
