"""Generated questions: what is asked, what is kept, and how an interrupted run goes on."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableLambda
from llama_index.core.llms import MockLLM

from hybridge import BM25, BM25Retriever, HybridIndex, Passage
from hybridge.adaptation import Example
from hybridge.adaptation.generation import GeneratedQuestions, generated_questions
from hybridge.errors import HybridgeError, InvalidInputError
from hybridge.language_models import LanguageModel

FRUITS = ["apple", "banana", "cherry", "damson", "elder"]
FRUITS += ["fig", "grape", "hazel", "ivy", "juniper"]


def passage_of(fruit: str) -> Passage:
    return Passage(fruit, f"The {fruit} is harvested in month {FRUITS.index(fruit)} of the year.")


PASSAGES = [passage_of(fruit) for fruit in FRUITS]


@pytest.fixture(scope="module")
def index() -> BM25Retriever:
    return BM25Retriever(PASSAGES)


def fruit_in(prompt: str) -> str:
    """The fruit of the passage that a prompt asks about."""
    last = prompt.rsplit("Passage: ", 1)[1]
    assert last.endswith("of the year.\nQuery:")
    return last.split()[1]


def ask_when(prompt: str) -> str:
    return f" when is the {fruit_in(prompt)} ripe?\n\nPassage: more"


class Asking:
    """A model that remembers its prompts, and fails for some fruits."""

    def __init__(self, failing: Sequence[str] = (), answer: Callable[[str], str] = ask_when):
        self.prompts: list[str] = []
        self.failing = failing
        self.answer = answer

    def __call__(self, prompt: str) -> str:
        self.prompts.append(prompt)
        if fruit_in(prompt) in self.failing:
            raise ConnectionError(f"no {fruit_in(prompt)}")
        return self.answer(prompt)

    @property
    def named(self) -> LanguageModel:
        return LanguageModel.of(self, name="asking")

    @property
    def fruits(self) -> list[str]:
        return [fruit_in(prompt) for prompt in self.prompts]


def answers_of(made: GeneratedQuestions) -> dict[str, str]:
    """Passage id → question."""
    assert made.queries.keys() == made.qrels.keys()
    pairs = {}
    for query, judged in made.qrels.items():
        [(passage, relevance)] = judged.items()
        assert relevance == 1
        pairs[passage] = made.queries[query]
    return pairs


def test_each_question_has_the_passage_it_was_written_about(index: BM25Retriever) -> None:
    made = generated_questions(index, Asking())
    assert answers_of(made) == {fruit: f"when is the {fruit} ripe?" for fruit in FRUITS}
    assert sorted(made.queries) == sorted(f"generated-{n}" for n in range(1, 11))
    assert [passage.id for passage in made.passages] == FRUITS
    assert (made.attempted, made.failed, made.unusable, made.repeated, made.not_found) == (
        10,
        0,
        0,
        0,
        0,
    )


def test_what_became_of_each_passage_is_counted(index: BM25Retriever) -> None:
    def answer(prompt: str) -> str:
        fruit = fruit_in(prompt)
        return {
            "banana": "",
            "cherry": "fruit fruit fruit fruit fruit fruit",
            "damson": "when is an apple ripe?",  # finds another passage
            "elder": "when is the Fig ripe?",  # fig's question
        }.get(fruit, ask_when(prompt))

    model = Asking(["grape"], answer)
    made = generated_questions(index, model, round_trip=1)
    assert (made.attempted, made.failed, made.unusable, made.repeated) == (10, 1, 2, 1)
    # Of two passages with one question, the one that was drawn first has it.
    found = {"apple", "fig", "hazel", "ivy", "juniper"}
    if model.fruits.index("elder") < model.fruits.index("fig"):
        found -= {"fig"}
    assert answers_of(made) == {fruit: f"when is the {fruit} ripe?" for fruit in found}
    assert made.not_found == 6 - len(found)
    assert made.summary == (
        f"{len(found)} questions about 10 passages: 1 failed, 2 were unusable, 1 repeated, and of "
        f"{6 - len(found)} a search did not find the passage"
    )


def test_the_round_trip_has_a_depth_or_is_left_out(index: BM25Retriever) -> None:
    def about_the_next(prompt: str) -> str:
        position = FRUITS.index(fruit_in(prompt))
        if position == 9:
            return "nothing of these words"
        return f"{FRUITS[position + 1]} {FRUITS[position + 1]} {FRUITS[position]}"

    counts = {
        depth: len(generated_questions(index, about_the_next, round_trip=depth).queries)
        for depth in (1, 2, None)
    }
    assert counts == {1: 0, 2: 9, None: 10}


def test_passages_are_drawn_at_random_and_a_larger_draw_begins_with_a_smaller(
    index: BM25Retriever,
) -> None:
    drawn = {}
    for seed, number in ((0, 3), (0, 6), (1, 3)):
        model = Asking()
        generated_questions(index, model, number=number, seed=seed)
        drawn[seed, number] = model.fruits
    assert len(set(drawn[0, 6])) == 6
    assert drawn[0, 6][:3] == drawn[0, 3] != drawn[1, 3]


def test_every_passage_is_drawn_equally_often(index: BM25Retriever) -> None:
    counts: Counter[str] = Counter()
    for seed in range(200):
        model = Asking()
        generated_questions(index, model, number=2, seed=seed, round_trip=None)
        counts.update(model.fruits)
    assert all(15 <= counts[fruit] <= 70 for fruit in FRUITS)  # 40 each, 4.9 σ and more


def test_the_prompt_has_the_instruction_the_examples_and_the_passage(index: BM25Retriever) -> None:
    model = Asking()
    examples = [
        Example(f"my  query {n}", (f"my passage\n{n}", "another"), (1, 0)) for n in range(5)
    ]
    generated_questions(index, model, number=1, examples=examples, instruction="Ask in Latin.")
    [prompt] = model.prompts
    parts = prompt.split("\n\n")
    assert parts[0] == "Ask in Latin."
    shown = [int(part.removeprefix("Passage: my passage ")[0]) for part in parts[1:4]]
    assert len(set(shown)) == 3
    for part, n in zip(parts[1:4], shown, strict=True):
        assert part == f"Passage: my passage {n}\nQuery: my query {n}"
    assert parts[4].startswith("Passage: The ")
    assert len(parts) == 5


def test_an_example_shows_the_passage_of_its_highest_label(index: BM25Retriever) -> None:
    model = Asking()
    passages = ("no answer", "the best answer", "an answer")
    generated_questions(index, model, number=1, examples=[Example("mine", passages, (0, 2, 1))])
    [prompt] = model.prompts
    assert "\n\nPassage: the best answer\nQuery: mine\n\n" in prompt
    assert "no answer" not in prompt


def test_a_query_copied_from_an_example_is_left_out(index: BM25Retriever) -> None:
    examples = [Example("when does the fig ripen", ("In June.",))]
    made = generated_questions(
        index, lambda _: "When does the fig ripen?", examples=examples, round_trip=None
    )
    assert (made.unusable, made.queries) == (10, {})


def test_long_passages_are_cut_between_words() -> None:
    words = " ".join(f"word{n}" for n in range(1000))
    model: list[str] = []

    def ask(prompt: str) -> str:
        model.append(prompt)
        return "what are these words"

    generated_questions(BM25Retriever([Passage("a", words)]), ask, round_trip=None)
    text = model[0].rsplit("Passage: ", 1)[1].removesuffix("\nQuery:")
    assert words.startswith(f"{text} ")
    assert 1490 < len(text) <= 1500


def test_a_model_that_reads_passages_gets_them_alone(index: BM25Retriever) -> None:
    prompts: list[str] = []

    def write(passages: list[str]) -> list[str]:
        prompts.extend(passages)
        return ["when is it ripe"] * len(passages)

    model = LanguageModel(write, "t5", batch_size=4, reads_passages=True)
    generated_questions(index, model)
    assert sorted(prompts) == sorted(passage.text for passage in PASSAGES)


def test_batches_are_of_the_models_size(index: BM25Retriever) -> None:
    sizes: list[int] = []

    def write(prompts: list[str]) -> list[str]:
        sizes.append(len(prompts))
        return list(map(ask_when, prompts))

    made = generated_questions(index, LanguageModel(write, batch_size=4))
    assert sizes == [4, 4, 2]
    assert len(made.queries) == 10


def test_models_of_the_frameworks_write() -> None:
    index = BM25Retriever([Passage("a", "Boil the eggs for nine minutes.")])
    chat = FakeListChatModel(responses=['"How long to boil eggs?"'])
    assert generated_questions(index, chat).queries == {"generated-1": "How long to boil eggs?"}
    # LlamaIndex's mock repeats the prompt, whose first line is the instruction.
    made = generated_questions(index, MockLLM(), instruction="How long do eggs boil?")
    assert made.queries == {"generated-1": "How long do eggs boil?"}


@pytest.mark.engine
def test_a_hybrid_index_writes_about_what_it_searches() -> None:
    passages = [Passage("a", "It thins the blood.", {"title": "Aspirin"}), Passage("b", " ")]
    prompts: list[str] = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return "what does aspirin do?"

    with HybridIndex.create(stages=[BM25()], search_text="{title}: {text}") as index:
        index.add(passages)
        made = generated_questions(index, ask)
    assert len(prompts) == 1
    assert prompts[0].endswith("Passage: Aspirin: It thins the blood.\nQuery:")
    assert answers_of(made) == {"a": "what does aspirin do?"}


def test_failed_passages_are_logged_and_asked_again(
    index: BM25Retriever, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    failing = Asking(["fig", "grape"])
    with caplog.at_level(logging.WARNING):
        made = generated_questions(index, failing.named, cache=tmp_path)
    assert made.failed == 2
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == [
        f"no {fruit}" for fruit in failing.fruits if fruit in ("fig", "grape")
    ]
    again = Asking()
    made = generated_questions(index, again.named, cache=tmp_path)
    assert sorted(again.fruits) == ["fig", "grape"]
    assert (made.failed, len(made.queries)) == (0, 10)


class Stopped(BaseException):
    """What a user's interrupt is."""


def test_an_interrupted_run_goes_on_where_it_was(index: BM25Retriever, tmp_path: Path) -> None:
    def stopping(prompt: str) -> str:
        if len(first.prompts) == 5:
            raise Stopped
        return ask_when(prompt)

    first = Asking(answer=stopping)
    with pytest.raises(Stopped):
        generated_questions(index, first.named, cache=tmp_path)
    second = Asking()
    resumed = generated_questions(index, second.named, cache=tmp_path)
    assert len(second.prompts) == 10 - 4
    assert first.prompts[4] == second.prompts[0]
    whole = generated_questions(index, Asking().named)
    assert (resumed.queries, resumed.qrels) == (whole.queries, whole.qrels)
    third = Asking()
    generated_questions(index, third.named, cache=tmp_path, number=4)
    assert third.prompts == []
    generated_questions(index, third.named, cache=tmp_path, number=4, seed=1)
    assert len(third.prompts) == 4


def test_a_model_out_of_order_ends_the_run(tmp_path: Path) -> None:
    passages = [Passage(str(n), f"The apple {n} of the year.") for n in range(60)]
    index = BM25Retriever(passages)
    asked: list[str] = []

    def broken_after_ten(prompt: str) -> str:
        asked.append(prompt)
        if len(asked) > 10:
            raise TimeoutError("no answer")
        return f"which apple is number {len(asked)}"

    model = LanguageModel.of(broken_after_ten, name="broken")
    with pytest.raises(HybridgeError, match="20 passages in a row") as raised:
        generated_questions(index, model, cache=tmp_path)
    assert isinstance(raised.value.__cause__, TimeoutError)
    assert len(asked) == 30
    made = generated_questions(
        index, LanguageModel.of(lambda _: "which apple?", name="broken"), cache=tmp_path
    )
    assert made.attempted == 60


def test_a_batch_that_fails_once_does_not_end_the_run() -> None:
    index = BM25Retriever([Passage(str(n), f"The apple {n} of the year.") for n in range(90)])
    calls = 0

    def write(prompts: list[str]) -> list[str]:
        nonlocal calls
        calls += 1
        if calls in failing:
            raise ConnectionError("nothing")
        return ["which apple is it"] * len(prompts)

    failing = {2}
    model = LanguageModel(write, batch_size=30)
    made = generated_questions(index, model, round_trip=None)
    assert (made.failed, made.repeated, len(made.queries), calls) == (30, 59, 1, 3)
    calls, failing = 0, {2, 3}
    with pytest.raises(HybridgeError, match="60 passages in a row"):
        generated_questions(index, model)


def test_a_model_that_always_fails_is_an_error(index: BM25Retriever) -> None:
    with pytest.raises(HybridgeError, match="10 passages in a row") as raised:
        generated_questions(index, Asking(FRUITS))
    assert isinstance(raised.value.__cause__, ConnectionError)


def test_an_error_of_a_batch_is_one_of_each_of_its_passages(index: BM25Retriever) -> None:
    def write(prompts: list[str]) -> list[str]:
        if "fig" in map(fruit_in, prompts):
            raise ConnectionError("nothing")
        return list(map(ask_when, prompts))

    made = generated_questions(index, LanguageModel(write, batch_size=5))
    assert (made.failed, len(made.queries)) == (5, 5)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"number": 0}, "number must be"),
        ({"round_trip": 0}, "round_trip must be"),
        ({"seed": -1}, "seed must be"),
        ({"model": 7}, "a language model is"),
        ({"index": PASSAGES}, "give a HybridIndex"),
        ({"index": BM25Retriever([])}, "the index is empty"),
        ({"examples": [("query", "passage")]}, "examples must be Example"),
        ({"examples": Example("query", ("passage",))}, "examples must be Example.* in a list"),
        ({"instruction": " "}, "instruction must be a text"),
        ({"model": lambda _: None}, "must return a text, not None"),
        ({"model": RunnableLambda(lambda _: {"query": "x"})}, "must return a text, not {'query'"),
        ({"model": LanguageModel(lambda _: ["one", "two"])}, "answered 1 prompts with 2 texts"),
        ({"model": lambda _: "x", "cache": "folder"}, "kept under the model's name"),
    ],
)
def test_errors_name_what_is_wrong(
    index: BM25Retriever, arguments: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidInputError, match=named):
        generated_questions(**{"index": index, "model": ask_when, **arguments})


@pytest.mark.slow
def test_claims_of_a_real_model_are_kept_where_a_search_finds_their_passage(scifact: Any) -> None:
    file = Path(os.environ["HYBRIDGE_DATASETS"]) / "scifact/generated/claims-smollm2-135m.jsonl"
    recorded = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    claims = {entry["doc"]: entry["query"] for entry in recorded}
    by_id = {passage.id: passage for passage in scifact.passages}
    passages = [by_id[id_] for id_ in claims]
    by_start = {" ".join(passage.text.split())[:80]: passage.id for passage in passages}
    assert len(by_start) == len(claims)

    def recorded_model(prompt: str) -> str:
        text = prompt.rsplit("Passage: ", 1)[1]
        return f" {claims[by_start[text[:80]]]}\n"

    index = BM25Retriever(passages)
    made = generated_questions(index, recorded_model, round_trip=10)
    found = index.search(list(claims.values()), 10)
    kept = {
        id_
        for id_, hits in zip(claims, found, strict=True)
        if id_ in {hit.passage.id for hit in hits}
    }
    answers = answers_of(made)
    assert (made.attempted, made.failed) == (1000, 0)
    assert answers.keys() <= kept
    assert len(kept) - len(answers) <= made.unusable + made.repeated
    assert len(answers) + made.unusable + made.repeated + made.not_found == 1000
    assert all(answer in claims[id_] for id_, answer in answers.items())
