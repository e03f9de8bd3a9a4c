"""The code of a setting finds what the page finds, in each framework."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hybridge import ColBERTReranker, CrossEncoderReranker, HybridIndex
from hybridge.server import Options, Service
from hybridge.server.ask.code import FRAMEWORKS, code

from ..browser.rerankers import Shortest
from .manual import new_manual

QUESTION = """why does a "pump's" seal leak?\n\\"""
SETTINGS = [
    Options(),
    Options(k=3, where={"topic": "machines", "reviewed": True, "year": {"$gte": 2000}}),
    Options(weights={"bm25": 0.2, "dense": 0.8}, fusion="dbsf", depth=12, spelling=False),
    Options(query_syntax=True, where={"$or": [{"tags": {"$in": ["new", "it's"]}}, {"year": 1999}]}),
    Options(k=4, rerank=("shortest",), blend=1.0, rerank_depth=6),
    Options(floor={"dense": 0.9}, floor_of="list", distinct=0.9),
    Options(k=2, distinct=True, group_by="topic", per_group=2, weights={"bm25": 1, "dense": 0}),
]


@pytest.fixture(scope="module")
def manual() -> Iterator[HybridIndex]:
    with new_manual() as index:
        yield index


@pytest.fixture
def service(manual: HybridIndex) -> Service:
    return Service(manual, {"shortest": Shortest()}, "my index")


def ran(program: str, service: Service, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run a program over the index that it opens."""

    def opened(*arguments: object, **options: object) -> HybridIndex:
        assert (arguments, options) == (("my index",), {})
        return service.index

    monkeypatch.setattr(HybridIndex, "open", opened)
    names: dict[str, Any] = {"rerankers": service.rerankers}
    exec(program, names)
    return names


@pytest.mark.parametrize("options", SETTINGS)
async def test_code_finds_what_the_page_finds(
    options: Options, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    [hits] = await service.search([QUESTION], options)
    expected = [(hit.passage.id, hit.score) for hit in hits]
    assert expected
    programs = {name: code(service, QUESTION, options, name) for name in FRAMEWORKS}
    found = {name: ran(each, service, monkeypatch) for name, each in programs.items()}
    assert [(hit.passage.id, hit.score) for hit in found["core"]["hits"]] == expected
    documents = found["langchain"]["documents"]
    assert [document.id for document in documents] == [passage for passage, _ in expected]
    nodes = found["llama_index"]["nodes"]
    assert [(node.node_id, node.score) for node in nodes] == expected


def test_a_folder_is_opened_where_it_is(tmp_path: Path, manual: HybridIndex) -> None:
    with HybridIndex.create(tmp_path / "it's", encoder=manual.encoder) as other:
        program = code(Service(other, name="other"), "x", Options())
    assert f'HybridIndex.open("{tmp_path}/it\'s")' in program


def test_rerankers_are_made_by_their_models(manual: HybridIndex) -> None:
    made = {
        "first": CrossEncoderReranker("cross-encoder/ms-marco-MiniLM-L12-v2"),
        "second": ColBERTReranker(),
    }
    program = code(Service(manual, made), "x", Options(rerank=("first", "second")), "langchain")
    assert program.startswith(
        "from hybridge import ColBERTReranker, CrossEncoderReranker, HybridIndex\n"
    )
    assert 'CrossEncoderReranker("cross-encoder/ms-marco-MiniLM-L12-v2"), ColBERT' in program
    compile(program, "code", "exec")


def test_the_index_own_token_vectors_are_named(tmp_path: Path) -> None:
    with HybridIndex.create(late_interaction=True) as index:
        assert index.late_interaction is not None
        service = Service(index, {"own": index.late_interaction})
        program = code(service, "x", Options(rerank=("own",)))
    assert "rerankers=[index.late_interaction]" in program
