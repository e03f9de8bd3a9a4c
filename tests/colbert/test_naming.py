"""Every vector of every encoder has a name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import MultiVectorEncoder

from hybridge.colbert import MultiVectorTokenEncoder
from hybridge.colbert.naming import token_names
from hybridge.colbert.ragatouille import RAGatouilleTokenEncoder

TEXT = "Anticoagulants, like warfarin, thin the blood."


def test_skipped_punctuation_has_no_name(token_encoder: MultiVectorTokenEncoder) -> None:
    [names] = token_encoder.passage_tokens([TEXT])
    assert names[:6] == ["[CLS]", "anti", "##co", "##ag", "##ula", "##nts"]
    assert "," not in names
    assert len(names) == len(token_encoder.encode_passages([TEXT])[0])
    assert token_encoder.query_tokens(["Blood?", " "]) == [["[CLS]", "blood", "?", "[SEP]"], []]


def test_a_pooled_vector_is_named_by_the_tokens_it_is_the_mean_of(minilm: Path) -> None:
    whole, pooled = MultiVectorTokenEncoder(minilm), MultiVectorTokenEncoder(minilm, pool_factor=2)
    tokens = [token.removeprefix("##") for token in whole.passage_tokens([TEXT])[0]]
    assert len(set(tokens)) == len(tokens)  # so that names tell which token is meant
    vectors = dict(zip(tokens, whole.encode_passages([TEXT])[0], strict=True))
    [names], [found] = pooled.passage_tokens([TEXT]), pooled.encode_passages([TEXT])
    assert sorted("+".join(names).replace("##", "").split("+")) == sorted(tokens)
    assert any("+" in name for name in names)
    for name, vector in zip(names, found, strict=True):
        mean = np.mean([vectors[token.removeprefix("##")] for token in name.split("+")], axis=0)
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)


def test_a_colbert_checkpoint_shows_its_markers_and_masks(tiny_colbert: MultiVectorEncoder) -> None:
    encoder = MultiVectorTokenEncoder(tiny_colbert)
    [query] = encoder.query_tokens(["one two"])
    assert query == ["[CLS]", "[unused0]", "one", "two", "[SEP]", "[MASK]", "[MASK]", "[MASK]"]
    assert len(query) == len(encoder.encode_queries(["one two"])[0])
    [passage] = encoder.passage_tokens(["one, two."])
    assert passage == ["[CLS]", "[unused1]", "one", "two", "[SEP]"]


@pytest.mark.parametrize("text", ["Why does blood clot?", TEXT, "?"])
def test_ragatouille_names_as_many_as_it_encodes(checkpoint: Path, text: str) -> None:
    encoder = RAGatouilleTokenEncoder(checkpoint, passage_length=64)
    assert len(encoder.query_tokens([text])[0]) == len(encoder.encode_queries([text])[0])
    assert len(encoder.passage_tokens([text])[0]) == len(encoder.encode_passages([text])[0])
    assert encoder.passage_tokens([" "]) == encoder.query_tokens([" "]) == [[]]


def test_the_engines_agree_on_names(
    checkpoint: Path,
) -> None:
    theirs, ours = RAGatouilleTokenEncoder(checkpoint), MultiVectorTokenEncoder(checkpoint)
    assert theirs.passage_tokens([TEXT]) == ours.passage_tokens([TEXT])
    assert theirs.query_tokens([TEXT]) == ours.query_tokens([TEXT])


def test_vectors_of_unknown_origin_are_numbered(token_encoder: MultiVectorTokenEncoder) -> None:
    assert token_names(token_encoder, TEXT, 3, is_query=False) == ["1", "2", "3"]
