"""The catalog is told by watches, lists and the answers to writes, in no certain order, and ends with what is so."""

import itertools

import pytest
from tests.builders import a_service

from firebreak.adapters.kube.kinds import FIREBREAK
from firebreak.app.catalog import Catalog, key_of
from firebreak.core.objectives import ServiceKey
from firebreak.core.ports import KubeObject

KEY = ServiceKey("docs", "summarizer")
SERVICES = FIREBREAK["AIService"]


def _service(version: int) -> KubeObject:
    raw: KubeObject = a_service().model_dump(mode="json", by_alias=True, exclude_none=True)
    raw |= {"apiVersion": SERVICES.api_version, "kind": SERVICES.kind}
    raw["metadata"] |= {"namespace": KEY.namespace, "name": KEY.name, "resourceVersion": str(version)}
    return raw


def _catalog() -> Catalog:
    return Catalog(lambda key: None)


@pytest.mark.parametrize("late", ["the answer to a write", "a list from before"])
def test_what_is_gone_does_not_come_back_by_late_news(late: str) -> None:
    """A service deleted while a write of its status, or a list, was under way is gone for good."""
    catalog = _catalog()
    catalog.see(_service(10))
    catalog.forget(key_of(_service(10)), "12")

    if late == "the answer to a write":
        catalog.see(_service(11))
    else:
        catalog.replace_all(SERVICES.kind, SERVICES.api_version, [_service(10)], "11")

    assert catalog.service(KEY) is None


def test_what_is_made_again_is_seen() -> None:
    """Deleted and created again under its name: the new one is another object, with a later version."""
    catalog = _catalog()
    catalog.see(_service(10))
    catalog.forget(key_of(_service(10)), "12")

    catalog.see(_service(13))

    assert catalog.service(KEY) is not None


def test_the_order_of_the_news_makes_no_difference() -> None:
    """Created, written and deleted: whatever arrives first, it ends as gone."""
    news = (
        lambda c: c.see(_service(10)),
        lambda c: c.see(_service(11)),
        lambda c: c.forget(key_of(_service(12)), "12"),
    )
    for order in itertools.permutations(news):
        catalog = _catalog()
        for tell in order:
            tell(catalog)
        assert catalog.service(KEY) is None
