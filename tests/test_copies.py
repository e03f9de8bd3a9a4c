"""Pickle and the module copy give back what every public object was: one test for all of them.

A public class that is in none of the tables below fails `test_every_public_class_is_here`.
"""

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import pickle
import pkgutil
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import cloudpickle
import numpy as np
import pytest
from sentence_transformers import CrossEncoder

import hybridge
from hybridge import (
    Analyzer,
    BM25Retriever,
    CallableEncoder,
    FusedRetriever,
    Hit,
    HybridIndex,
    Passage,
    Pipeline,
    SentenceTransformerEncoder,
    StageScore,
    errors,
    evaluate,
    explain_search,
    tune,
)
from hybridge import filters as f
from hybridge.adaptation import (
    Adaptation,
    Agreement,
    Distillation,
    Example,
    GeneratedQuestions,
    Measured,
    TrainingSettings,
    fit_query_map,
)
from hybridge.adaptation.saved import SavedTraining
from hybridge.adaptation.training import CurvePoint
from hybridge.catalogue import CATALOGUE, Measurement
from hybridge.colbert import ColBERTReranker, MultiVectorTokenEncoder
from hybridge.cross_encoder import CrossEncoderReranker
from hybridge.demo import Answer, Question
from hybridge.diversity import DiverseRetriever
from hybridge.doctor import Finding, Report
from hybridge.encoders import (
    CachedEncoder,
    CallableSparseEncoder,
    MappedEncoder,
    QueryMap,
    SparseVector,
)
from hybridge.errors import CopyError, HybridgeError, MissingExtraError, ModelNotFoundError
from hybridge.evaluation import Collection, NoAnswer
from hybridge.explanation import BoostPart
from hybridge.forking import ForkSafeLock
from hybridge.fused import FusedSearch
from hybridge.fusion import RRF, ConvexCombination, RunPart
from hybridge.index import FieldSummary
from hybridge.interop import ExternalHit, FutureIndex, SearchConfig
from hybridge.judging import Candidate, JudgeAgreement, Judgment, Judgments, Pair, Progress
from hybridge.language_models import (
    Completion,
    ContextualPassages,
    ExpandedRetriever,
    LanguageModel,
    ListwiseReranker,
    LLMReranker,
    QueryExpansion,
    Usage,
)
from hybridge.lexical import BM25Parameters, Postings, Snapshot, SparseBM25, Synonyms
from hybridge.plots import Picture, rank_flow
from hybridge.presets import Preset
from hybridge.query_syntax import filters_of, parse
from hybridge.report import Heat, Styled, Table
from hybridge.reranking import TextReranker
from hybridge.results import (
    Boost,
    BoostedRetriever,
    Decay,
    DistinctRetriever,
    FlooredRetriever,
    Group,
    GroupedRetriever,
    Links,
    ParentRetriever,
    Piece,
)
from hybridge.scope import ScopedRetriever, ScopedScorer
from hybridge.search_text import SearchText
from hybridge.spelling import Correction, Words
from hybridge.splitting import Section
from hybridge.stages import BM25, Dense, LateInteraction, LearnedSparse, Prepared
from hybridge.telemetry import TracedRetriever
from hybridge.tuning import FloorCalibration, FloorPoint, Space
from hybridge.vectors import (
    HNSW,
    Cluster,
    DenseVectors,
    PayloadLayout,
    SparseVectors,
    StoreOptions,
    TokenVectors,
    UnionAnswer,
    UnionSearch,
    VectorQuery,
)

PASSAGES = [
    Passage("1", "Cats sleep a lot.", {"year": 2020, "tags": ["pets"]}),
    Passage("2", "Dogs run fast.", {"year": 2021}),
    Passage("3", "Cats and dogs."),
]
QUERIES = ["cats", "dogs sleep"]
CANDIDATES = [[Hit(passage, float(i)) for i, passage in enumerate(PASSAGES)] for _ in QUERIES]


def letters(texts: list[str]) -> list[list[float]]:
    return [[text.lower().count(letter) + 0.1 for letter in "catdogs"] for text in texts]


def halved(query: str) -> list[str]:
    return [query[: len(query) // 2]]


def ranking(prompt: str) -> str:
    return "[2] > [1]"


def lengths(texts: list[str]) -> list[dict[int, float]]:
    return [{len(word): 0.5 for word in text.split()} for text in texts]


def first_lengths(texts: list[str]) -> list[dict[int, float]]:
    return [{len(text.split()[0]): 2.0} for text in texts]


def halves(text: str) -> list[str]:
    return text.lower().replace(".", "").split()


def halves_of_each(prompts: list[str]) -> list[str]:
    return [" ".join(halves(prompt)) for prompt in prompts]


def first_word(passage: Passage) -> str:
    return passage.text.split()[0]


class Letters:
    """Embeddings of LangChain's kind and of LlamaIndex's."""

    model_name = "letters"

    def embed_query(self, text: str) -> list[float]:
        return letters([text])[0]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return letters(texts)

    get_query_embedding = embed_query
    get_text_embedding_batch = embed_documents


class Shortest(TextReranker):
    def _score(self, queries: Any, texts: Any) -> list[list[float]]:
        return [[-float(len(text)) for text in some] for some in texts]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, minilm: Path) -> Iterator[SimpleNamespace]:
    """Make an index, searches and their results."""
    folder = tmp_path_factory.mktemp("copies")
    encoder = CallableEncoder(letters, identity="letters")
    token_encoder = MultiVectorTokenEncoder(minilm, passage_length=16, batch_size=2)
    with HybridIndex.create(folder / "index", encoder=encoder, late_interaction=token_encoder) as i:
        i.add(PASSAGES)
        untrained = folder / "cross-encoder"
        CrossEncoder(str(minilm), num_labels=1, device="cpu").save_pretrained(str(untrained))
        reranker = Shortest("brevity", threshold=-16)
        pipeline = Pipeline(i, reranker, depth=7, blend=0.25)
        qrels = {"a": {"1": 1}, "b": {"2": 1}, "c": {"3": 1}, "d": {"1": 1}}
        queries = {"a": "cats", "b": "dogs", "c": "cats and dogs", "d": "sleep"}
        evaluation = evaluate({"bm25": i.bm25, "all": pipeline}, queries, qrels, baseline="bm25")
        yield SimpleNamespace(
            folder=folder,
            minilm=minilm,
            untrained=untrained,
            index=i,
            encoder=encoder,
            token_encoder=token_encoder,
            reranker=reranker,
            pipeline=pipeline,
            bm25=BM25Retriever(PASSAGES, analyzer="german", method="bm25+", k1=1.5),
            evaluation=evaluation,
            explained=explain_search(pipeline, "cats that sleep"),
            tuning=tune(i, queries, qrels, folds=2),
            fitted=fit_query_map(i, queries, qrels, folds=3),
        )


# Each public class, and an object of it with settings that are not the defaults.
MADE: dict[str, Callable[[Any], object]] = {
    "Adaptation": lambda w: Adaptation(
        kind="bi-encoder",
        parent="parent",
        folder=w.folder,
        stage="dense",
        measure="nDCG@10",
        settings=TrainingSettings(),
        training=SavedTraining([CurvePoint(0, 0.0, None, 0.5)], 0, 1, 2.5, 0.0, {0.0: 0.5}),
        questions={"training": 7, "validation": 1, "held out": 2},
        compared=[Measured("dense", 0.5, 0.5, w.evaluation.compare()[0], 2)],
        setting=w.tuning.chosen,
        model=w.minilm,
    ),
    "Agreement": lambda w: Agreement(0.9, 0.8, 0.7),
    "Analyzer": lambda w: Analyzer("de", stopwords=["hund"], stem=False, min_length=3),
    "Analyzer of a function": lambda w: Analyzer.from_callable(halves, name="halves"),
    "And": lambda w: f.And(f.Eq("year", 2020), f.Exists("tags")),
    "Answer": lambda w: Answer("lists", "a list", 2),
    "BM25": lambda w: BM25("de", name="words", lexical="bm25s", parameters=BM25Parameters("bm25+")),
    "BoostPart": lambda w: BoostPart("boost", 2.0, 1, 0.5, {"decay of year": 0.25}, 0.75, 1, 9),
    "Boost": lambda w: Boost(f.Eq("year", 2020), -0.5),
    "BoostedRetriever": lambda w: BoostedRetriever(
        w.bm25, [Decay("year", "2y", now=2022)], depth=7
    ),
    "Decay": lambda w: Decay("year", "2y", weight=0.25, now="2026-01-01"),
    "FloorCalibration": lambda w: FloorCalibration(
        w.bm25, "dense", "list", None, [FloorPoint(0.3, 0.9, 0.0)], 5, 6, 0.9, 0.01
    ),
    "DistinctRetriever": lambda w: DistinctRetriever(w.bm25, 0.9),
    "Group": lambda w: Group("a", tuple(w.bm25.search(QUERIES[:1])[0])),
    "GroupedRetriever": lambda w: GroupedRetriever(w.bm25, "year", per_group=2),
    "Links": lambda w: Links("file.id", position="part"),
    "Piece": lambda w: Piece("text", 3, 1),
    "ParentRetriever": lambda w: ParentRetriever(w.bm25, "year", window=2),
    "FloorPoint": lambda w: FloorPoint(0.3, 0.9, 0.1),
    "FlooredRetriever": lambda w: FlooredRetriever(w.index, {"dense": 0.3}, of="list"),
    "NoAnswer": lambda w: NoAnswer({"bm25": [True]}, {"bm25": {"a": True}}, "bm25"),
    "TracedRetriever": lambda w: TracedRetriever(w.bm25, content=True, name="mine"),
    "BM25Parameters": lambda w: BM25Parameters("bm25l", k1=2.0, delta=0.25),
    "BM25Retriever": lambda w: w.bm25,
    "CachedEncoder": lambda w: CachedEncoder(w.minilm, w.folder / "vectors", max_bytes=10**6),
    "CallableEncoder": lambda w: CallableEncoder(letters, identity="l", normalize=True),
    "CallableEncoder of LangChain": lambda w: CallableEncoder.from_langchain(Letters()),
    "CallableEncoder of LlamaIndex": lambda w: CallableEncoder.from_llama_index(Letters()),
    "CallableSparseEncoder": lambda w: CallableSparseEncoder(
        lengths, query_function=first_lengths, identity="lengths"
    ),
    "ColBERTReranker": lambda w: ColBERTReranker(w.token_encoder, name="mine", threshold=0.5),
    "Candidate": lambda w: Candidate(PASSAGES[0], {"bm25": 2}),
    "JudgeAgreement": lambda w: JudgeAgreement({"Ann": 2}, 0, None, [], []),
    "Judgment": lambda w: Judgment("q1", "1", "Ann", 3),
    "Judgments": lambda w: Judgments(w.folder / "judgments.db"),
    "Pair": lambda w: Pair(("Ann", "Bo"), 3, 0.5, 0.25),
    "Progress": lambda w: Progress(1, 3),
    "Collection": lambda w: Collection(PASSAGES, {"a": "cats"}, {"a": {"1": 1}}),
    "Comparison": lambda w: w.evaluation.compare()[0],
    "ConvexCombination": lambda w: ConvexCombination(),
    "Corrected": lambda w: w.bm25.correct("castle caots"),
    "Correction": lambda w: Correction(3, "caots", "coats"),
    "CrossEncoderReranker": lambda w: CrossEncoderReranker(
        w.untrained, name="mine", sigmoid=True, threshold=1e-9, window=8, batch_size=2
    ),
    "CrossEncoderReranker of an object": lambda w: CrossEncoderReranker(
        CrossEncoder(str(w.untrained), device="cpu"), name="mine"
    ),
    "Dense": lambda w: Dense(w.encoder, name="letters", distance="dot"),
    "DenseVectors": lambda w: DenseVectors(3, "dot"),
    "Distillation": lambda w: Distillation(
        SentenceTransformerEncoder(w.minilm), Agreement(1, 0, 0), Agreement(1, 1, 1), [], 0.5
    ),
    "DiverseRetriever": lambda w: DiverseRetriever(w.index, fetch_k=3, lambda_mult=0.1),
    "Eq": lambda w: f.Eq("year", 2020),
    "Evaluation": lambda w: w.evaluation,
    "Example": lambda w: Example("cats", ("Cats sleep.", "Dogs run."), (1.0, 0.0)),
    "Exists": lambda w: f.Exists("tags"),
    "FieldCheck": lambda w: f.FieldCheck("the example"),
    "FieldSummary": lambda w: FieldSummary("year", ("number",), 2, 3, {2020: 2}, minimum=2020),
    "Finding": lambda w: Finding("models", "a model", "missing", "it is not here", "get it"),
    "ForkSafeLock": lambda w: ForkSafeLock(reentrant=True),
    "FusedPlan": lambda w: FusedRetriever({"words": w.bm25})._plans(["cats"], 3, None)[0],
    "FusedRetriever": lambda w: FusedRetriever({"words": w.bm25, "index": w.index}, depth=2),
    "FusedSearch": lambda w: FusedSearch(["bm25"], [[[]]], [[{"1": 0.5}]], [{"1": 1.0}]),
    "ExternalHit": lambda w: ExternalHit("1", "text", {"a": 1}, 0.5),
    "GeneratedQuestions": lambda w: GeneratedQuestions(
        PASSAGES, {"a": "cats"}, {"a": {"1": 1}}, 5, 1, 1, 1, 1
    ),
    "Gt": lambda w: f.Gt("year", 2020),
    "Gte": lambda w: f.Gte("year", 2020),
    "HNSW": lambda w: HNSW(m=8, ef=99),
    "Heat": lambda w: Heat(["cat"], ["cats"], [[0.5]], Table(["best"], [["0.5"]])),
    "Hit": lambda w: w.pipeline.search(["cats"])[0][0],
    "HybridIndex": lambda w: w.index,
    "IdIn": lambda w: f.IdIn(["1"]),
    "In": lambda w: f.In("year", [2020, 2021]),
    "FutureIndex": lambda w: FutureIndex(),
    "SearchConfig": lambda w: SearchConfig(w.bm25, 3, f.Eq("year", 2020), 0.5),
    "PlainText": lambda w: parse("+cat food").text,
    "PayloadLayout": lambda w: PayloadLayout(text="body", vector="v"),
    "KnownModel": lambda w: CATALOGUE["BAAI/bge-m3"],
    "LanguageModel": lambda w: LanguageModel(halves_of_each, "halves", batch_size=2),
    "Completion": lambda w: Completion("text", Usage(1, 7, 3)),
    "ContextualPassages": lambda w: ContextualPassages(tuple(PASSAGES), ("2",)),
    "ExpandedRetriever": lambda w: ExpandedRetriever(w.bm25, halved, weight=0.3),
    "ListwiseReranker": lambda w: ListwiseReranker(ranking, window=2, step=1, name="mine"),
    "LLMReranker": lambda w: LLMReranker(ranking, highest=5),
    "QueryExpansion": lambda w: QueryExpansion(ranking, "Write {number}.", number=2),
    "Usage": lambda w: Usage(2, 7, 3, estimated=True),
    "LateInteraction": lambda w: LateInteraction(w.token_encoder),
    "LearnedSparse": lambda w: LearnedSparse(
        CallableSparseEncoder(lengths, identity="lengths"), name="splade"
    ),
    "Lt": lambda w: f.Lt("year", 2020),
    "Lte": lambda w: f.Lte("year", 2020),
    "FittedQueryMap": lambda w: w.fitted,
    "HeldOut": lambda w: w.fitted.whole,
    "MappedEncoder": lambda w: MappedEncoder(w.encoder, QueryMap(np.eye(7), np.eye(7)[::-1])),
    "Measurement": lambda w: Measurement(ndcg=0.7, query_ms=3.5),
    "MultiVectorTokenEncoder": lambda w: w.token_encoder,
    "MultiVectorTokenEncoder of an object": lambda w: MultiVectorTokenEncoder(
        SentenceTransformerEncoder(w.minilm), query_length=9, pool_factor=2
    ),
    "Not": lambda w: f.Not(f.Eq("year", 2020)),
    "Measured": lambda w: Measured("dense", 0.5, 0.75, w.evaluation.compare()[0], 2),
    "Or": lambda w: f.Or(f.Eq("year", 2020), f.TextMatch("tags", "pets")),
    "ParsedQuery": lambda w: parse('+cats -dogs "sleep a lot"'),
    "QueryFilter": lambda w: filters_of(["cats -dogs"], Analyzer(), f.Eq("year", 2020))[0],
    "Passage": lambda w: PASSAGES[0],
    "Picture": lambda w: rank_flow(w.pipeline.search(["cats"])[0]),
    "Pipeline": lambda w: w.pipeline,
    "Postings": lambda w: w.bm25._postings,
    "Preset": lambda w: Preset("mine", (BM25("german", name="words"),), (w.reranker,), depth=7),
    "Prepared": lambda w: Prepared([([1], [0.5])], "derived"),
    "Pushed": lambda w: f.Pushed("filter", exact=True),
    "QueryMap": lambda w: QueryMap([[0.5], [0.25]], [[-1, 2]]),
    "Question": lambda w: Question("1", "what?", "plain", [Answer("lists", "a list", 1)]),
    "RRF": lambda w: RRF(7),
    "Report": lambda w: Report((Finding("models", "a model", "ok", "it is here"),)),
    "RunPart": lambda w: RunPart(0.5, {"1": 0.25}),
    "ScoreParts": lambda w: w.bm25.parts("cats", ["1"])[0],
    "Scores": lambda w: w.bm25._postings.snapshot().scores("cats"),
    "SearchText": lambda w: SearchText("{year}: {text}"),
    "SearchText of a function": lambda w: SearchText.from_callable(first_word, name="first"),
    "ScopedIndex": lambda w: w.index.scoped({"year": 2020}, statistics="scope"),
    "ScopedRetriever": lambda w: ScopedRetriever(w.bm25, {"year": 2020}),
    "ScopedScorer": lambda w: ScopedScorer(w.bm25, {"year": 2020}),
    "Section": lambda w: Section("text", title="a title", metadata={"page": 3}),
    "SentenceTransformerEncoder": lambda w: SentenceTransformerEncoder(
        w.minilm, query_prompt="query: ", normalize=False, batch_size=2, max_length=9
    ),
    "SentenceTransformerEncoder of an object": lambda w: SentenceTransformerEncoder(
        SentenceTransformerEncoder(w.minilm)._loaded(), passage_prompt="passage: "
    ),
    "Setting": lambda w: w.tuning.chosen,
    "Shortest": lambda w: w.reranker,
    "Snapshot": lambda w: w.bm25._postings.snapshot(),
    "Space": lambda w: Space(depth=[7]),
    "SparseBM25": lambda w: SparseBM25(Analyzer("german"), k1=2.0, average_length=7.0),
    "SparseVectors": lambda w: SparseVectors(idf=True),
    "SparseVector": lambda w: SparseVector([1, 3], [0.5, 2.0]),
    "StageScore": lambda w: StageScore("bm25", 1, 0.5),
    "Strictness": lambda w: f.Strictness(needs_index=True),
    "StoreOptions": lambda w: StoreOptions({"dense": DenseVectors(3)}, hnsw=HNSW(m=8)),
    "Styled": lambda w: Styled("text", "strong"),
    "Synonyms": lambda w: Synonyms([["cat", "tom"]], weight=0.3),
    "Table": lambda w: Table(["stage", "rank"], [["bm25", "1"]], wide=0),
    "TermScore": lambda w: w.bm25.parts("cats", ["1"])[0].terms[0],
    "TextContains": lambda w: f.TextContains("cat", ignore_case=True),
    "TextMatch": lambda w: f.TextMatch("tags", "pets"),
    "TextPhrase": lambda w: f.TextPhrase("sleeping cats", "german"),
    "TextMatchInsensitive": lambda w: f.TextMatchInsensitive("tags", "PETS"),
    "TokenVectors": lambda w: TokenVectors(3, "turbo4"),
    "TrainingSettings": lambda w: TrainingSettings("margins", minutes=5, seed=3),
    "Trial": lambda w: w.tuning.trials[0],
    "Tuning": lambda w: w.tuning,
    "Cluster": lambda w: Cluster(shard_number=4, tenant="user"),
    "UnionAnswer": lambda w: UnionAnswer([{1: 0.5}], [{1: 0.5, 2: 0.25}]),
    "UnionSearch": lambda w: UnionSearch([VectorQuery("dense", [0.5], 3)], candidates=[1, 2]),
    "Words": lambda w: Words(["cats", "dogs"]),
    "VectorQuery": lambda w: VectorQuery("dense", [0.5], 3, f.Eq("year", 2020), [1, 2]),
    "index.bm25": lambda w: w.index.bm25,
    "index.dense": lambda w: w.index.dense,
    "index.late_interaction": lambda w: w.index.late_interaction,
    "index.tuned": lambda w: w.index.tuned(depth=2, weights={"bm25": 1, "dense": 0}),
} | {
    name: lambda w, name=name: found_in(w.explained, name)
    for name in (
        *("BM25Part", "BlendPart", "Explanation", "FusionPart", "MaxSimPart"),
        *("RerankPart", "ScorePart", "SearchExplanation", "StagePart", "TermPart"),
    )
}

ERRORS = {
    name: (error("numba", "numba") if error is MissingExtraError else error(f"{name} it is"))
    for name in errors.__all__
    if inspect.isclass(error := getattr(errors, name)) and issubclass(error, HybridgeError)
}

# Public classes of which there is nothing to copy, and why.
OTHERS = {
    "ForkBarrier": "belongs to one process",
    "DeepRetriever": "abstract: GroupedRetriever is one",
    "Boosting": "abstract: Boost is one",
    "RetrieverWrapper": "abstract: FlooredRetriever is one",
    "FrameworkEncoder": "the adapters' tests copy theirs",
    "FrameworkRetriever": "abstract: the adapters' tests copy theirs",
    "ColBERTRetriever": "in tests/colbert/ragatouille/test_lifecycle.py",
    "Condition": "abstract",
    "Comparison": "abstract among filters; the evaluation's is above",
    "ConnectionOptions": "a dict with known keys",
    "Contains": "another name of Eq",
    "Filter": "abstract",
    "FusedMember": "part of a FusedPlan",
    "Gathering": "belongs to one search",
    "Get": "a step of one search",
    "Guards": "holds the keys of a server",
    "Hold": "a step of one search",
    "Jobs": "belongs to its process",
    "Keys": "belongs to its process",
    "LocalServer": "belongs to its process",
    "OpenStage": "abstract, and belongs to its index",
    "OpenVectorStage": "belongs to its index",
    "Options": "in tests/server/test_options.py",
    "PassageReader": "over the store of an open index",
    "Queries": "belongs to one search",
    "QueryBatch": "belongs to one search",
    "ReadBatch": "belongs to one search",
    "Renderable": "abstract: Report is one",
    "RerankerConformance": "tests",
    "Rescored": "part of a SearchRecord",
    "RetrieverConformance": "tests",
    "Search": "a step of one search",
    "SearchOptions": "of the stages of an open index",
    "SearchRecord": "belongs to one search",
    "SearchSettings": "a dict with known keys",
    "SentenceTransformerSparseEncoder": "in tests/encoders/test_sparse.py",
    "SharedInCopies": "abstract",
    "Service": "over an open index",
    "Speller": "belongs to its index",
    "Stage": "abstract",
    "TemporaryFolder": "belongs to its process",
    "TextReranker": "abstract: Shortest is one",
    "ToolServer": "over an open index",
    "VectorSearch": "over the store of an open index",
    "VectorStage": "abstract",
    "Work": "a step of one search",
    "cached_property": "part of a class",
    "observed": "a block of code",
}


def found_in(root: object, name: str) -> object:
    """Return the first object of a class by this name in the fields of others."""
    waiting = [root]
    while waiting:
        found = waiting.pop(0)
        if type(found).__name__ == name:
            return found
        if dataclasses.is_dataclass(found):
            waiting += [getattr(found, field.name) for field in dataclasses.fields(found)]
        elif isinstance(found, Mapping):
            waiting += found.values()
        elif isinstance(found, list | tuple):
            waiting += found
    raise LookupError(name)


def visible(thing: Any) -> object:
    """Return the results of an object, or else its text, to compare copies by."""
    match thing:
        case Picture():
            return thing.alt, thing._repr_png_()
        case Analyzer():
            return thing.to_config(), thing.stopwords, thing([p.text for p in PASSAGES])
        case SearchText():
            return thing, thing.texts(PASSAGES)
        case SparseBM25():
            return thing.encode_passages(QUERIES), thing.average_length
        case Postings():
            return len(thing), thing.parameters, thing.snapshot().top("cats", 3)
        case Words():
            return list(thing), list(thing.near("cast", 1))
        case Snapshot():
            return thing.top("cats", 3)
        case ForkSafeLock():
            with thing, thing:
                return True
        case f.FieldCheck():
            return vars(thing)
        case BM25():
            return thing.name, thing.lexical, thing.parameters, visible(thing.analyzer)
        case Dense():
            return thing.name, thing.vectors, visible(thing.encoder)
        case LateInteraction():
            return visible(thing.encoder), thing.blend, thing.datatype
        case Distillation():
            return visible(thing.encoder), thing.before, thing.after, thing.seconds
        case Preset():
            parts = [visible(part) for part in (*thing.stages, *thing.rerankers)]
            return thing.name, thing.depth, thing.blend, parts
    if isinstance(thing, QueryMap):
        return thing.digest, thing.apply(np.eye(thing.dimension)).tolist()
    if hasattr(thing, "encode_queries"):
        made = [*thing.encode_queries(QUERIES), *thing.encode_passages(QUERIES)]
        return thing.identity, *map(Near, made)
    if hasattr(thing, "rerank"):
        threshold = getattr(thing, "threshold", None)
        lists = thing.rerank(QUERIES, CANDIDATES)
        found = [[(hit.passage, hit.trace[-1].stage) for hit in hits] for hits in lists]
        return thing.name, threshold, found, Near([hit.score for hits in lists for hit in hits])
    if hasattr(thing, "search"):
        return thing.search(QUERIES, 3), thing.search(QUERIES, 3, where={"year": 2020})
    if hasattr(thing, "_repr_html_"):
        return str(thing), thing._repr_html_()
    return repr(thing)


class Near:
    """Numbers of a model: where its weights are in memory decides the last digits."""

    def __init__(self, numbers: Any) -> None:
        self.numbers = np.asarray(numbers)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Near)
            and self.numbers.shape == other.numbers.shape
            and np.allclose(self.numbers, other.numbers, atol=1e-5)
        )

    __hash__ = None  # type: ignore[assignment]


COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
    "cloudpickle": lambda thing: cloudpickle.loads(cloudpickle.dumps(thing)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


@pytest.mark.parametrize("name", MADE)
def test_a_copy_is_what_the_original_is(world: SimpleNamespace, name: str) -> None:
    original = MADE[name](world)
    copies = {way: make(original) for way, make in COPIES.items()}
    expected = visible(original)
    for way, copied in copies.items():
        assert type(copied) is type(original), way
        assert visible(copied) == expected, way


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_comes_back_from_another_process(name: str) -> None:
    error = ERRORS[name]
    for copied in (copied(error) for copied in COPIES.values()):
        assert type(copied) is type(error)
        assert str(copied) == str(error)


def test_every_public_class_is_here() -> None:
    modules = [hybridge, *map(importlib.import_module, module_names())]
    public = {
        name
        for module in modules
        for name in getattr(module, "__all__", ())
        if inspect.isclass(found := getattr(module, name)) and Protocol not in found.__bases__
    }
    listed = {*MADE, *ERRORS, *OTHERS}
    assert sorted(public - listed) == []


def module_names() -> Iterator[str]:
    for module in pkgutil.iter_modules(hybridge.__path__, "hybridge."):
        if module.name != "hybridge.__main__":
            yield module.name


def test_a_model_by_name_or_folder_pickles_as_its_settings(world: SimpleNamespace) -> None:
    for thing in (
        SentenceTransformerEncoder(world.minilm),
        MultiVectorTokenEncoder(SentenceTransformerEncoder(world.minilm)),
        CrossEncoderReranker(world.untrained),
    ):
        visible(thing)  # loads it
        assert len(pickle.dumps(thing)) < 5_000


def test_a_model_that_is_not_there_is_told_when_it_is_unpickled(
    world: SimpleNamespace, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(world.untrained, folder)
    dumped = pickle.dumps(CrossEncoderReranker(folder))
    shutil.rmtree(folder)
    with pytest.raises(ModelNotFoundError, match=str(folder)):
        pickle.loads(dumped)


def test_copies_in_one_process_share_the_model_and_not_the_settings(world: SimpleNamespace) -> None:
    original = CrossEncoderReranker(world.untrained, name="mine")
    visible(original)
    copied = copy.deepcopy(original)
    copied.name = "yours"
    assert original.name == "mine"
    assert copied._loaded() is original._loaded()  # with its lock
    assert copy.deepcopy(world.encoder) is world.encoder
    assert copy.deepcopy(world.token_encoder) is world.token_encoder


def test_a_copied_bm25_retriever_is_written_to_alone(world: SimpleNamespace) -> None:
    for way in COPIES.values():
        copied = way(world.bm25)
        copied.add([Passage("4", "Cats again.")])
        copied.delete(["1"])
        assert [passage.id for passage in copied] == ["2", "3", "4"]
        assert [passage.id for passage in world.bm25] == ["1", "2", "3"]
        assert {hit.passage.id for hit in copied.search(["cats"])[0]} == {"3", "4"}
        assert {hit.passage.id for hit in world.bm25.search(["cats"])[0]} == {"1", "3"}


class Client:
    """Holds what cannot be pickled, as clients of hosted models do."""

    model = "hosted"

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def embed_query(self, text: str) -> list[float]:
        return letters([text])[0]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return letters(texts)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: CallableEncoder(lambda texts: texts, identity="mine"), "the encoder 'mine'"),
        (lambda: CallableEncoder.from_langchain(Client()), "the encoder 'langchain:Client:hosted'"),
        (lambda: Analyzer.from_callable(lambda text: [text], name="mine"), "Analyzer('mine')"),
    ],
    ids=["a lambda", "a client", "an analyzer"],
)
def test_what_cannot_be_pickled_says_what_to_do(make: Callable[[], Any], named: str) -> None:
    for thing in (make(), [make()]):
        with pytest.raises(CopyError, match="in the process that") as caught:
            pickle.dumps(thing)
        assert str(caught.value).startswith(f"{named} cannot be pickled: ")


def test_lambdas_go_by_cloudpickle() -> None:
    encoder = CallableEncoder(lambda texts: letters(texts), identity="mine")
    other = cloudpickle.loads(cloudpickle.dumps(encoder))
    assert visible(other) == visible(encoder)
    analyzer = Analyzer.from_callable(lambda text: halves(text), name="mine")
    assert visible(cloudpickle.loads(cloudpickle.dumps(analyzer))) == visible(analyzer)
    with pytest.raises(CopyError):
        cloudpickle.dumps(CallableEncoder.from_langchain(Client()))
