"""Structured queries mean in an index what they mean in Python, and SelfQueryRetriever asks."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_classic.chains.query_constructor.base import StructuredQueryOutputParser
from langchain_classic.chains.query_constructor.schema import AttributeInfo
from langchain_classic.retrievers.self_query import base
from langchain_classic.retrievers.self_query.base import SelfQueryRetriever
from langchain_core.documents import Document
from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import FakeListLLM
from langchain_core.structured_query import Comparator, Comparison, Operation, Operator
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

from hybridge import CallableEncoder, Passage, SentenceTransformerEncoder
from hybridge.errors import InvalidInputError
from hybridge.filters import Filter, as_filter
from langchain_hybridge import HybridgeRetriever, HybridVectorStore
from langchain_hybridge.structured_query import HybridTranslator

pytestmark = pytest.mark.filterwarnings(
    "ignore:`langchain-community` is being sunset:DeprecationWarning",
    "ignore:The default value of `allowed_objects`",
)

FILMS: list[dict[str, Any]] = [
    {"year": 1990, "on": "1990-05-01", "title": "A sea film", "tags": ["sea", "old"]},
    {"year": 2020, "on": "2020-05-01", "title": "A new sea film", "tags": ["sea"], "seen": True},
    {"year": 2020, "on": "2020-05-01T10:30:00Z", "title": "The_end", "tags": [], "rating": 7.5},
    {"year": 2021, "on": "2020-05-02T00:00:00+00:00", "title": "100% sea", "rating": 8},
    {"year": "2021", "on": "2020-05-02T01:30:00+02:00", "title": "the end", "seen": False},
    {"on": "1999-12-31T23:59:59.999999", "title": "Line\nbreak", "tags": ["the sea", "2020"]},
    {"by": {"name": "Ada", "born": 1815}, "tags": [1, 2.5, True], "title": "Sea\\land"},
    {},
]


@pytest.fixture(scope="module")
def store() -> Iterator[HybridVectorStore]:
    with films() as made:
        yield made


@pytest.fixture(scope="module")
def client_store() -> Iterator[HybridVectorStore]:
    with films(url=":memory:") as made:
        yield made


def films(**options: Any) -> HybridVectorStore:
    encoder = CallableEncoder(
        lambda texts: [[float(len(text)), 1.0] for text in texts], dimension=2, identity="lengths"
    )
    texts = [f"film number {'x' * number}" for number in range(len(FILMS))]
    ids = [str(number) for number in range(len(FILMS))]
    return HybridVectorStore.from_texts(texts, encoder, FILMS, ids=ids, **options)


# What a structured query means, in plain Python


def holds(condition: Any, metadata: dict[str, Any]) -> bool:
    if isinstance(condition, Operation):
        results = [holds(argument, metadata) for argument in condition.arguments]
        if condition.operator == Operator.AND:
            return all(results)
        return any(results) if condition.operator == Operator.OR else not any(results)
    value: Any = metadata
    for key in condition.attribute.split("."):
        value = value.get(key, []) if isinstance(value, dict) else []
    elements = value if isinstance(value, list) else [value]
    if condition.comparator in (Comparator.NE, Comparator.NIN):
        opposite = {Comparator.NE: Comparator.EQ, Comparator.NIN: Comparator.IN}
        return not any(_holds(opposite[condition.comparator], e, condition.value) for e in elements)
    return any(_holds(condition.comparator, element, condition.value) for element in elements)


def _holds(comparator: Comparator, element: Any, value: Any) -> bool:
    if comparator == Comparator.IN:
        return any(_holds(Comparator.EQ, element, one) for one in value)
    if comparator == Comparator.CONTAIN:
        if isinstance(value, str):
            return isinstance(element, str) and value in element
        return _same(element, value)
    if comparator == Comparator.LIKE:
        return isinstance(element, str) and _like(value, element)
    if isinstance(value, dict):
        return _compared(comparator, _when(element, value), _when(value[value["type"]], value))
    if comparator == Comparator.EQ:
        return _same(element, value)
    is_number = isinstance(element, int | float) and not isinstance(element, bool)
    return _compared(comparator, element if is_number else None, value)


def _compared(comparator: Comparator, element: Any, value: Any) -> bool:
    if element is None:
        return False
    return {
        Comparator.EQ: element == value,
        Comparator.GT: element > value,
        Comparator.GTE: element >= value,
        Comparator.LT: element < value,
        Comparator.LTE: element <= value,
    }[comparator]


def _same(element: Any, value: Any) -> bool:
    return isinstance(element, bool) == isinstance(value, bool) and element == value


def _when(text: Any, literal: dict[str, str]) -> date | None:
    """The day or the instant of a text, in UTC, as precise as the literal that it meets."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    return moment.date() if literal["type"] == "date" else moment


def _like(pattern: str, text: str) -> bool:
    if not any(wildcard in pattern for wildcard in "%_"):
        return pattern in text
    return _fits(pattern, text)


def _fits(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(_fits(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in ("_", text[0]) and _fits(pattern[1:], text[1:])


def day(text: str) -> dict[str, str]:
    """A date as the parser gives it."""
    return {"date": text, "type": "date"}


def moment(text: str) -> dict[str, str]:
    return {"datetime": text, "type": "datetime"}


NUMBERS = st.sampled_from([1815, 1990, 2020, 2021, 7.5, 8, 8.0, -1])
DATES = st.sampled_from(
    [day(text) for text in ("1990-05-01", "1999-12-31", "2020-05-01", "2020-05-02", "9999-12-31")]
    + [moment(f"2020-05-{text}") for text in ("01T10:30:00Z", "02T00:00:00", "01T23:30:00")]
)
TEXTS = st.sampled_from(["sea", "A sea film", "2020", "the end", "The", "", "Ada", "nothing"])
VALUES = st.one_of(NUMBERS, DATES, TEXTS, st.booleans())
PATTERNS = st.one_of(TEXTS, st.text("%_sea Then1", max_size=6))
FIELDS = st.sampled_from(["year", "on", "title", "tags", "rating", "seen", "by.name", "by", "none"])
ORDER = st.sampled_from([Comparator.GT, Comparator.GTE, Comparator.LT, Comparator.LTE])
SAME = st.sampled_from([Comparator.EQ, Comparator.NE, Comparator.CONTAIN])
LISTED = st.sampled_from([Comparator.IN, Comparator.NIN])
COMPARISONS = st.one_of(
    st.builds(Comparison, ORDER, FIELDS, st.one_of(NUMBERS, DATES)),
    st.builds(Comparison, st.sampled_from([Comparator.EQ, Comparator.NE]), FIELDS, VALUES),
    st.builds(Comparison, st.just(Comparator.CONTAIN), FIELDS, st.one_of(NUMBERS, TEXTS)),
    st.builds(Comparison, LISTED, FIELDS, st.lists(VALUES, max_size=3)),
    st.builds(Comparison, st.just(Comparator.LIKE), FIELDS, PATTERNS),
)
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: st.builds(Operation, st.sampled_from(Operator), st.lists(inner, max_size=3)),
    max_leaves=6,
)


def translated(condition: Any) -> Filter:
    where = condition.accept(HybridTranslator())
    assert isinstance(where, Filter)
    return where


def wanted(condition: Any) -> list[str]:
    return [str(at) for at, metadata in enumerate(FILMS) if holds(condition, metadata)]


@given(CONDITIONS)
@settings(max_examples=600, deadline=None)
def test_a_filter_holds_where_the_structured_query_does(condition: Any) -> None:
    where = translated(condition)
    found = [str(at) for at, film in enumerate(FILMS) if where.matches(Passage("p", "t", film))]
    assert found == wanted(condition)


@given(CONDITIONS)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_both_engines_find_what_the_structured_query_means(
    store: HybridVectorStore, client_store: HybridVectorStore, condition: Any
) -> None:
    for searched in (store, client_store):
        found = searched.similarity_search(" ", k=100, filter=translated(condition))
        assert sorted(document.id or "" for document in found) == wanted(condition)


@pytest.mark.parametrize(
    ("comparator", "value", "years"),
    [
        (Comparator.EQ, day("2020-05-01"), [1, 2, 4]),
        (Comparator.NE, day("2020-05-01"), [0, 3, 5, 6, 7]),
        (Comparator.GT, day("2020-05-01"), [3]),
        (Comparator.GTE, day("2020-05-01"), [1, 2, 3, 4]),
        (Comparator.LT, day("2020-05-01"), [0, 5]),
        (Comparator.LTE, day("2020-05-01"), [0, 1, 2, 4, 5]),
        (Comparator.LTE, date(2020, 5, 1), [0, 1, 2, 4, 5]),
        (Comparator.LTE, "2020-05-01", [0, 1, 2, 4, 5]),
        (Comparator.IN, [day("1990-05-01"), day("2020-05-02")], [0, 3]),
        (Comparator.NIN, [day("1990-05-01"), day("2020-05-02")], [1, 2, 4, 5, 6, 7]),
        (Comparator.GT, moment("2020-05-01T10:30:00Z"), [3, 4]),
        (Comparator.GTE, moment("2020-05-01T12:30:00+02:00"), [2, 3, 4]),
        (Comparator.EQ, moment("2020-05-01T10:30:00"), [2]),
        (Comparator.EQ, datetime(2020, 5, 1, 10, 30), [2]),
        (Comparator.CONTAIN, day("2020-05-01"), [1, 2]),
        (Comparator.LIKE, day("2020-05-01"), [1, 2]),
    ],
)
def test_a_day_is_the_whole_day_and_a_datetime_an_instant(
    store: HybridVectorStore, comparator: Comparator, value: Any, years: list[int]
) -> None:
    found = store.similarity_search("", 99, filter=translated(Comparison(comparator, "on", value)))
    assert sorted(document.id or "" for document in found) == list(map(str, years))


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("sea", [0, 1, 3]),
        ("%sea%", [0, 1, 3]),
        ("%sea", [3]),
        ("A%film", [0, 1]),
        ("%A%sea%", [0, 1]),
        ("the_end", [4]),
        ("_he_end", [2, 4]),
        ("The\\_end", [2]),
        ("100\\%", [3]),
        ("100\\%%", [3]),
        ("Line_break", [5]),
        ("Sea\\\\%", [6]),
        ("%", [0, 1, 2, 3, 4, 5, 6]),
        ("_______", [2, 4]),
        ("SEA", []),
        ("[a-z]%", []),
    ],
)
def test_like_is_that_of_sql(store: HybridVectorStore, pattern: str, fits: list[int]) -> None:
    for where, expected in [
        (translated(Comparison(Comparator.LIKE, "title", pattern)), fits),
        (
            translated(Operation(Operator.NOT, [Comparison(Comparator.LIKE, "title", pattern)])),
            [at for at in range(len(FILMS)) if at not in fits],
        ),
    ]:
        found = store.similarity_search("", 99, filter=where)
        assert sorted(document.id or "" for document in found) == list(map(str, expected))


def test_what_sorts_out_most_is_asked_of_the_engine() -> None:
    where = translated(Comparison(Comparator.LIKE, "title", "The % of the %sea"))
    assert where.to_dict() == {
        "$and": [
            {"title": {"$text_match": " of the "}},
            {"title": {"$like": "The % of the %sea"}},
        ]
    }
    where = translated(Comparison(Comparator.LIKE, "title", "%sea%"))
    assert where == as_filter({"title": {"$text_match": "sea"}})


@pytest.mark.parametrize(
    ("comparison", "named"),
    [
        (Comparison(Comparator.LIKE, "year", 2020), "like on 'year'.*2020"),
        (Comparison(Comparator.LIKE, "year", ["a"]), r"like on 'year'.*\['a'\]"),
        (Comparison(Comparator.GT, "title", "sea"), "'title'.*'sea' is no date"),
        (Comparison(Comparator.GT, "seen", True), "'seen'.*True"),
        (Comparison(Comparator.GT, "year", [1]), r"'year'.*\[1\]"),
        (Comparison(Comparator.EQ, "tags", ["sea", "old"]), "'tags'.*a list needs In"),
        (Comparison(Comparator.GT, "on", day("2020-13-45")), "'2020-13-45' is no day"),
        (Comparison(Comparator.LT, "on", moment("2020-05-01T25:00:00")), "2020-05-01T25.*no date"),
        (Comparison(Comparator.GT, "on", {"type": "date"}), "'on'"),
        (Comparison(Comparator.EQ, "", 1), "no field name"),
    ],
)
def test_a_comparison_without_a_meaning_is_named(comparison: Comparison, named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        translated(comparison)


# SelfQueryRetriever


FIELD_INFO = [
    AttributeInfo(name=name, description=name, type=kind)
    for name, kind in [
        ("year", "integer"),
        ("on", "date"),
        ("title", "string"),
        ("tags", "list"),
        ("rating", "float"),
        ("seen", "boolean"),
        ("by.name", "string"),
    ]
]


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, store: HybridVectorStore) -> Callable[..., Any]:
    """What SelfQueryRetriever finds when the language model gives this answer."""

    async def run(condition: str | None, query: str = "film", **options: Any) -> list[str]:
        written: dict[str, Any] = {"query": query, "filter": condition or "NO_FILTER"}
        if "limit" in options:
            written["limit"] = options.pop("limit")
        llm = FakeListLLM(responses=[f"```json\n{json.dumps(written)}\n```"])
        searched = options.pop("store", store)
        retriever = SelfQueryRetriever.from_llm(llm, searched, "films", FIELD_INFO, **options)
        assert isinstance(retriever.structured_query_translator, HybridTranslator)
        if request.param == "sync":
            found = retriever.invoke("what do I ask?")
        else:
            found = await retriever.ainvoke("what do I ask?")
        return sorted(document.id or "" for document in found)

    return run


ALL = {"search_kwargs": {"k": 99}}


@pytest.mark.pairwise
@pytest.mark.parametrize(
    ("condition", "films"),
    [
        ('eq("year", 2020)', "12"),
        ('ne("year", 2020)', "034567"),
        ('gt("rating", 7.5)', "3"),
        ('and(gte("rating", 7.5), lt("rating", 8.0))', "2"),
        ('lte("year", 2020)', "012"),
        ('in("year", [1990, 2021])', "03"),
        ('nin("tags", ["sea", "old"])', "234567"),
        ('contain("tags", "sea")', "015"),
        ('like("title", "%end")', "24"),
        ('eq("seen", false)', "4"),
        ('eq("by.name", "Ada")', "6"),
        ('gt("on", "2020-05-01")', "3"),
        ('lte("on", "2020-05-01T10:30:00Z")', "0125"),
        ('eq("on", 2020-05-01)', "124"),
        ('not(eq("year", 2020))', "034567"),
        ('not(eq("year", 2020), contain("tags", "sea"))', "3467"),
        ('or(eq("year", 1990), and(eq("year", 2020), not(eq("seen", true))))', "02"),
        ('and(eq("year", 2020))', "12"),
    ],
)
@pytest.mark.parametrize("query", ["film number", ""])
async def test_self_query_retriever_finds_what_the_model_asks_for(
    ask: Callable[..., Any], condition: str, films: str, query: str
) -> None:
    """A model that wants a filter alone writes an empty query."""
    assert await ask(condition, query, **ALL) == list(films)


async def test_self_query_retriever_searches_in_each_way(ask: Callable[..., Any]) -> None:
    seas = 'contain("tags", "sea")'
    for kind in ("similarity", "mmr"):
        for query in ("film", ""):
            assert await ask(seas, query, search_type=kind) == ["0", "1", "5"]
    kind = "similarity_score_threshold"
    words = {"search_type": kind, "search_kwargs": {"score_threshold": 0.0, "k": 2}}
    assert len(await ask(seas, **words)) == 2
    words["search_kwargs"] = {"score_threshold": 1.0}
    assert await ask(seas, "a query of another length than any film", **words) == []


async def test_limit_is_k(ask: Callable[..., Any]) -> None:
    for query in ("film", ""):
        assert len(await ask('ne("year", 1)', query, limit=2, enable_limit=True)) == 2
        assert len(await ask('ne("year", 1)', query, limit=7, enable_limit=True)) == 7
    assert len(await ask(None, limit=3, enable_limit=True)) == 3
    assert await ask(None, "") == []
    assert len(await ask('eq("year", 2020)', "", use_original_query=True)) == 2


async def test_what_the_model_may_not_ask_is_an_error_that_names_it(
    ask: Callable[..., Any],
) -> None:
    with pytest.raises(OutputParserException, match="near"):
        await ask('near("year", 2020)')
    with pytest.raises(OutputParserException, match="stars"):
        await ask('eq("stars", 5)')
    with pytest.raises(InvalidInputError, match="'sea' is no date"):
        await ask('gt("title", "sea")')


def test_the_prompt_offers_every_comparator_and_operator(store: HybridVectorStore) -> None:
    llm = FakeListLLM(responses=["x"])
    retriever = SelfQueryRetriever.from_llm(llm, store, "films", FIELD_INFO)
    prompt = retriever.query_constructor.first.format(query="?")  # type: ignore[attr-defined]
    for comparator in Comparator:
        assert comparator.value in prompt
    assert " | ".join(Comparator) in prompt
    assert " | ".join(Operator) in prompt


def test_the_store_of_a_retriever_is_made_of_its_index(store: HybridVectorStore) -> None:
    retriever = HybridgeRetriever.from_index(store.index)
    found = base._get_builtin_translator(HybridVectorStore(retriever.retriever))
    assert isinstance(found, HybridTranslator)
    parsed = StructuredQueryOutputParser.from_components().parse(
        '{"query": "film", "filter": "eq(\\"year\\", 2020)"}'
    )
    query, options = found.visit_structured_query(parsed)
    assert {document.id for document in retriever.invoke(query, **options)} == {"1", "2"}


def test_other_stores_are_asked_of_langchain(
    store: HybridVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[VectorStore] = []

    def find(vectorstore: VectorStore) -> str:
        asked.append(vectorstore)
        return "theirs"

    monkeypatch.setattr(base, "_get_builtin_translator", find)
    HybridVectorStore(store.index)
    found = base._get_builtin_translator
    other = InMemoryVectorStore(store.embeddings)
    assert found(other) == "theirs"  # type: ignore[comparison-overlap]
    assert isinstance(found(store), HybridTranslator)
    HybridVectorStore(store.index)
    assert base._get_builtin_translator is found
    assert asked == [other]


def test_without_langchain_s_function_a_store_is_made_as_ever(
    store: HybridVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(base, "_get_builtin_translator")
    assert HybridVectorStore(store.index).index is store.index
    assert not hasattr(base, "_get_builtin_translator")


IMPORTS = {
    "ours first": """
from langchain_hybridge import HybridVectorStore
store = HybridVectorStore.create(Embedding())
from langchain_classic.retrievers.self_query.base import SelfQueryRetriever
""",
    "theirs first": """
from langchain_classic.retrievers.self_query.base import SelfQueryRetriever
from langchain_hybridge import HybridVectorStore
store = HybridVectorStore.create(Embedding())
""",
    "twice": """
import langchain_classic.retrievers.self_query.base as base
from langchain_classic.retrievers.self_query.base import SelfQueryRetriever
from langchain_hybridge import HybridVectorStore
store = HybridVectorStore.create(Embedding())
once = base._get_builtin_translator
store = HybridVectorStore(store.index)
assert base._get_builtin_translator is once
""",
}

PROGRAM = """
import warnings
warnings.simplefilter("ignore")
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.language_models import FakeListLLM
def Embedding():
    return DeterministicFakeEmbedding(size=6)
{imports}
store.add_documents([Document("ships", metadata={{"year": year}}) for year in (1990, 2020)])
answer = '{{"query": "ships", "filter": "gt(\\\\"year\\\\", 2000)"}}'
llm = FakeListLLM(responses=[answer])
fields = [dict(name="year", description="year", type="integer")]
from langchain_classic.chains.query_constructor.schema import AttributeInfo
fields = [AttributeInfo(**field) for field in fields]
retriever = SelfQueryRetriever.from_llm(llm, store, "films", fields)
print([document.metadata["year"] for document in retriever.invoke("ships after 2000")])
"""


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("order", IMPORTS)
def test_the_translator_is_found_in_either_order_of_imports(order: str) -> None:
    assert run(PROGRAM.format(imports=IMPORTS[order])) == "[2020]\n"


def test_the_translator_is_found_where_a_store_was_unpickled(tmp_path: Path) -> None:
    """Unpickling calls no constructor."""
    encoder = SentenceTransformerEncoder()
    with HybridVectorStore.create(encoder, path=tmp_path / "index") as store:
        (tmp_path / "store").write_bytes(pickle.dumps(store))
    program = f"""
import pickle
store = pickle.load(open({str(tmp_path / "store")!r}, "rb"))
from langchain_classic.retrievers.self_query import base
print(type(base._get_builtin_translator(store)).__name__)
"""
    assert run(program) == "HybridTranslator\n"


def test_without_langchain_classic_a_store_is_made_as_ever() -> None:
    program = """
import sys
sys.modules["langchain_classic"] = None
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_hybridge import HybridVectorStore
print(HybridVectorStore.from_texts(["x"], DeterministicFakeEmbedding(size=6)).index is not None)
"""
    assert run(program) == "True\n"


def test_importing_the_adapter_imports_no_langchain_classic() -> None:
    program = "import sys, langchain_hybridge; print('langchain_classic' in sys.modules)"
    assert run(program) == "False\n"


def test_documents_of_a_filter_alone_have_no_score(store: HybridVectorStore) -> None:
    """A blank query ranks nothing: others list documents by their metadata so."""
    found = store.similarity_search_with_score(" ", k=99, filter={"year": 2020})
    assert sorted((document.id, score) for document, score in found) == [("1", 0.0), ("2", 0.0)]
    assert store.similarity_search("", k=1, filter={"year": 2020}) == [found[0][0]]
    assert len(store.similarity_search("", k=99, filter={})) == len(FILMS)
    assert store.similarity_search("", k=99) == []
    assert isinstance(found[0][0], Document)
