"""Contextual passages: what the model reads, what is kept, what is searched and returned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hybridge import BM25Retriever, Passage
from hybridge.errors import HybridgeError, InvalidInputError
from hybridge.language_models import CONTEXTUAL, LanguageModel, contextual

PASSAGES = [
    Passage("1", "Aspirin is a drug.", {"source": "a"}),
    Passage("2", "Bread rises.", {"source": "b"}),
    Passage("3", "It thins the blood.", {"source": "a", "page": 2}),
    Passage("4", "Alone."),
    Passage("5", " ", {"source": "a"}),
]


class Placing:
    """A model that keeps its prompts, and fails for some passages."""

    def __init__(self, failing: str = "nothing") -> None:
        self.prompts: list[str] = []
        self.failing = failing

    def __call__(self, prompt: str) -> str:
        self.prompts.append(prompt)
        text = prompt.split("<passage>\n")[1].split("\n</passage>")[0]
        if text == self.failing:
            raise ConnectionError("no route")
        return f" About\n{text} "

    @property
    def named(self) -> LanguageModel:
        return LanguageModel.of(self, name="placing")


def test_the_model_reads_the_document_and_the_passage() -> None:
    model = Placing()
    made = contextual(PASSAGES, model, instruction="Place it.")
    assert model.prompts == [
        "<document>\nAspirin is a drug.\nIt thins the blood.\n \n</document>\n\n"
        "<passage>\nAspirin is a drug.\n</passage>\n\nPlace it.",
        "<document>\nBread rises.\n</document>\n\n<passage>\nBread rises.\n</passage>\n\nPlace it.",
        "<document>\nAspirin is a drug.\nIt thins the blood.\n \n</document>\n\n"
        "<passage>\nIt thins the blood.\n</passage>\n\nPlace it.",
        "<passage>\nAlone.\n</passage>\n\nPlace it.",
    ]
    assert [passage.id for passage in made] == ["1", "2", "3", "4", "5"]
    assert made[2] == Passage(
        "3",
        "It thins the blood.",
        {"source": "a", "page": 2, "context": "About It thins the blood."},
    )
    assert made[4] == PASSAGES[4]  # a blank one is not asked about
    assert made.failed == ()


def test_a_long_document_is_a_window_around_the_passage() -> None:
    model = Placing()
    document = f"{'a' * 50}It thins the blood.{'b' * 50}"
    contextual([PASSAGES[2]], model, document={"3": document}, window=25)
    [prompt] = model.prompts
    assert prompt.startswith("<document>\naaaIt thins the blood.bbb\n</document>")
    contextual([PASSAGES[2]], model, document=lambda passage: f"all of {passage.id}")
    assert model.prompts[1].startswith("<document>\nall of 3\n</document>")


def test_the_context_is_searched_and_the_text_is_returned() -> None:
    made = contextual([PASSAGES[2]], lambda _: "From a leaflet on aspirin.")
    [[hit]] = BM25Retriever(made, search_text=CONTEXTUAL).search(["aspirin leaflets"])
    assert hit.passage.text == "It thins the blood."
    assert BM25Retriever(made).search(["aspirin leaflets"]) == [[]]


def test_an_interrupted_run_goes_on_and_tries_failures_again(tmp_path: Path) -> None:
    first = Placing("Bread rises.")
    made = contextual(PASSAGES, first.named, cache=tmp_path)
    assert made.failed == ("2",)
    assert "context" not in made[1].metadata
    second = Placing()
    again = contextual(PASSAGES, second.named, cache=tmp_path)
    assert len(second.prompts) == 1
    assert again.failed == ()
    assert list(again) == list(contextual(PASSAGES, Placing()))


def test_a_model_that_always_fails_is_an_error() -> None:
    def fails(prompt: str) -> str:
        raise ConnectionError("no route")

    with pytest.raises(HybridgeError, match="failed for 4 passages in a row"):
        contextual(PASSAGES, fails)


def test_a_blank_answer_is_no_context() -> None:
    made = contextual(PASSAGES[:2], lambda _: "<think>hm</think> ")
    assert made.failed == ("1", "2")
    assert list(made) == PASSAGES[:2]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"window": 0}, "window must be"),
        ({"seed": -1}, "seed must be"),
        ({"instruction": ""}, "instruction must be"),
        ({"document": 5}, "document must be"),
        ({"document": lambda passage: None}, "a document must be a text"),
        ({"cache": "folder"}, "kept under the model's name"),
        ({"passages": [PASSAGES[0], PASSAGES[0]]}, "comes twice"),
    ],
)
def test_arguments_that_are_not_valid_are_named(options: dict[str, Any], named: str) -> None:
    given = {"passages": PASSAGES, "model": lambda _: "x", **options}
    with pytest.raises(InvalidInputError, match=named):
        contextual(**given)
