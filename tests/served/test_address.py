"""How an index is reached: addresses, clients, options, and what of it is kept in pickles."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from qdrant_client import AsyncQdrantClient, QdrantClient

from hybridge import HybridIndex, Passage
from hybridge.errors import CopyError, InvalidInputError
from hybridge.index.served import Address
from hybridge.stages import BM25

from .double import Double
from .keys import Access

WORDS = [BM25()]


def create(**options: Any) -> HybridIndex:
    return HybridIndex.create(collection="beets", stages=WORDS, **options)


@pytest.mark.parametrize("kind", [QdrantClient, AsyncQdrantClient])
def test_the_callers_client_serves_and_stays_open(double: Double, kind: type) -> None:
    client = kind(url=double.url, check_compatibility=False)
    with create(client=client) as index:
        index.add([Passage("a", "beets")])
        assert index.lexical == "qdrant"
        assert not index.is_temporary
    with HybridIndex.open(client=client, collection="beets") as index:
        assert [hit.passage.id for hit in index.search(["beets"])[0]] == ["a"]
        with pytest.raises(
            CopyError, match=r"HybridIndex.open\(collection='beets', client=\.\.\.\)"
        ):
            pickle.dumps(index)


def test_a_local_client_of_the_callers_keeps_the_index() -> None:
    client = QdrantClient(":memory:")
    with create(client=client) as index:
        index.add([Passage("a", "beets")])
        assert not index.is_temporary
    with HybridIndex.open(client=client, collection="beets") as index:
        assert len(index) == 1
    client.close()


def test_options_reach_the_server(double: Double) -> None:
    with create(url=[double.url, double.url], headers={"x-team": "search"}, timeout=5.0) as index:
        index.add([Passage("a", "beets")])
        assert {request.headers["x-team"] for request in double.log} == {"search"}
        with pytest.raises(CopyError, match=r"headers=\.\.\."):
            pickle.dumps(index)


def test_a_pickle_has_the_address_and_no_secret(double: Double) -> None:
    with create(url=[double.url], timeout=5.0, deadline=9.0) as index:
        index.add([Passage("a", "beets")])
        with pickle.loads(pickle.dumps(index)) as other:
            assert other.is_read_only
            assert [hit.passage.id for hit in other.search(["beets"])[0]] == ["a"]
    double.keys["secret"] = Access()
    with HybridIndex.open(url=double.url, api_key="secret", collection="beets") as index:
        with pytest.raises(CopyError, match=r"api_key=\.\.\.") as caught:
            pickle.dumps(index)
        assert "secret" not in str(caught.value)


def test_an_address_does_not_show_its_secrets() -> None:
    address = Address("http://server", "secret", "beets", {"headers": {"authorization": "word"}})
    assert "secret" not in repr(address)
    assert "word" not in repr(address)
    assert address.arguments is None
    assert Address("http://user:word@server", None, "beets", {}).arguments is None
    assert "word" not in repr(Address("http://user:word@server", None, "beets", {}))


@pytest.mark.parametrize("as_list", [False, True])
def test_no_message_shows_the_password_in_an_address(double: Double, as_list: bool) -> None:
    url = double.url.replace("//", "//user:word@")
    with create(url=[url] if as_list else url) as index:
        with pytest.raises(CopyError, match=double.url) as caught:
            pickle.dumps(index)
        assert "word" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "folder", "url": "http://server"}, "either path or url"),
        ({"path": "folder", "timeout": 3.0}, "timeout= is for a server"),
        ({"headers": {"a": "b"}}, "headers= is for a server"),
        ({"url": "http://server", "client": QdrantClient(":memory:")}, "either client or url"),
        ({"client": "http://server"}, "client must be a QdrantClient"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        create(**options)


def test_an_unknown_option_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'time_out'"):
        create(url="http://server", time_out=3)


def test_clusters_are_for_servers() -> None:
    from hybridge.vectors import Cluster

    with pytest.raises(InvalidInputError, match="cluster= is for a collection on a server"):
        HybridIndex.create(stages=WORDS, cluster=Cluster(shard_number=2))
