"""What the README says of moving from LlamaIndex's own retrieval to ours, shown on both sides."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import sentence_transformers
import Stemmer
from llama_index.core import VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.postprocessor import SentenceTransformerRerank
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import BaseNode, MetadataMode, NodeWithScore, QueryBundle, TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
from llama_index.postprocessor.colbert_rerank import ColbertRerank
from llama_index.retrievers.bm25 import BM25Retriever as OldBM25Retriever
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import AsyncQdrantClient, models
from safetensors.torch import load_file, save_file

import hybridge
from hybridge import SentenceTransformerEncoder
from llama_index.postprocessor.hybridge import ColBERTRerank, CrossEncoderRerank
from llama_index.retrievers.hybridge import (
    BM25Retriever,
    HybridgeQuery,
    HybridgeRetriever,
)
from llama_index.retrievers.hybridge.embeddings import EncoderEmbedding

from .conftest import MakeIndex, ids, term_counts

ASPIRIN, WARFARIN, HEART, BREAD, TREE, PLATELETS = (str(UUID(int=n)) for n in range(1, 7))
_ROWS = [
    (ASPIRIN, "Aspirin thins the blood.", 2019),
    (WARFARIN, "Warfarin is an anticoagulant.", 2021),
    (HEART, "The heart pumps blood through the body.", 2020),
    (BREAD, "Bread needs yeast, flour, water and time.", 2021),
    (TREE, "A tree has its leaves in summer.", 2018),
    (PLATELETS, "Platelets close a wound in minutes.", 2022),
]
THINS = "what thins blood?"
RECENT = MetadataFilters(filters=[MetadataFilter(key="year", value=2020, operator=">=")])
# Asked asynchronously from a synchronous call, it leaves an event loop open.
RECIPROCAL: dict[str, Any] = {"mode": "reciprocal_rerank", "num_queries": 1, "use_async": False}


@pytest.fixture
def nodes() -> list[BaseNode]:
    return [TextNode(id_=id_, text=text, metadata={"year": year}) for id_, text, year in _ROWS]


@pytest.fixture
def given(nodes: list[BaseNode]) -> list[NodeWithScore]:
    """What a retriever might give to a postprocessor."""
    return [NodeWithScore(node=node, score=0.5) for node in nodes]


@pytest.fixture
def embed_model(encoder: SentenceTransformerEncoder) -> BaseEmbedding:
    return EncoderEmbedding(encoder)


def scores(found: Sequence[NodeWithScore]) -> list[float | None]:
    return [each.score for each in found]


class TestFromBM25Retriever:
    def test_only_what_matches_comes_back(self, nodes: list[BaseNode]) -> None:
        old = OldBM25Retriever.from_defaults(nodes=nodes, similarity_top_k=4)
        new = BM25Retriever.from_nodes(nodes, similarity_top_k=4)
        assert scores(old.retrieve("quantum")) == [0, 0, 0, 0]
        assert new.retrieve("quantum") == []
        assert ids(old.retrieve(THINS))[:2] == [ASPIRIN, HEART]
        assert scores(old.retrieve(THINS))[2:] == [0, 0]
        assert ids(new.retrieve(THINS)) == [ASPIRIN, HEART]

    def test_what_filters_exclude_does_not_come_back(self, nodes: list[BaseNode]) -> None:
        old = OldBM25Retriever.from_defaults(nodes=nodes, similarity_top_k=6, filters=RECENT)
        new = BM25Retriever.from_nodes(nodes, similarity_top_k=6, filters=RECENT)
        excluded = {ASPIRIN, TREE}
        assert excluded < set(ids(old.retrieve(THINS)))
        assert ids(new.retrieve(THINS)) == [HEART]

    @pytest.mark.parametrize("word", ["Haus", "Hauses", "Häusern", "Flüsse"])
    def test_german_is_stemmed_as_german(self, word: str) -> None:
        german: list[BaseNode] = [
            TextNode(id_="houses", text="Die Häuser stehen am Fluss."),
            TextNode(id_="bread", text="Brot braucht Hefe."),
        ]
        old = OldBM25Retriever.from_defaults(nodes=german, language="de", similarity_top_k=2)
        new = BM25Retriever.from_nodes(german, analyzer="german", similarity_top_k=2)
        assert scores(old.retrieve(word)) == [0, 0]
        assert old.stemmer.stemWords(["houses"]) == ["hous"]  # English it knows
        assert ids(new.retrieve(word)) == ["houses"]

    @pytest.mark.parametrize(
        ("text", "query"),
        [
            ("血液凝固需要血小板。", "血小板"),
            ("パンには酵母が必要だ。", "酵母"),
            ("혈액응고에는 혈소판이 필요하다.", "혈소판"),
        ],
    )
    def test_chinese_japanese_and_korean_are_found(self, text: str, query: str) -> None:
        asian: list[BaseNode] = [TextNode(id_="it", text=text), TextNode(id_="other", text="茶。")]
        old = OldBM25Retriever.from_defaults(nodes=asian, similarity_top_k=2)
        assert ids(BM25Retriever.from_nodes(asian).retrieve(query)) == ["it"]
        assert scores(old.retrieve(query)) == [0, 0]

    def test_the_analyzer_is_kept(self, tmp_path: Path) -> None:
        german: list[BaseNode] = [
            TextNode(id_="houses", text="Die Häuser stehen am Fluss."),
            TextNode(id_="bread", text="Brot braucht Hefe."),
        ]
        stemmer = Stemmer.Stemmer("german")
        old = OldBM25Retriever.from_defaults(nodes=german, stemmer=stemmer, similarity_top_k=1)
        old.persist(str(tmp_path / "old"))
        again = OldBM25Retriever.from_persist_dir(str(tmp_path / "old"))
        assert scores(old.retrieve("Häusern")) != [0]
        assert scores(again.retrieve("Häusern")) == [0]

        new = BM25Retriever.from_nodes(german, analyzer="german", similarity_top_k=1)
        new.retriever.save(tmp_path / "new")
        reopened = BM25Retriever(hybridge.BM25Retriever.open(tmp_path / "new"), similarity_top_k=1)
        assert reopened.retrieve("Häusern") == new.retrieve("Häusern") != []


class Fixed(BaseRetriever):
    """Finds what it was made with, whatever is asked."""

    def __init__(self, found: list[NodeWithScore]) -> None:
        self.found = found
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self.found


class TestFromQueryFusion:
    @staticmethod
    def old(nodes: list[BaseNode], embed_model: BaseEmbedding, **options: Any) -> BaseRetriever:
        halves: list[BaseRetriever] = [
            OldBM25Retriever.from_defaults(nodes=nodes, similarity_top_k=3),
            VectorStoreIndex(nodes, embed_model=embed_model).as_retriever(similarity_top_k=3),
        ]
        options = {"llm": MockLLM(), **RECIPROCAL, **options}
        return QueryFusionRetriever(halves, similarity_top_k=4, **options)

    def test_no_language_model_is_needed(
        self, nodes: list[BaseNode], embed_model: BaseEmbedding, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        with pytest.raises(ValueError, match="OPENAI_API_KEY"):
            self.old(nodes, embed_model, llm=None)
        assert HybridgeRetriever.from_nodes(nodes, embed_model).retrieve(THINS)

    def test_weights_count(self, nodes: list[BaseNode], embed_model: BaseEmbedding) -> None:
        def old(weights: list[float]) -> list[tuple[str, float | None]]:
            found = self.old(nodes, embed_model, retriever_weights=weights).retrieve(THINS)
            return [(each.node.node_id, each.score) for each in found]

        def new(bm25: float, dense: float) -> list[str]:
            retriever = HybridgeRetriever.from_nodes(
                nodes, embed_model, weights={"bm25": bm25, "dense": dense}, similarity_top_k=3
            )
            return ids(retriever.retrieve(THINS))

        assert old([0.95, 0.05]) == old([0.05, 0.95])
        assert new(0.95, 0.05) == [ASPIRIN, HEART, PLATELETS]
        assert new(0.05, 0.95) == [ASPIRIN, PLATELETS, HEART]

    def test_weighted_rrf_is_the_old_fusion_with_weights(
        self, nodes: list[BaseNode], embed_model: BaseEmbedding
    ) -> None:
        def best(**options: Any) -> Any:
            weights = {"bm25": 0.3, "dense": 0.7}
            retriever = HybridgeRetriever.from_nodes(nodes, embed_model, weights=weights, **options)
            return retriever.retrieve(THINS)[0]

        [old, *_] = self.old(nodes, embed_model).retrieve(THINS)
        assert old.score == pytest.approx(1 / 60 + 1 / 60)  # two first places, counted from 0
        found = best(fusion="weighted-rrf")
        assert [found.trace[stage]["rank"] for stage in ("bm25", "dense")] == [1, 1]
        assert found.score == pytest.approx(0.3 / 61 + 0.7 / 61)
        assert best().score != pytest.approx(found.score)

    def test_nodes_of_one_text_stay_apart(self, embed_model: BaseEmbedding) -> None:
        pages: list[BaseNode] = [
            TextNode(id_=f"page-{page}", text="Blood clots.") for page in range(3)
        ]
        assert len(self.old(pages, embed_model).retrieve("blood")) == 1
        new = HybridgeRetriever.from_nodes(pages, embed_model, similarity_top_k=3)
        assert sorted(ids(new.retrieve("blood"))) == ["page-0", "page-1", "page-2"]

    def test_nobody_s_scores_are_overwritten(self, nodes: list[BaseNode]) -> None:
        found = [NodeWithScore(node=node, score=5.0 - at) for at, node in enumerate(nodes)]
        before = scores(found)
        rerank = ColBERTRerank(top_n=3)
        assert len(rerank.postprocess_nodes(found, query_str=THINS)) == 3
        assert scores(found) == before
        old = QueryFusionRetriever([Fixed(found)], llm=MockLLM(), **RECIPROCAL)
        old.retrieve(THINS)
        assert scores(found) != before

    def test_several_wordings_can_still_be_asked(
        self, nodes: list[BaseNode], embed_model: BaseEmbedding
    ) -> None:
        class Wordings(MockLLM):
            def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
                return super().complete("which tree has leaves?\nwhat does bread need?")

        new = HybridgeRetriever.from_nodes(nodes, embed_model, similarity_top_k=1)
        kept = QueryFusionRetriever(
            [new], llm=Wordings(), num_queries=4, similarity_top_k=4, use_async=False
        )
        assert ids(new.retrieve(THINS)) == [ASPIRIN]
        assert set(ids(kept.retrieve(THINS))) == {ASPIRIN, TREE, BREAD}


class TestFromSentenceTransformerRerank:
    @pytest.fixture
    def old(self, tiny_cross_encoder: Path) -> SentenceTransformerRerank:
        return SentenceTransformerRerank(model=str(tiny_cross_encoder), top_n=3)

    @pytest.fixture
    def new(self, tiny_cross_encoder: Path) -> CrossEncoderRerank:
        return CrossEncoderRerank(tiny_cross_encoder, top_n=3, dtype="float32")

    def test_the_order_is_the_same_and_scores_are_raw(
        self,
        tiny_cross_encoder: Path,
        given: list[NodeWithScore],
        old: SentenceTransformerRerank,
        new: CrossEncoderRerank,
    ) -> None:
        raw = new.postprocess_nodes(given, query_str=THINS)
        likely = CrossEncoderRerank(
            tiny_cross_encoder, top_n=3, dtype="float32", sigmoid=True
        ).postprocess_nodes(given, query_str=THINS)
        before = old.postprocess_nodes(given, query_str=THINS)
        assert ids(raw) == ids(likely) == ids(before)
        assert scores(likely) == pytest.approx(scores(before), abs=1e-5)
        logits = [np.log(score / (1 - score)) for score in map(float, scores(before))]  # type: ignore[arg-type]
        assert scores(raw) == pytest.approx(logits, abs=1e-3)

    def test_scores_are_numbers_that_json_takes(
        self, given: list[NodeWithScore], old: SentenceTransformerRerank, new: CrossEncoderRerank
    ) -> None:
        assert json.loads(json.dumps(scores(new.postprocess_nodes(given, query_str=THINS))))
        with pytest.raises(TypeError, match="float32 is not JSON serializable"):
            json.dumps(scores(old.postprocess_nodes(given, query_str=THINS)))

    def test_nodes_that_were_given_keep_their_scores(
        self, given: list[NodeWithScore], old: SentenceTransformerRerank, new: CrossEncoderRerank
    ) -> None:
        new.postprocess_nodes(given, query_str=THINS)
        assert scores(given) == [0.5] * 6
        old.postprocess_nodes(given, query_str=THINS)
        assert 0.5 not in scores(given)

    def test_the_earlier_score_is_in_the_trace_and_nowhere_in_the_node(
        self, tiny_cross_encoder: Path, nodes: list[BaseNode], new: CrossEncoderRerank
    ) -> None:
        def read(found: list[NodeWithScore]) -> dict[str, tuple[str, str]]:
            return {
                each.node.node_id: (each.node.hash, each.node.get_content(MetadataMode.LLM))
                for each in found
            }

        bm25 = BM25Retriever.from_nodes(nodes)
        found = bm25.retrieve(THINS)
        before = read(found)
        judged: list[Any] = new.postprocess_nodes(found, query_str=THINS)
        assert {each.node.node_id: each.trace["bm25"]["score"] for each in judged} == {
            each.node.node_id: each.score for each in found
        }
        assert read(judged) == before
        old = SentenceTransformerRerank(
            model=str(tiny_cross_encoder), top_n=3, keep_retrieval_score=True
        )
        written = read(old.postprocess_nodes(found, query_str=THINS))
        assert all(written[id_][0] != hash_ for id_, (hash_, _) in before.items())
        assert all("retrieval_score: " in text for _, text in written.values())

    def test_code_that_comes_with_a_model_is_never_executed(
        self, tiny_cross_encoder: Path, given: list[NodeWithScore], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trusted: list[bool] = []

        class Spy(sentence_transformers.CrossEncoder):
            def __init__(self, *arguments: Any, **options: Any) -> None:
                trusted.append(bool(options.get("trust_remote_code")))
                super().__init__(*arguments, **options)

        monkeypatch.setattr(sentence_transformers, "CrossEncoder", Spy)
        SentenceTransformerRerank(model=str(tiny_cross_encoder))
        new = CrossEncoderRerank(tiny_cross_encoder, backend="torch")
        new.postprocess_nodes(given, query_str=THINS)
        assert trusted == [True, False]

    def test_the_same_on_a_real_cross_encoder(
        self, models_path: Path, given: list[NodeWithScore]
    ) -> None:
        folder = models_path / "scifact-cross-encoder"
        new = CrossEncoderRerank(folder, top_n=3, dtype="float32")
        old = SentenceTransformerRerank(model=str(folder), top_n=3)
        expected = ids(new.postprocess_nodes(given, query_str=THINS))
        assert expected[0] == ASPIRIN
        assert ids(old.postprocess_nodes(given, query_str=THINS)) == expected


def _stanford_s(checkpoint: Path, folder: Path) -> Path:
    """The checkpoint without the files that sentence-transformers would rather read."""
    folder.mkdir()
    names = ["artifact.metadata", "config.json", "model.safetensors"]
    for name in [*names, "tokenizer.json", "tokenizer_config.json"]:
        shutil.copy(checkpoint / name, folder / name)
    return folder


# It keeps gradients, for nothing.
@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad=True")
class TestFromColbertRerank:
    @pytest.fixture
    def old(self, colbert_checkpoint: Path) -> ColbertRerank:
        return ColbertRerank(
            model=str(colbert_checkpoint), tokenizer=str(colbert_checkpoint), top_n=3
        )

    @pytest.fixture
    def new(self, colbert_checkpoint: Path) -> ColBERTRerank:
        return ColBERTRerank(colbert_checkpoint, top_n=3)

    @pytest.mark.parametrize("trained", ["projection", "marks"])
    def test_what_the_checkpoint_was_trained_with_counts(
        self, colbert_checkpoint: Path, tmp_path: Path, given: list[NodeWithScore], trained: str
    ) -> None:
        plain, other = (
            _stanford_s(colbert_checkpoint, tmp_path / name) for name in ("plain", "other")
        )
        if trained == "projection":
            weights = load_file(other / "model.safetensors")
            weights["linear.weight"] = weights["linear.weight"].flip(0) + 0.1
            save_file(weights, other / "model.safetensors")
        else:
            settings = json.loads((other / "artifact.metadata").read_text())
            settings |= {"query_token_id": "[unused5]", "doc_token_id": "[unused6]"}
            (other / "artifact.metadata").write_text(json.dumps(settings))

        def judged(rerank: Any) -> list[float | None]:
            found = [NodeWithScore(node=each.node) for each in given]
            return scores(rerank.postprocess_nodes(found, query_str=THINS))

        old, old_other = (
            judged(ColbertRerank(model=str(folder), tokenizer=str(folder)))
            for folder in (plain, other)
        )
        assert old == old_other
        assert judged(ColBERTRerank(plain)) != pytest.approx(judged(ColBERTRerank(other)), rel=0.01)

    def test_scores_are_sums_not_means(
        self, given: list[NodeWithScore], old: ColbertRerank, new: ColBERTRerank
    ) -> None:
        found = new.postprocess_nodes(given, query_str=THINS)
        assert found[0].node.node_id == ASPIRIN
        assert found[0].score is not None
        assert found[0].score > 1
        before = old.postprocess_nodes(given, query_str=THINS)
        assert before[0].node.node_id == ASPIRIN
        assert all(score is not None and score <= 1 for score in scores(before))

    def test_nodes_that_were_given_keep_their_scores(
        self, given: list[NodeWithScore], old: ColbertRerank, new: ColBERTRerank
    ) -> None:
        new.postprocess_nodes(given, query_str=THINS)
        assert scores(given) == [0.5] * 6
        old.postprocess_nodes(given, query_str=THINS)
        assert 0.5 not in scores(given)

    def test_the_default_is_no_download(self, given: list[NodeWithScore]) -> None:
        with pytest.raises(OSError, match=r"huggingface\.co"):
            ColbertRerank()
        assert ids(ColBERTRerank().postprocess_nodes(given, query_str=THINS))[0] == ASPIRIN


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")
class TestFromQdrant:
    @pytest.fixture
    def index(self, nodes: list[BaseNode], make_qdrant_index: MakeIndex) -> VectorStoreIndex:
        return make_qdrant_index(nodes)

    @pytest.fixture
    def new(self, index: VectorStoreIndex) -> HybridgeRetriever:
        return HybridgeRetriever.from_vector_store_index(index, similarity_top_k=4)

    def test_nothing_in_the_collection_changes(self, index: VectorStoreIndex) -> None:
        def everything() -> Any:
            points, _ = index.vector_store.client.scroll("docs", limit=99, with_vectors=True)
            return points, index.vector_store.client.get_collection("docs")

        # The first search of a local client rounds the vectors that it keeps, whoever searches.
        index.as_retriever().retrieve(THINS)
        before = everything()
        new = HybridgeRetriever.from_vector_store_index(index, similarity_top_k=4)
        assert len(new.retrieve(THINS)) == 4
        assert everything() == before

    def test_both_find_the_same_nodes_whole(
        self, nodes: list[BaseNode], index: VectorStoreIndex, new: HybridgeRetriever
    ) -> None:
        by_id = {node.node_id: node for node in nodes}
        old = index.as_retriever(vector_store_query_mode="hybrid", similarity_top_k=4)
        for retriever in (old, new):
            [best, *_] = retriever.retrieve(THINS)
            assert best.node == by_id[ASPIRIN]

    def test_sparse_vectors_are_not_needed(
        self, index: VectorStoreIndex, new: HybridgeRetriever
    ) -> None:
        expected = new.retrieve(THINS)
        index.vector_store.client.delete_vectors("docs", ["text-sparse-new"], models.Filter())
        again = HybridgeRetriever.from_vector_store_index(index, similarity_top_k=4)
        assert again.retrieve(THINS) == expected

    def test_what_others_add_is_found_by_bm25_after_a_refresh(
        self, index: VectorStoreIndex, new: HybridgeRetriever
    ) -> None:
        def stages() -> set[str]:
            found: list[Any] = new.with_options(similarity_top_k=1).retrieve("heparin")
            assert found[0].text == "Heparin acts at once."
            return set(found[0].trace)

        index.insert_nodes([TextNode(id_=str(UUID(int=9)), text="Heparin acts at once.")])
        assert stages() == {"dense", "fusion"}
        new.retriever.refresh()
        assert stages() == {"bm25", "dense", "fusion"}

    def test_candidates_are_more_than_the_nodes_asked_for(
        self, index: VectorStoreIndex, new: HybridgeRetriever, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client, asked = index.vector_store.client, []
        query_batch_points = client.query_batch_points

        def spy(*args: Any, **keywords: Any) -> Any:
            asked.extend(request.limit for request in keywords["requests"])
            return query_batch_points(*args, **keywords)

        monkeypatch.setattr(client, "query_batch_points", spy)
        index.as_retriever(vector_store_query_mode="hybrid", similarity_top_k=1).retrieve(THINS)
        assert asked == [1, 1]
        assert new.retriever.info()["depth"] == 100

    def test_a_share_of_0_is_0(
        self, nodes: list[BaseNode], index: VectorStoreIndex, embed_model: BaseEmbedding
    ) -> None:
        async def old(alpha: float) -> list[float | None]:
            store = QdrantVectorStore(
                "docs",
                aclient=AsyncQdrantClient(":memory:"),
                enable_hybrid=True,
                sparse_doc_fn=term_counts,
                sparse_query_fn=term_counts,
            )
            await store.async_add(embed_model(nodes))
            retriever = VectorStoreIndex.from_vector_store(
                store, embed_model=embed_model
            ).as_retriever(vector_store_query_mode="hybrid", similarity_top_k=3, alpha=alpha)
            return scores(await retriever.aretrieve(THINS))

        zero, half, one = (asyncio.run(old(alpha)) for alpha in (0.0, 0.5, 1.0))
        assert zero == half != one

        new = HybridgeRetriever.from_vector_store_index(
            index, weights={"bm25": 1, "dense": 0}, similarity_top_k=2
        )
        expected = HybridgeRetriever(new.retriever.bm25).retrieve(THINS)
        assert ids(asyncio.run(new.aretrieve(THINS))) == ids(expected) == [ASPIRIN, HEART]

    def test_async_works_over_a_sync_client(
        self, index: VectorStoreIndex, new: HybridgeRetriever
    ) -> None:
        old = index.as_retriever(vector_store_query_mode="hybrid")
        with pytest.raises(ValueError, match="Async client is not initialized"):
            asyncio.run(old.aretrieve(THINS))
        assert asyncio.run(new.aretrieve(THINS)) == new.retrieve(THINS)

    @pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value encountered")
    def test_bm25_over_the_store_alone(
        self, index: VectorStoreIndex, new: HybridgeRetriever
    ) -> None:
        with pytest.raises(ValueError, match=r"max\(\) (iterable )?arg(ument)? is (an )?empty"):
            OldBM25Retriever.from_defaults(index=index)
        bm25 = HybridgeRetriever(new.retriever.bm25)
        assert ids(bm25.retrieve(THINS)) == [ASPIRIN, HEART]
        assert ids(bm25.retrieve(HybridgeQuery(THINS, filters=RECENT))) == [HEART]
