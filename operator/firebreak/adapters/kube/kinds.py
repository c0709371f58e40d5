"""Where does the API server keep objects of a kind?

The kinds that Firebreak knows are few and stated here, so nothing needs discovery: it would cost requests at start and
a cache on disk, and what an installation allows is bounded by its RBAC anyway.
"""

from dataclasses import dataclass
from urllib.parse import quote

from firebreak.api.v1alpha1 import KINDS as FIREBREAK_KINDS
from firebreak.api.v1alpha1.model import API_VERSION
from firebreak.core.ports import ObjectKey


class UnknownKind(ValueError):
    """Not a kind that Firebreak knows; a person has named it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind and its place in URLs."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    def collection(self, namespace: str = "") -> str:
        """The path of all objects: of one namespace, or of all when it is empty."""
        group = "/api" if "/" not in self.api_version else "/apis"
        scope = f"/namespaces/{quote(namespace)}" if namespace and self.namespaced else ""
        return f"{group}/{self.api_version}{scope}/{self.plural}"

    def key(self, namespace: str, name: str) -> ObjectKey:
        """The object of this kind with this name."""
        return ObjectKey(self.api_version, self.kind, namespace if self.namespaced else "", name)


CONFIG_MAP = Kind(api_version="v1", kind="ConfigMap", plural="configmaps")
CONTROLLER_REVISION = Kind(api_version="apps/v1", kind="ControllerRevision", plural="controllerrevisions")
CRON_JOB = Kind(api_version="batch/v1", kind="CronJob", plural="cronjobs")
DEPLOYMENT = Kind(api_version="apps/v1", kind="Deployment", plural="deployments")
ENDPOINT_SLICE = Kind(api_version="discovery.k8s.io/v1", kind="EndpointSlice", plural="endpointslices")
EVENT = Kind(api_version="v1", kind="Event", plural="events")
HORIZONTAL_POD_AUTOSCALER = Kind(
    api_version="autoscaling/v2", kind="HorizontalPodAutoscaler", plural="horizontalpodautoscalers"
)
HTTP_ROUTE = Kind(api_version="gateway.networking.k8s.io/v1", kind="HTTPRoute", plural="httproutes")
JOB = Kind(api_version="batch/v1", kind="Job", plural="jobs")
LEASE = Kind(api_version="coordination.k8s.io/v1", kind="Lease", plural="leases")
NAMESPACE = Kind(api_version="v1", kind="Namespace", plural="namespaces", namespaced=False)
RESOURCE_QUOTA = Kind(api_version="v1", kind="ResourceQuota", plural="resourcequotas")
SCALED_OBJECT = Kind(api_version="keda.sh/v1alpha1", kind="ScaledObject", plural="scaledobjects")
PERSISTENT_VOLUME_CLAIM = Kind(api_version="v1", kind="PersistentVolumeClaim", plural="persistentvolumeclaims")
SECRET = Kind(api_version="v1", kind="Secret", plural="secrets")
SERVICE = Kind(api_version="v1", kind="Service", plural="services")

FIREBREAK = {
    model.__name__: Kind(
        api_version=API_VERSION, kind=model.__name__, plural=model.crd.plural, namespaced=model.crd.namespaced
    )
    for model in FIREBREAK_KINDS
}
"""Firebreak's own kinds, by name."""

_ALL = {
    (kind.api_version, kind.kind): kind
    for kind in (
        *(CONFIG_MAP, CONTROLLER_REVISION, CRON_JOB, DEPLOYMENT, JOB, ENDPOINT_SLICE, EVENT, HTTP_ROUTE),
        *(
            HORIZONTAL_POD_AUTOSCALER,
            LEASE,
            NAMESPACE,
            PERSISTENT_VOLUME_CLAIM,
            RESOURCE_QUOTA,
            SCALED_OBJECT,
            SECRET,
            SERVICE,
        ),
        *FIREBREAK.values(),
    )
}


def kind_of(key: ObjectKey) -> Kind:
    """The kind of an object. Raises UnknownKind."""
    kind = _ALL.get((key.api_version, key.kind))
    if kind is None:
        raise UnknownKind(f"Firebreak does not know kind {key.kind} of {key.api_version}")
    return kind


def path_of(key: ObjectKey, subresource: str = "") -> str:
    """The object's path at the API server. Raises UnknownKind."""
    part = f"/{subresource}" if subresource else ""
    return f"{kind_of(key).collection(key.namespace)}/{quote(key.name, safe='')}{part}"
