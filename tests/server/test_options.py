"""The options of a search: in links, in copies, and as what makes a retriever."""

from __future__ import annotations

import copy
import pickle

import pytest

from hybridge.errors import InvalidInputError
from hybridge.server import Options, Service
from hybridge.server.api.messages import SearchRequest

SET = Options(
    k=3, where={"year": {"$gte": 2020}}, weights={"bm25": 2}, fusion="rrf", rerank=("a", "b")
)


def test_a_copy_is_what_the_original_is():
    for copied in (copy.copy(SET), copy.deepcopy(SET), pickle.loads(pickle.dumps(SET))):
        assert type(copied) is Options
        assert copied == SET


def test_a_link_has_what_is_set():
    assert Options.from_params(SET.to_params()) == SET
    assert Options().to_params() == {}


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"k": "many"}, "k='many' is not JSON"),
        ({"k": "0"}, "k: Input should be greater than or equal to 1"),
        ({"weights": '{"bm25": NaN}'}, "weights.bm25"),
        ({"unknown": "1"}, "unknown"),
    ],
)
def test_a_link_that_is_not_valid_is_refused(params, words):
    with pytest.raises(InvalidInputError, match=words):
        Options.from_params(params)


def test_a_retriever_depends_on_its_settings_alone(index):
    service = Service(index)
    made = service.retriever(Options(k=3, depth=5))
    assert service.retriever(SearchRequest(query="bread", depth=5, where={"year": 1})) is made
    assert service.retriever(Options(depth=6)) is not made
