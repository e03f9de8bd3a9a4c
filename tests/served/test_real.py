"""A server stands in for the engine in this process."""

from __future__ import annotations

import httpx
import pytest

from hybridge.errors import StoreError
from hybridge.vectors.connection import Request

from .double import Double
from .real import OwnCollections

pytestmark = pytest.mark.engine

CREATE = Request("create", "PUT", "/collections/food", {"vectors": {}})
EXISTS = Request("find", "GET", "/collections/food/exists")
LISTED = Request("list", "GET", "/collections")


def test_each_has_its_own_collections_and_leaves_none(double: Double) -> None:
    first, second = OwnCollections(double.url), OwnCollections(double.url)
    first.send(CREATE)
    assert first.send(LISTED) == {"collections": [{"name": "food"}]}
    assert first.send(EXISTS) == {"exists": True}
    assert second.send(EXISTS) == {"exists": False}
    second.send(CREATE)
    first.close()
    first.close()
    assert second.send(EXISTS) == {"exists": True}
    second.close()
    left = httpx.get(f"{double.url}/collections").json()["result"]
    assert left == {"collections": []}


async def test_names_in_aliases_and_messages_are_those_asked_for(double: Double) -> None:
    own = OwnCollections(double.url)
    await own.asend(CREATE)
    alias = {"collection_name": "food", "alias_name": "live"}
    actions = {"actions": [{"create_alias": alias}]}
    await own.asend(Request("name", "POST", "/collections/aliases", actions))
    assert await own.asend(Request("list", "GET", "/aliases")) == {"aliases": [alias]}
    assert own.send(Request("find", "GET", "/collections/live/exists")) == {"exists": True}
    with pytest.raises(StoreError, match="collection 'none'") as missing:
        own.send(Request("count", "POST", "/collections/none/points/count", {}))
    assert missing.value.status == 404
    assert missing.value.reason == "Not found: Collection `none` doesn't exist!"
    own.close()


def test_engine_tests_run_on_the_server_of_the_variable(
    double: Double, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    from hybridge.vectors.connection import connect

    assert connect(":memory:").is_local
    monkeypatch.setenv("HYBRIDGE_TEST_QDRANT_URL", double.url)
    request.getfixturevalue("on_the_given_server")
    connection = connect(":memory:")
    assert not connection.is_local
    connection.send(CREATE)
    assert len(double.engine.collections) == 1
