"""Any functions become an encoder, and what they return is not trusted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hybridge.encoders import CallableEncoder
from hybridge.errors import InvalidInputError
from hybridge.protocols import Encoder


def _letters(texts: list[str]) -> list[list[float]]:
    """The counts of a, b and c: vectors that can be checked by eye."""
    return [[float(text.count(letter)) for letter in "abc"] for text in texts]


def _doubled(texts: list[str]) -> np.ndarray:
    return 2 * np.array(_letters(texts))


class _Embeddings:
    """The shape of LangChain's Embeddings."""

    model = "letters-v1"

    def embed_query(self, text: str) -> list[float]:
        return _letters([text])[0]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return _doubled(texts).tolist()


class _EmbedModel:
    """The shape of LlamaIndex's BaseEmbedding."""

    model_name = "letters-v1"

    def get_query_embedding(self, query: str) -> list[float]:
        return _letters([query])[0]

    def get_text_embedding_batch(self, texts: list[str], show_progress: bool = False) -> Any:
        return _doubled(texts).tolist()


ENCODERS: dict[str, Callable[..., CallableEncoder]] = {
    "functions": lambda **options: CallableEncoder(
        _letters, _doubled, **{"identity": "letters", **options}
    ),
    "langchain": lambda **options: CallableEncoder.from_langchain(_Embeddings(), **options),
    "llama_index": lambda **options: CallableEncoder.from_llama_index(_EmbedModel(), **options),
}


@pytest.mark.model
@pytest.mark.parametrize("make", ENCODERS.values(), ids=ENCODERS)
def test_queries_and_passages_go_to_their_own_function(
    make: Callable[..., CallableEncoder],
) -> None:
    encoder = make()
    assert isinstance(encoder, Encoder)
    queries = encoder.encode_queries(["abba", "c"])
    passages = encoder.encode_passages(["abba", "c"])
    assert queries.tolist() == [[2, 2, 0], [0, 0, 1]]
    assert passages.tolist() == [[4, 4, 0], [0, 0, 2]]
    assert queries.dtype == passages.dtype == np.float32
    assert encoder.dimension == 3


@pytest.mark.parametrize("make", ENCODERS.values(), ids=ENCODERS)
def test_nothing_in_nothing_out(make: Callable[..., CallableEncoder]) -> None:
    assert make().encode_queries([]).shape == (0, 3)
    assert make().encode_passages([]).shape == (0, 3)


@pytest.mark.parametrize("make", ENCODERS.values(), ids=ENCODERS)
def test_normalised_on_demand(make: Callable[..., CallableEncoder]) -> None:
    encoder = make(normalize=True)
    np.testing.assert_allclose(
        encoder.encode_passages(["aaabbbb", "xyz"]), [[0.6, 0.8, 0], [0, 0, 0]], rtol=1e-6
    )
    assert encoder.identity != make().identity


def test_one_function_serves_both_sides() -> None:
    encoder = CallableEncoder(_letters, identity="letters")
    assert encoder.encode_passages(["ab"]).tolist() == encoder.encode_queries(["ab"]).tolist()


def test_passages_come_in_batches_and_in_order() -> None:
    sizes: list[int] = []

    def counted(texts: list[str]) -> list[list[int]]:
        sizes.append(len(texts))
        return [[int(text)] for text in texts]

    encoder = CallableEncoder(counted, identity="counted", dimension=1, batch_size=4)
    vectors = encoder.encode_passages([str(number) for number in range(10)])
    assert vectors.ravel().tolist() == list(range(10))
    assert sizes == [4, 4, 2]


def _recorded(sizes: list[int]) -> Callable[[list[str]], list[list[float]]]:
    def encode(texts: list[str]) -> list[list[float]]:
        sizes.append(len(texts))
        return _letters(texts)

    return encode


def test_queries_come_in_batches_too() -> None:
    sizes: list[int] = []
    encoder = CallableEncoder(_recorded(sizes), identity="recorded", dimension=3, batch_size=2)
    assert encoder.encode_queries(["a", "bb", "c"]).tolist() == [[1, 0, 0], [0, 2, 0], [0, 0, 1]]
    assert sizes == [2, 1]


@pytest.mark.parametrize("framework", ["langchain", "llama_index"])
def test_a_framework_gets_at_most_batch_size_texts_in_one_call(framework: str) -> None:
    sizes: list[int] = []
    embeddings, embed_model = _Embeddings(), _EmbedModel()
    embeddings.embed_documents = _recorded(sizes)  # type: ignore[method-assign]
    embed_model.get_text_embedding_batch = _recorded(sizes)  # type: ignore[method-assign]
    encoder = (
        CallableEncoder.from_langchain(embeddings, batch_size=32)
        if framework == "langchain"
        else CallableEncoder.from_llama_index(embed_model, batch_size=32)
    )
    assert encoder.encode_passages(["ab"] * 70).tolist() == [[1, 1, 0]] * 70
    assert sizes == [32, 32, 6]


def test_a_llama_index_model_that_names_its_batch_gets_that() -> None:
    sizes: list[int] = []
    embed_model = _EmbedModel()
    embed_model.get_text_embedding_batch = _recorded(sizes)  # type: ignore[method-assign]
    embed_model.embed_batch_size = 10  # type: ignore[attr-defined]
    CallableEncoder.from_llama_index(embed_model).encode_passages(["a"] * 25)
    assert sizes == [10, 10, 5]


@pytest.mark.parametrize("framework", ["langchain", "llama_index"])
def test_a_batch_of_nothing_is_refused(framework: str) -> None:
    with pytest.raises(InvalidInputError, match="batch_size must be"):
        ENCODERS[framework](batch_size=0)


def test_the_dimension_is_found_once_and_only_when_needed() -> None:
    calls: list[list[str]] = []

    def recorded(texts: list[str]) -> list[list[float]]:
        calls.append(texts)
        return _letters(texts)

    encoder = CallableEncoder(recorded, identity="recorded")
    assert calls == []
    assert (encoder.dimension, encoder.dimension, len(calls)) == (3, 3, 1)
    assert CallableEncoder(recorded, identity="recorded", dimension=7).dimension == 7
    assert len(calls) == 1


def test_a_function_that_changes_its_argument_does_no_harm() -> None:
    def emptied(texts: list[str]) -> list[list[float]]:
        vectors = _letters(texts)
        texts.clear()
        return vectors

    queries = ["a", "b"]
    CallableEncoder(emptied, identity="emptied").encode_queries(queries)
    assert queries == ["a", "b"]


def test_the_progress_bar_is_drawn_with_progress_alone(capfd: pytest.CaptureFixture[str]) -> None:
    encoder = ENCODERS["functions"]()
    encoder.encode_passages(["a", "b"])
    assert capfd.readouterr() == ("", "")
    encoder.encode_passages(["a", "b"], progress=True)
    assert "2/2" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda texts: [[1.0]], "1 vectors for 2 texts"),
        (lambda texts: None, "NoneType instead of a list of vectors"),
        (lambda texts: [[1.0], [1.0, 2.0]], "length 2 instead of 1 for text 1, 'second'"),
        (lambda texts: [[1.0, 2.0]] * 2, "length 2 instead of 1 for text 0, 'first'"),
        (lambda texts: [[1.0], [float("nan")]], "NaN or infinity for text 1, 'second'"),
        (lambda texts: [["1"], ["2"]], "instead of a list of numbers for text 0"),
        (lambda texts: [1.0, 2.0], "instead of a list of numbers for text 0"),
    ],
)
@pytest.mark.parametrize("side", ["encode_queries", "encode_passages"])
def test_what_is_no_vector_is_refused(
    function: Callable[[list[str]], Any], message: str, side: str
) -> None:
    encoder = CallableEncoder(function, identity="broken", dimension=1)
    with pytest.raises(InvalidInputError, match=message):
        getattr(encoder, side)(["first", "second"])


def test_bare_strings_are_refused() -> None:
    encoder = ENCODERS["functions"]()
    with pytest.raises(InvalidInputError, match=r"search\(\[\"\.\.\.\"\]\)"):
        encoder.encode_queries("a")
    with pytest.raises(InvalidInputError, match="a list, not one string"):
        encoder.encode_passages("a")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"identity": ""}, "identity must be"),
        ({"identity": None}, "identity must be"),
        ({"identity": "x", "dimension": 0}, "dimension must be"),
        ({"identity": "x", "batch_size": 0}, "batch_size must be"),
        ({"identity": "x", "encode_passages": 5}, "encode_passages must be a function, not 5"),
    ],
)
def test_bad_arguments_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        CallableEncoder(_letters, **options)


def test_a_frameworks_identity_names_its_class_and_model() -> None:
    assert ENCODERS["langchain"]().identity == "langchain:_Embeddings:letters-v1"
    assert ENCODERS["llama_index"]().identity == "llama-index:_EmbedModel:letters-v1"
    assert ENCODERS["langchain"](identity="mine").identity == "mine"


@pytest.mark.parametrize("name", [None, "", "unknown"])
def test_without_a_models_name_the_identity_is_required(name: str | None) -> None:
    embed_model = _EmbedModel()
    embed_model.model_name = name  # type: ignore[assignment]
    with pytest.raises(InvalidInputError, match="give identity="):
        CallableEncoder.from_llama_index(embed_model)
    assert CallableEncoder.from_llama_index(embed_model, identity="mine").identity == "mine"


def test_an_object_without_the_methods_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="_EmbedModel has no embed_query and no embed_doc"):
        CallableEncoder.from_langchain(_EmbedModel())  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="_Embeddings has no get_query_embedding"):
        CallableEncoder.from_llama_index(_Embeddings())  # type: ignore[arg-type]
