"""Small to big and groups over LangChain's own documents and splitters."""

from __future__ import annotations

from langchain_core.documents import Document
from langchain_text_splitters import RecursiveCharacterTextSplitter

from langchain_hybridge import BM25Retriever

WORDS = ["ship", "whale", "storm", "island", "reef", "gull", "moon", "tide", "harbour", "anchor"]
TEXT = " ".join(f"Entry {i} of the log: the {word} was seen." for i, word in enumerate(WORDS))


def chunks(overlap: int) -> list[Document]:
    splitter = RecursiveCharacterTextSplitter(
        chunk_size=90, chunk_overlap=overlap, add_start_index=True
    )
    documents = [Document(TEXT, metadata={"doc_id": "log"}), Document("The sea.", metadata={})]
    return splitter.split_documents(documents)


def test_parents_of_langchain_s_splitters_without_what_overlaps() -> None:
    for overlap in (0, 40):
        made = chunks(overlap)
        assert len(made) > 5
        retriever = BM25Retriever.from_documents(made, parents="doc_id", k=1, include_trace=True)
        [document] = retriever.invoke("the island")
        assert (document.id, document.page_content) == ("log", TEXT)
        assert document.metadata["doc_id"] == "log"
        child = document.metadata["hybridge"]["parents"]["passage"]
        assert child != "log"


def test_parents_without_offsets_come_in_the_order_of_the_documents() -> None:
    made = [Document(f"Part {i}.", metadata={"doc_id": "d"}) for i in range(12)]
    [document] = BM25Retriever.from_documents(made, parents="doc_id").invoke("part")
    assert document.page_content == "\n\n".join(f"Part {i}." for i in range(12))


def test_windows() -> None:
    made = chunks(0)
    retriever = BM25Retriever.from_documents(made, parents="doc_id", window=1, k=1)
    [document] = retriever.invoke("island")
    i = next(i for i, each in enumerate(made) if "island" in each.page_content)
    assert document.page_content == " ".join(each.page_content for each in made[i - 1 : i + 2])


def test_three_documents_are_asked_for_and_one_has_the_ten_best_chunks() -> None:
    made = [Document(f"harbour tides chapter {i}", metadata={"doc": "big"}) for i in range(10)]
    made += [
        Document("harbour notes", metadata={"doc": "b"}),
        Document("tides of the sea", metadata={"doc": "c"}),
        Document("bread", metadata={"doc": "d"}),
    ]
    plain = BM25Retriever.from_documents(made, k=3)
    assert {each.metadata["doc"] for each in plain.invoke("harbour tides")} == {"big"}
    grouped = BM25Retriever.from_index(plain.retriever, k=3, group_by="doc")
    found = [each.metadata["doc"] for each in grouped.invoke("harbour tides")]
    assert sorted(found) == ["b", "big", "c"]
    pairs = BM25Retriever.from_index(plain.retriever, k=2, group_by="doc", per_group=2)
    assert [each.metadata["doc"] for each in pairs.invoke("harbour tides")].count("big") == 2
