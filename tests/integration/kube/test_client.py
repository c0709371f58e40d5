"""What is said of an API server that does not answer, or says no."""

import base64
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.kube.forwarder import forwarder_to
from tests.integration.kube.kubeplace import Place, a_config_map

from firebreak.adapters.kube.client import ClusterDenied, KubeClient, encoded
from firebreak.adapters.kube.kinds import CONFIG_MAP, DEPLOYMENT, Kind, UnknownKind, path_of
from firebreak.core.ports import ClusterUnavailable, ObjectKey

pytestmark = pytest.mark.lab

VERSION = "/version"


def kubeconfig_with(lab: Any, directory: Path, **changes: Any) -> str:
    """The lab's kubeconfig with another server or token."""
    config = yaml.safe_load(Path(lab.kubeconfig).read_text())
    config["clusters"][0]["cluster"] |= {k: v for k, v in changes.items() if k == "server"}
    config["users"][0]["user"] |= {k: v for k, v in changes.items() if k == "token"}
    changed = directory / "changed"
    changed.write_text(yaml.safe_dump(config))
    return str(changed)


async def test_a_server_that_is_silent_is_given_up_in_time(lab: Any, tmp_path: Path):
    """The deadline holds for an established connection that nothing comes through, and for what comes after it."""
    async with forwarder_to(Path(lab.kubeconfig), tmp_path) as (forwarder, through):
        client = await KubeClient.connect(through)
        assert (await client.request("GET", VERSION)).ok
        forwarder.silence()
        started = time.monotonic()
        with pytest.raises(ClusterUnavailable, match=r"no answer within 0\.5 s"):
            await client.request("GET", VERSION, deadline_seconds=0.5)
        assert time.monotonic() - started < 2
        forwarder.heal()
        assert (await client.request("GET", VERSION)).ok
        await client.close()


async def test_a_server_that_is_not_there_is_unavailable(lab: Any, tmp_path: Path):
    """Nothing listens: that is told at once, and is no other kind of error."""
    client = await KubeClient.connect(kubeconfig_with(lab, tmp_path, server="https://127.0.0.1:1"))
    with pytest.raises(ClusterUnavailable, match="GET /version"):
        await client.request("GET", VERSION)
    await client.close()


async def test_a_token_that_is_not_valid_is_worth_another_try(lab: Any, tmp_path: Path):
    """It may have been rotated a moment ago."""
    client = await KubeClient.connect(kubeconfig_with(lab, tmp_path, token="stale"))
    with pytest.raises(ClusterUnavailable, match="401"):
        await client.get("/api/v1/namespaces/default")
    await client.close()


async def test_what_is_not_permitted_is_denied(place: Place, lab: Any, tmp_path: Path):
    """Asking again would change nothing: the message says who may not do what."""
    token = await place.client.request(
        "POST",
        f"/api/v1/namespaces/{place.namespace}/serviceaccounts",
        body={"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}},
    )
    assert token.ok
    token = await place.client.request(
        "POST",
        f"/api/v1/namespaces/{place.namespace}/serviceaccounts/nobody/token",
        body={"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
    )
    client = await KubeClient.connect(kubeconfig_with(lab, tmp_path, token=token.body["status"]["token"]))
    with pytest.raises(ClusterDenied, match="cannot list resource"):
        await client.list(CONFIG_MAP, place.namespace)
    with pytest.raises(ClusterDenied, match="cannot get resource"):
        await client.get(path_of(place.key(CONFIG_MAP, "prompt")))
    await client.close()


async def test_a_kind_that_is_not_installed_cannot_be_listed(place: Place):
    """Not the same as having no objects."""
    with pytest.raises(ClusterDenied, match="404"):
        await place.client.list(Kind(api_version="none.example.com/v1", kind="None", plural="nones"))


async def test_a_kind_that_is_not_known_is_named(place: Place):
    """Someone has written it into a spec."""
    with pytest.raises(UnknownKind, match=r"kind Rollout of argoproj\.io/v1alpha1"):
        path_of(ObjectKey("argoproj.io/v1alpha1", "Rollout", "docs", "qa"))
    assert path_of(DEPLOYMENT.key("docs", "a/b")) == "/apis/apps/v1/namespaces/docs/deployments/a%2Fb"


def mount_service_account(lab: Any, directory: Path) -> tuple[str, str]:
    """A directory as a Pod finds it, and the API server's host and port."""
    config = yaml.safe_load(Path(lab.kubeconfig).read_text())
    cluster = config["clusters"][0]["cluster"]
    if "certificate-authority-data" in cluster:
        ca = base64.b64decode(cluster["certificate-authority-data"])
    else:
        ca = Path(cluster["certificate-authority"]).read_bytes()
    (directory / "ca.crt").write_bytes(ca)
    (directory / "token").write_text(config["users"][0]["user"]["token"])
    host, _, port = cluster["server"].removeprefix("https://").rstrip("/").rpartition(":")
    return host, port


async def test_a_pod_uses_its_service_account(place: Place, lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The address comes from the environment, token and CA from the mounted directory."""
    host, port = mount_service_account(lab, tmp_path)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    await place.apply(a_config_map(data={"a": "b"}), manager="owner")
    client = await KubeClient.connect(service_account=tmp_path)
    assert await client.get(path_of(place.key(CONFIG_MAP, "prompt"))) is not None
    await client.close()


def test_bodies_are_written_as_the_api_server_would_write_them():
    """Sorted, compact, and with the escapes of Go's encoder."""
    assert encoded({"b": "<&> ü", "a": [1, None]}) == '{"a":[1,null],"b":"\\u003c\\u0026\\u003e ü"}'.encode()
