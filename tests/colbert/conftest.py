"""What the tests of late interaction share: real models, and a tiny one for mere plumbing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from transformers import BertConfig, BertModel, BertTokenizerFast

from hybridge import Passage
from hybridge.colbert import MultiVectorTokenEncoder, export_checkpoint

SPECIAL = ["[PAD]", "[unused0]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", ",", "."]


@pytest.fixture(scope="session")
def token_encoder(minilm: Path) -> MultiVectorTokenEncoder:
    """The real bi-encoder's token vectors."""
    return MultiVectorTokenEncoder(minilm)


@pytest.fixture(scope="session")
def checkpoint(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real bi-encoder, training-free, in Stanford's format."""
    return export_checkpoint(minilm, tmp_path_factory.mktemp("checkpoints") / "minilm")


@pytest.fixture(scope="session")
def tiny_transformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformer of random weights that reads 48 tokens, without a word of how to pool."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "vocab.txt").write_text("\n".join(SPECIAL + WORDS))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(str(folder))
    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(SPECIAL + WORDS),
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=48,
        )
    ).save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="session")
def random_colbert(tiny_transformer: Path) -> Callable[[int, int], MultiVectorEncoder]:
    """Makes a ColBERT of random weights from the length of its vectors and a seed.

    It has markers, fills queries up with [MASK] to 8 tokens, and skips punctuation.
    """

    def make(dimension: int, seed: int) -> MultiVectorEncoder:
        transformer = Transformer(
            str(tiny_transformer),
            document_length=12,
            query_expansion={"strategy": "fixed", "attend": False, "length": 8},
        )
        transformer.tokenizer.add_special_tokens(
            {"additional_special_tokens": ["[unused0]", "[unused1]"]}
        )
        torch.manual_seed(seed)
        projection = Dense(
            16,
            dimension,
            bias=False,
            activation_function=torch.nn.Identity(),
            module_input_name="token_embeddings",
        )
        return MultiVectorEncoder(
            modules=[
                transformer,
                projection,
                MultiVectorMask([",", "."]),
                Normalize(module_input_name="token_embeddings"),
            ],
            prompts={"query": "[unused0] ", "document": "[unused1] "},
            device="cpu",
        )

    return make


@pytest.fixture
def tiny_colbert(random_colbert: Callable[[int, int], MultiVectorEncoder]) -> MultiVectorEncoder:
    return random_colbert(4, 1)


@pytest.fixture(scope="session")
def abstracts(small_corpus: tuple[Passage, ...]) -> list[str]:
    """The beginnings of eight texts of SciFact."""
    return [passage.text[:300] for passage in small_corpus[:8]]
