"""Known models: their kind, size, languages, licence, and published or measured quality.

The table is short on purpose: models that a processor runs well, and those to take when there is a
GPU, other languages or long passages. Any other model of the hub works as well, by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

from .errors import InvalidInputError

__all__ = [
    "CATALOGUE",
    "MEASURED",
    "PUBLISHED_MEASURES",
    "CatalogueKind",
    "KnownModel",
    "Measurement",
    "Need",
    "select",
]

CatalogueKind: TypeAlias = Literal[
    "bi-encoder", "sparse encoder", "late-interaction model", "cross-encoder"
]
Need: TypeAlias = Literal["balanced", "speed", "quality", "length"]

# Bytes of a parameter. Activations and tokenizers come on top.
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}
# The most parameters, in millions, that one thread of a processor encodes passages with at leisure.
_LIGHT = 50

PUBLISHED_MEASURES: Mapping[CatalogueKind, str] = MappingProxyType(
    {
        "bi-encoder": "mean nDCG@10 over the 15 English retrieval tasks of MTEB (BEIR)",
        "sparse encoder": "mean nDCG@10 over 13 collections of BEIR",
        "late-interaction model": "mean nDCG@10 over the 15 English retrieval tasks of MTEB (BEIR)",
        "cross-encoder": "nDCG@10 on TREC Deep Learning 2019",
    }
)
"""What `KnownModel.published` is, by kind; only models of one kind can be compared by it."""


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model of the catalogue.

    Args:
        kind: its kind, by the names of `hybridge.encoders.kinds`.
        name: its name on the hub.
        parameters: in millions.
        dimension: numbers in a vector, of a text or of each token; None for a cross-encoder.
        tokens: the longest input that it reads; a cross-encoder's holds the query too.
        languages: ISO 639-1 codes; empty for about a hundred languages.
        licence: the weights', by its SPDX identifier.
        runs: what runs it: ``"graph"`` (ONNX Runtime, by a graph built from the weights),
            ``"file"`` (ONNX Runtime, by the ONNX file in its repository) or ``"torch"`` (the extra
            ``torch``).
        published: quality, a number from 0 to 1 (`PUBLISHED_MEASURES`); None where no comparable
            figure is published.

    >>> minilm = CATALOGUE["sentence-transformers/all-MiniLM-L6-v2"]
    >>> minilm.parameters, minilm.megabytes("float32"), minilm.megabytes("int8")
    (22.7, 91, 23)
    """

    kind: CatalogueKind
    name: str
    parameters: float
    dimension: int | None
    tokens: int
    languages: tuple[str, ...]
    licence: str
    runs: Literal["graph", "file", "torch"]
    published: float | None = None

    def megabytes(self, dtype: str = "float32") -> int:
        """Return the size of the weights in a precision, on disk and in memory.

        Args:
            dtype: ``"float32"``, ``"bfloat16"``, ``"float16"`` or ``"int8"``.

        Raises:
            InvalidInputError: an unknown precision.
        """
        if dtype not in _BYTES:
            raise InvalidInputError(f"dtype must be one of {', '.join(_BYTES)}, not {dtype!r}")
        return round(self.parameters * _BYTES[dtype])

    def reads(self, language: str) -> bool:
        """Return whether the model was trained for a language.

        Args:
            language: its name or ISO 639-1 code, in any case.

        Raises:
            InvalidInputError: an unknown language.

        >>> CATALOGUE["BAAI/bge-m3"].reads("swahili")
        True
        """
        from .analysis.languages import resolve_language

        name = resolve_language(language)
        return not self.languages or name in map(resolve_language, self.languages)

    @property
    def smallest(self) -> int:
        """Megabytes of the weights in the precision that they run in best."""
        return self.megabytes("float32" if self.runs == "torch" else "int8")

    @property
    def usage(self) -> str:
        """The line of Python that uses the model."""
        dtype = "" if self.runs == "torch" else ', dtype="int8"'
        return {
            "bi-encoder": f'Dense(SentenceTransformerEncoder("{self.name}"{dtype}))',
            "sparse encoder": (
                f'LearnedSparse(SentenceTransformerSparseEncoder("{self.name}"{dtype}))'
            ),
            "late-interaction model": (
                f'LateInteraction(MultiVectorTokenEncoder("{self.name}"{dtype}))'
            ),
            "cross-encoder": f'Pipeline(index, CrossEncoderReranker("{self.name}"{dtype}))',
        }[self.kind]


@dataclass(frozen=True, slots=True)
class Measurement:
    """A measurement of one model in one precision, on one thread.

    Args:
        ndcg: nDCG@10 on SciFact's 300 test queries: of a bi-encoder alone, of a cross-encoder
            behind the hybrid.
        query_ms: milliseconds of processor time to encode a query.
        passages_per_second: passages encoded, or pairs scored.
    """

    ndcg: float | None = None
    query_ms: float | None = None
    passages_per_second: float | None = None


_OPENSEARCH = "opensearch-project/opensearch-neural-sparse-encoding"
_EN = ("en",)
_MMARCO_MINILM = "cross-encoder/mmarco-mMiniLMv2-L12-H384-v1"
_MMARCO = ("ar", "de", "en", "es", "fr", "hi", "id", "it", "ja", "nl", "pt", "ru", "vi", "zh")
_ANY: tuple[str, ...] = ()
_APACHE, _MIT = "Apache-2.0", "MIT"

_dense = partial(KnownModel, "bi-encoder")
_sparse = partial(KnownModel, "sparse encoder")
_late = partial(KnownModel, "late-interaction model")
_cross = partial(KnownModel, "cross-encoder")

# The quality is published: in the models' cards, or in tables of other models' cards. Where a size,
# a limit or a licence matters, the model's card decides.
_MODELS = (
    _dense("sentence-transformers/all-MiniLM-L6-v2", 22.7, 384, 256, _EN, _APACHE, "graph", 0.4195),
    _dense("BAAI/bge-small-en-v1.5", 33.4, 384, 512, _EN, _MIT, "graph", 0.5168),
    _dense("thenlper/gte-small", 33.4, 384, 512, _EN, _MIT, "graph", 0.4946),
    _dense("Snowflake/snowflake-arctic-embed-xs", 22.6, 384, 512, _EN, _APACHE, "graph", 0.5015),
    _dense("Snowflake/snowflake-arctic-embed-s", 33.2, 384, 512, _EN, _APACHE, "graph", 0.5198),
    _dense("Snowflake/snowflake-arctic-embed-m", 109, 768, 512, _EN, _APACHE, "graph", 0.5490),
    _dense("ibm-granite/granite-embedding-30m-english", 30.3, 384, 512, _EN, _APACHE, "graph"),
    _dense("ibm-granite/granite-embedding-small-english-r2", 47, 384, 8192, _EN, _APACHE, "torch"),
    _dense("intfloat/multilingual-e5-small", 118, 384, 512, _ANY, _MIT, "graph"),
    _dense("BAAI/bge-m3", 568, 1024, 8192, _ANY, _MIT, "file"),
    _dense("Qwen/Qwen3-Embedding-0.6B", 596, 1024, 32768, _ANY, _APACHE, "torch"),
    _sparse(f"{_OPENSEARCH}-doc-v2-mini", 23, 30522, 512, _EN, _APACHE, "graph", 0.497),
    _sparse(f"{_OPENSEARCH}-doc-v2-distill", 67, 30522, 512, _EN, _APACHE, "graph", 0.504),
    _late("answerdotai/answerai-colbert-small-v1", 33.4, 96, 512, _EN, _APACHE, "graph", 0.5379),
    _late("colbert-ir/colbertv2.0", 109.5, 128, 180, _EN, _MIT, "graph"),
    _late("mixedbread-ai/mxbai-edge-colbert-v0-17m", 17, 48, 7999, _EN, _APACHE, "torch"),
    _late("mixedbread-ai/mxbai-edge-colbert-v0-32m", 32, 64, 7999, _EN, _APACHE, "torch"),
    _cross("cross-encoder/ms-marco-MiniLM-L6-v2", 22.7, None, 512, _EN, _APACHE, "graph", 0.7430),
    _cross("cross-encoder/ms-marco-MiniLM-L12-v2", 33.4, None, 512, _EN, _APACHE, "graph", 0.7431),
    _cross("cross-encoder/ettin-reranker-17m-v1", 16.8, None, 7999, _EN, _APACHE, "torch"),
    _cross("cross-encoder/ettin-reranker-32m-v1", 31.9, None, 7999, _EN, _APACHE, "torch"),
    _cross(_MMARCO_MINILM, 118, None, 512, _MMARCO, _APACHE, "graph"),
    _cross("BAAI/bge-reranker-v2-m3", 568, None, 8192, _ANY, _APACHE, "graph"),
    _cross("Qwen/Qwen3-Reranker-0.6B", 596, None, 32768, _ANY, _APACHE, "torch"),
)

CATALOGUE: Mapping[str, KnownModel] = MappingProxyType({model.name: model for model in _MODELS})
"""The known models, by their name on the hub."""

MEASURED: Mapping[tuple[str, str], Measurement] = MappingProxyType(
    {
        ("sentence-transformers/all-MiniLM-L6-v2", "float32"): Measurement(
            ndcg=0.645, query_ms=5.7, passages_per_second=28.5
        ),
        ("sentence-transformers/all-MiniLM-L6-v2", "int8"): Measurement(
            ndcg=0.649, query_ms=2.1, passages_per_second=51.6
        ),
        ("BAAI/bge-small-en-v1.5", "int8"): Measurement(
            ndcg=0.711, query_ms=3.7, passages_per_second=20.8
        ),
        ("cross-encoder/ms-marco-MiniLM-L12-v2", "int8"): Measurement(passages_per_second=31.4),
    }
)
"""What was measured of known models, by name and precision."""


def select(
    models: Iterable[KnownModel] = _MODELS,
    *,
    kind: CatalogueKind | None = None,
    language: str | None = None,
    max_megabytes: float | None = None,
    need: Need = "balanced",
) -> list[KnownModel]:
    """Return the models that fit, the most suitable first.

    Args:
        models: the models to choose from; those of the catalogue by default.
        kind: the kind; None for all.
        language: the language of the texts, by its name or ISO 639-1 code; None for any.
        max_megabytes: the largest size of the weights in the precision that they run in best:
            int8 by ONNX Runtime, float32 by torch.
        need: what comes first: ``"speed"`` (few parameters), ``"quality"`` (the published figure
            to two digits, then many parameters), ``"length"`` (of the input), or ``"balanced"``
            (models of at most 50 million parameters that ONNX Runtime runs; of these, quality, then
            few parameters).

    Raises:
        InvalidInputError: an unknown kind, language or need.

    >>> select(kind="cross-encoder", language="ja", max_megabytes=200)[0].name
    'cross-encoder/mmarco-mMiniLMv2-L12-H384-v1'
    """
    for name, value, valid in (
        ("kind", kind, (None, *get_args(CatalogueKind))),
        ("need", need, get_args(Need)),
    ):
        if value not in valid:
            named = ", ".join(each for each in valid if each)
            raise InvalidInputError(f"{name} must be one of {named}, not {value!r}")
    fitting = [
        model
        for model in models
        if kind in (None, model.kind)
        and (language is None or model.reads(language))
        and (max_megabytes is None or model.smallest <= max_megabytes)
    ]
    return sorted(fitting, key=_ORDERS[need])


def _quality(model: KnownModel) -> float:
    # The second digit is what other collections would change.
    return round(model.published or 0, 2)


_ORDERS: Mapping[Need, Callable[[KnownModel], tuple[float, ...]]] = {
    "balanced": lambda model: (
        model.parameters > _LIGHT or model.runs == "torch",
        -_quality(model),
        model.parameters,
    ),
    "speed": lambda model: (model.parameters,),
    "quality": lambda model: (-_quality(model), -model.parameters),
    "length": lambda model: (-model.tokens, model.parameters),
}
