"""Writing with the rights of a tenant's ServiceAccount, on a real API server."""

import pytest
from tests.integration.kube.kubeplace import Place, a_config_map

from firebreak.adapters.kube.cluster import KubeCluster
from firebreak.adapters.kube.kinds import CONFIG_MAP
from firebreak.app.actuator import user_of
from firebreak.core.ports import Landed, Refused

pytestmark = pytest.mark.lab

_RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces"
_PATH = "$.data['rate']"


def leading() -> None:
    """A fence that lets everything pass."""


async def _grant(place: Place, account: str) -> None:
    role = {
        "metadata": {"name": account},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["mine"], "verbs": ["patch"]}],
    }
    binding = {
        "metadata": {"name": account},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": place.namespace}],
    }
    for plural, object_ in (("roles", role), ("rolebindings", binding)):
        answer = await place.client.request("POST", f"{_RBAC}/{place.namespace}/{plural}", body=object_)
        assert answer.ok, answer.message


async def test_what_the_account_may_not_write_is_refused_and_named(place: Place) -> None:
    """Whatever Firebreak itself may; reading is with its own rights, and giving up ownership with the account's."""
    await _grant(place, "tenant")
    for name in ("mine", "theirs"):
        await place.apply(a_config_map(name, {"rate": "2%"}), manager="tests")
    cluster = KubeCluster(place.client, fence=leading, acting_as=user_of(place.namespace, "tenant"))

    written = await cluster.set_field(place.key(CONFIG_MAP, "mine"), _PATH, expected=("2%",), desired="100%")
    assert isinstance(written, Landed)
    refused = await cluster.set_field(place.key(CONFIG_MAP, "theirs"), _PATH, expected=("2%",), desired="100%")
    assert isinstance(refused, Refused)
    assert refused.code == 403
    assert f"system:serviceaccount:{place.namespace}:tenant" in refused.message
    assert (await place.get(CONFIG_MAP, "theirs"))["data"] == {"rate": "2%"}

    await cluster.disown(place.key(CONFIG_MAP, "mine"))
    entries = (await place.get(CONFIG_MAP, "mine"))["metadata"].get("managedFields", [])
    assert "firebreak" not in {e["manager"] for e in entries}
