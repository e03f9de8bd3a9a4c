"""What the README says of moving from LangChain's retrievers to ours, shown on both sides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_classic.retrievers import ContextualCompressionRetriever, EnsembleRetriever
from langchain_classic.retrievers.document_compressors import (
    CrossEncoderReranker as ClassicReranker,
)
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_qdrant import QdrantVectorStore
from qdrant_client import models

import hybridge.colbert
from hybridge.errors import IndexNotFoundError
from langchain_hybridge import (
    BM25Retriever,
    ColBERTRetriever,
    CrossEncoderReranker,
    HybridgeRetriever,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:`langchain-community` is being sunset:DeprecationWarning"
)

DOCUMENTS = [
    Document("Aspirin thins the blood.", id="aspirin", metadata={"year": 2019}),
    Document("Warfarin is an anticoagulant.", id="warfarin", metadata={"year": 2021}),
    Document("The heart pumps blood through the body.", id="heart", metadata={"year": 2020}),
    Document("Bread needs yeast, flour, water and time.", id="bread", metadata={"year": 2021}),
    Document("A tree has its leaves in summer.", id="tree", metadata={"year": 2018}),
    Document("Platelets close a wound in minutes.", id="platelets", metadata={"year": 2022}),
]
THINS = "what thins blood?"
MakeStore = Callable[..., QdrantVectorStore]


def ids(documents: list[Document]) -> list[str | None]:
    return [document.id for document in documents]


class TestFromCommunityBM25:
    @pytest.fixture
    def old(self) -> BaseRetriever:
        from langchain_community.retrievers import BM25Retriever as CommunityBM25Retriever

        return CommunityBM25Retriever.from_documents(DOCUMENTS, k=4)

    @pytest.fixture
    def new(self) -> BaseRetriever:
        return BM25Retriever.from_documents(DOCUMENTS, k=4)

    @pytest.mark.parametrize("word", ["ASPIRIN", "aspirin", "Aspirin?", "Aspirins"])
    def test_case_punctuation_and_endings_no_longer_matter(
        self, old: Any, new: BaseRetriever, word: str
    ) -> None:
        assert ids(old.invoke("Aspirin"))[0] == "aspirin"
        assert not any(old.vectorizer.get_scores(old.preprocess_func(word)))
        assert ids(new.invoke(word)) == ["aspirin"]

    def test_stop_words_no_longer_matter(self, old: Any, new: BaseRetriever) -> None:
        assert any(old.vectorizer.get_scores(["the"]))
        assert new.invoke("the") == []

    def test_only_what_matches_comes_back(self, old: Any, new: BaseRetriever) -> None:
        assert sum(score != 0 for score in old.vectorizer.get_scores(["Aspirin"])) == 1
        assert len(old.invoke("Aspirin")) == 4
        assert ids(new.invoke("Aspirin")) == ["aspirin"]
        assert len(old.invoke("quantum")) == 4
        assert new.invoke("quantum") == []

    def test_a_filter_and_k_given_to_invoke_count(self, old: Any, new: BaseRetriever) -> None:
        recent = {"year": {"$gte": 2020}}
        assert "aspirin" in ids(old.invoke("blood thins", filter=recent))
        assert ids(new.invoke("blood thins", filter=recent)) == ["heart"]
        assert len(old.invoke("blood thins", k=1)) == 4
        assert ids(new.invoke("blood thins", k=1)) == ["aspirin"]


class TestFromEnsemble:
    @staticmethod
    def old(documents: list[Document], embeddings: Embeddings, k: int) -> EnsembleRetriever:
        from langchain_community.retrievers import BM25Retriever as CommunityBM25Retriever

        store = InMemoryVectorStore.from_documents(documents, embeddings)
        halves = [
            CommunityBM25Retriever.from_documents(documents, k=k),
            store.as_retriever(search_kwargs={"k": k}),
        ]
        return EnsembleRetriever(retrievers=halves, weights=[0.5, 0.5])

    @staticmethod
    def new(
        documents: list[Document], embeddings: Embeddings, **settings: Any
    ) -> HybridgeRetriever:
        weights = {"bm25": 0.5, "dense": 0.5}
        return HybridgeRetriever.from_documents(documents, embeddings, weights=weights, **settings)

    def test_k_documents_come_back(self, embeddings: Embeddings) -> None:
        assert len(self.old(DOCUMENTS, embeddings, k=2).invoke(THINS)) == 3
        assert len(self.new(DOCUMENTS, embeddings, k=2).invoke(THINS)) == 2

    def test_documents_of_one_text_stay_apart(self, embeddings: Embeddings) -> None:
        pages = [
            Document("Blood clots.", id=f"page-{page}", metadata={"page": page})
            for page in range(3)
        ]
        assert len(self.old(pages, embeddings, k=3).invoke("Blood clots.")) == 1
        found = self.new(pages, embeddings, k=3).invoke("Blood clots.")
        assert sorted(document.metadata["page"] for document in found) == [0, 1, 2]

    def test_scores_and_trace_are_there_to_see(self, embeddings: Embeddings) -> None:
        assert all(
            document.metadata.keys() == {"year"}
            for document in self.old(DOCUMENTS, embeddings, k=2).invoke(THINS)
        )
        new = self.new(DOCUMENTS, embeddings, k=2, include_scores=True, include_trace=True)
        for document in new.invoke(THINS):
            assert document.metadata.keys() == {"year", "relevance_score", "hybridge"}

    def test_weighted_rrf_is_the_old_fusion(self, embeddings: Embeddings) -> None:
        def best(**settings: Any) -> tuple[float, dict[str, Any]]:
            settings |= {"include_scores": True, "include_trace": True}
            metadata = self.new(DOCUMENTS, embeddings, k=1, **settings).invoke(THINS)[0].metadata
            return metadata["relevance_score"], metadata["hybridge"]

        score, trace = best(fusion="weighted-rrf")
        ranks = [trace[stage]["rank"] for stage in ("bm25", "dense")]
        assert score == pytest.approx(sum(0.5 / (60 + rank) for rank in ranks))
        assert best()[0] != pytest.approx(score)


@pytest.fixture(scope="module")
def base(embeddings: Embeddings) -> HybridgeRetriever:
    return HybridgeRetriever.from_documents(DOCUMENTS, embeddings, k=6)


class TestFromContextualCompression:
    @pytest.fixture
    def reranker(self, tiny_cross_encoder: Path) -> CrossEncoderReranker:
        return CrossEncoderReranker(tiny_cross_encoder, top_n=6, dtype="float32")

    @pytest.fixture
    def old(self, base: HybridgeRetriever, tiny_cross_encoder: Path) -> BaseRetriever:
        from langchain_community.cross_encoders import HuggingFaceCrossEncoder

        model = HuggingFaceCrossEncoder(model_name=str(tiny_cross_encoder))
        return ContextualCompressionRetriever(
            base_compressor=ClassicReranker(model=model, top_n=6), base_retriever=base
        )

    def test_blend_1_ranks_as_before(
        self, base: HybridgeRetriever, reranker: CrossEncoderReranker, old: BaseRetriever
    ) -> None:
        new = base.model_copy(update={"rerankers": (reranker.reranker,), "blend": 1.0})
        assert ids(new.invoke(THINS)) == ids(old.invoke(THINS))
        halves = base.model_copy(update={"rerankers": (reranker.reranker,)})
        assert ids(halves.invoke(THINS)) != ids(old.invoke(THINS))

    def test_scores_can_be_had(
        self, base: HybridgeRetriever, reranker: CrossEncoderReranker, old: BaseRetriever
    ) -> None:
        assert all(document.metadata.keys() == {"year"} for document in old.invoke(THINS))
        settings = {"rerankers": (reranker.reranker,), "include_scores": True}
        new = base.model_copy(update=settings)
        scores = [document.metadata["relevance_score"] for document in new.invoke(THINS)]
        assert scores == sorted(scores, reverse=True)

    def test_our_reranker_fits_into_what_is_there(
        self, base: HybridgeRetriever, reranker: CrossEncoderReranker, old: BaseRetriever
    ) -> None:
        expected = ids(old.invoke(THINS))
        for compressor in (reranker, ClassicReranker(model=reranker, top_n=6)):
            kept = ContextualCompressionRetriever(base_compressor=compressor, base_retriever=base)
            assert ids(kept.invoke(THINS)) == expected
            assert ids(asyncio.run(kept.ainvoke(THINS))) == expected

    def test_the_same_on_a_real_cross_encoder(
        self, models_path: Path, base: HybridgeRetriever
    ) -> None:
        from langchain_community.cross_encoders import HuggingFaceCrossEncoder

        folder = models_path / "scifact-cross-encoder"
        model = HuggingFaceCrossEncoder(
            model_name=str(folder), model_kwargs={"model_kwargs": {"dtype": "float32"}}
        )
        old = ContextualCompressionRetriever(
            base_compressor=ClassicReranker(model=model, top_n=3), base_retriever=base
        )
        reranker = CrossEncoderReranker(folder, dtype="float32").reranker
        new = base.model_copy(update={"rerankers": (reranker,), "blend": 1.0})
        assert ids(new.invoke(THINS, k=3)) == ids(old.invoke(THINS))


class TestFromRAGatouille:
    """That the old side does not import is in test_readme."""

    @pytest.fixture
    def new(self, colbert_checkpoint: Path) -> Iterator[ColBERTRetriever]:
        new = ColBERTRetriever.from_documents(DOCUMENTS, model=colbert_checkpoint, k=3)
        yield new
        new.retriever.close()

    def test_it_filters_adds_and_deletes(self, new: ColBERTRetriever) -> None:
        assert ids(new.invoke(THINS))[0] == "aspirin"
        assert "aspirin" not in ids(new.invoke(THINS, filter={"year": {"$gte": 2020}}))
        new.add_documents([Document("Heparin thins the blood of patients.", id="heparin")])
        assert "heparin" in ids(new.invoke(THINS))
        new.retriever.delete(["heparin"])
        assert "heparin" not in ids(new.invoke(THINS))

    def test_an_index_of_ragatouille_is_not_opened(self, tmp_path: Path) -> None:
        folder = tmp_path / ".ragatouille" / "colbert" / "indexes" / "docs"
        folder.mkdir(parents=True)
        for name in ("metadata.json", "plan.json", "collection.json"):
            (folder / name).write_text("{}")
        with pytest.raises(IndexNotFoundError):
            hybridge.colbert.ColBERTRetriever.open(folder)


class TestFromLangChainQdrant:
    @pytest.fixture
    def store(self, make_hybrid_store: MakeStore) -> QdrantVectorStore:
        return make_hybrid_store(DOCUMENTS)

    @pytest.fixture
    def new(self, store: QdrantVectorStore, embeddings: Embeddings) -> HybridgeRetriever:
        return HybridgeRetriever.from_qdrant(store.client, "docs", embeddings, k=4)

    def test_nothing_in_the_collection_changes(
        self, store: QdrantVectorStore, embeddings: Embeddings
    ) -> None:
        def everything() -> Any:
            points, _ = store.client.scroll("docs", limit=99, with_vectors=True)
            return points, store.client.get_collection("docs")

        before = everything()
        new = HybridgeRetriever.from_qdrant(store.client, "docs", embeddings, k=4)
        assert len(new.invoke(THINS)) == 4
        assert everything() == before

    def test_sparse_vectors_are_not_needed(
        self, store: QdrantVectorStore, embeddings: Embeddings, new: HybridgeRetriever
    ) -> None:
        expected = new.invoke(THINS)
        everywhere = models.Filter()
        store.client.delete_vectors("docs", ["langchain-sparse"], everywhere)
        again = HybridgeRetriever.from_qdrant(store.client, "docs", embeddings, k=4)
        assert again.invoke(THINS) == expected

    def test_what_others_add_is_found_by_bm25_after_a_refresh(
        self, store: QdrantVectorStore, new: HybridgeRetriever
    ) -> None:
        def stages() -> set[str]:
            [found] = new.model_copy(update={"include_trace": True}).invoke("Heparin", k=1)
            assert found.page_content == "Heparin acts at once."
            return set(found.metadata["hybridge"])

        store.add_texts(["Heparin acts at once."])
        assert stages() == {"dense", "fusion"}
        new.retriever.refresh()
        assert stages() == {"bm25", "dense", "fusion"}

    def test_candidates_are_more_than_k(
        self, store: QdrantVectorStore, new: HybridgeRetriever, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[Any] = []
        query_points = store.client.query_points

        def spy(*args: Any, **keywords: Any) -> Any:
            asked.append(keywords)
            return query_points(*args, **keywords)

        monkeypatch.setattr(store.client, "query_points", spy)
        store.similarity_search(THINS, k=1)
        assert [prefetch.limit for prefetch in asked[0]["prefetch"]] == [1, 1]
        assert new.retriever.info()["depth"] == 100

    def test_a_filter_is_a_dict_over_the_metadata(
        self, store: QdrantVectorStore, new: HybridgeRetriever
    ) -> None:
        condition = models.FieldCondition(key="metadata.year", match=models.MatchValue(value=2021))
        old = store.similarity_search(THINS, filter=models.Filter(must=[condition]))
        found = new.invoke(THINS, filter={"year": 2021})
        texts = {"Warfarin is an anticoagulant.", "Bread needs yeast, flour, water and time."}
        for documents in (old, found):
            assert {document.page_content for document in documents} == texts

    def test_a_document_s_id_is_its_id(
        self, store: QdrantVectorStore, new: HybridgeRetriever
    ) -> None:
        [old] = store.similarity_search(THINS, k=1)
        assert old.id is None
        assert old.metadata.keys() == {"year", "_id", "_collection_name"}
        [found] = new.invoke(old.page_content, k=1)
        assert found.id == old.metadata["_id"]
        assert found.metadata.keys() == {"year"}
