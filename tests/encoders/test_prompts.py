"""Argument, configuration, table, nothing: in this order, for each side on its own."""

from __future__ import annotations

import pytest

from hybridge.encoders.prompts import KNOWN_PROMPTS, Prompts, choose_prompts

E5 = "intfloat/multilingual-e5-base"


def test_a_symmetric_model_has_no_prompts() -> None:
    assert choose_prompts("sentence-transformers/all-MiniLM-L6-v2", {}) == Prompts("", "")


def test_models_whose_authors_ask_for_prompts_get_them() -> None:
    assert choose_prompts(E5, {}) == Prompts("query: ", "passage: ")
    bge = choose_prompts("BAAI/bge-small-en-v1.5", {})
    assert bge == Prompts("Represent this sentence for searching relevant passages: ", "")


@pytest.mark.parametrize("name", [None, "me/e5-base-v2", "intfloat/e5-base-v2-tuned"])
def test_only_the_exact_name_is_known(name: str | None) -> None:
    assert choose_prompts(name, {}) == Prompts("", "")


@pytest.mark.parametrize(
    ("configured", "passage"),
    [
        ({"document": "d: ", "passage": "p: ", "corpus": "c: "}, "d: "),
        ({"document": "", "passage": "p: ", "corpus": "c: "}, "p: "),
        ({"document": None, "corpus": "c: "}, "c: "),
        ({"clustering": "x: "}, ""),
    ],
)
def test_the_models_own_prompt_for_passages(
    configured: dict[str, str | None], passage: str
) -> None:
    assert choose_prompts(None, configured).passage == passage


def test_the_models_own_prompts_beat_the_table() -> None:
    assert choose_prompts(E5, {"query": "ask: "}) == Prompts("ask: ", "passage: ")


def test_empty_prompts_that_saving_writes_do_not_hide_the_table() -> None:
    assert choose_prompts(E5, {"query": "", "document": ""}) == Prompts("query: ", "passage: ")


def test_an_argument_beats_everything_and_the_empty_string_means_none() -> None:
    configured = {"query": "ask: ", "document": "doc: "}
    assert choose_prompts(E5, configured, query="q: ") == Prompts("q: ", "doc: ")
    assert choose_prompts(E5, configured, query="", passage="") == Prompts("", "")


def test_every_known_model_needs_a_prompt_on_one_side_at_least() -> None:
    for name, prompts in KNOWN_PROMPTS.items():
        assert name.count("/") == 1
        assert prompts.query, name
