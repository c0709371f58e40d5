"""A connection to the lab's API server, a namespace per test, and somebody else who writes to the same objects."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import kubernetes
import pytest
import yaml
from lab.cluster import Lab
from tests.integration.kube.kubeplace import APPLY, Place, Rival

from firebreak.adapters.kube.client import KubeClient
from firebreak.adapters.kube.kinds import path_of
from firebreak.core.ports import ObjectKey

CRDS = Path(__file__).parents[3] / "crds"


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A control plane of these tests' own: an operator beside them would rightly tidy up what they leave half-said."""
    with Lab.start(gateway=False, prometheus=False) as lab:
        yield lab


@pytest.fixture(scope="session")
async def client(lab: Lab) -> AsyncIterator[KubeClient]:
    client = await KubeClient.connect(str(lab.kubeconfig))
    yield client
    await client.close()


@pytest.fixture(scope="session")
async def crds(client: KubeClient) -> None:
    """Firebreak's kinds are served."""
    for file in sorted(CRDS.glob("*.yaml")):
        crd = yaml.safe_load(file.read_text())
        url = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}"
        if await client.get(url) is None:
            answer = await client.request("PATCH", url, query={"fieldManager": "tests"}, body=crd, content_type=APPLY)
            assert answer.ok, answer.message
        spec = crd["spec"]
        served = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
        await until(client, served)


async def until(client: KubeClient, url: str) -> None:
    """Watch the CRD's own collection come into being; the API server says so only by serving it."""
    for _ in range(200):
        if (await client.request("GET", url, query={"limit": "1"})).ok:
            return
    raise AssertionError(f"{url} is not served")


@pytest.fixture
async def place(client: KubeClient) -> AsyncIterator[Place]:
    answer = await client.request(
        "POST",
        "/api/v1/namespaces",
        body={"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "kube-adapter-"}},
    )
    assert answer.ok, answer.message
    place = Place(client=client, namespace=answer.body["metadata"]["name"])
    yield place
    await client.request("DELETE", f"/api/v1/namespaces/{place.namespace}")


@pytest.fixture
def rival(lab: Lab) -> Iterator[Rival]:
    """Somebody else who patches an object at once, even between a read and a write of ours (called from the fence)."""
    configuration = kubernetes.client.Configuration()
    kubernetes.config.load_kube_config(config_file=str(lab.kubeconfig), client_configuration=configuration)
    with kubernetes.client.ApiClient(configuration) as api:

        def patch(key: ObjectKey, ops: list[dict[str, Any]]) -> None:
            prepared = api.param_serialize(
                "PATCH",
                path_of(key),
                query_params=[("fieldManager", "rival")],
                header_params={"Content-Type": "application/json-patch+json"},
                body=ops,
                auth_settings=["BearerToken"],
            )
            response = api.call_api(*prepared, _request_timeout=5)
            response.read()
            assert response.status == 200

        yield patch
        api.rest_client.pool_manager.clear()
