"""Texts come out in their order, once each, whatever the batches; bad graphs are named."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch  # noqa: F401 - the tiny models need it, so these tests are marked
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from hybridge.encoders.onnx.graph import build_graph
from hybridge.encoders.onnx.model import (
    Batch,
    OnnxModel,
    Text,
    _batches,
    load_tokenizer,
    padding_of,
    tokenized,
)
from hybridge.encoders.onnx.unsupported import UnsupportedModelError
from hybridge.errors import ModelNotFoundError

from .tiny import CONFIGS, save

TEXTS = ["one", "", "two three four one two . ?", "one two", "zebra", "one", " ".join(["two"] * 60)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save(tmp_path_factory.mktemp("bert"), CONFIGS["bert"])
    onnx.save(build_graph(folder, "tokens"), folder / "model.onnx")
    return folder


@pytest.fixture
def model(folder: Path) -> OnnxModel:
    return OnnxModel(folder / "model.onnx", load_tokenizer(folder), limit=40)


def _sums(batch: Batch) -> list[Any]:
    return list((batch.output * batch.mask[..., None]).sum(1))


@given(st.lists(st.integers(0, 700)), st.integers(1, 5))
def test_batches_hold_every_text_once_within_their_room(lengths: list[int], size: int) -> None:
    batches = list(_batches(lengths, size))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = max(lengths[index] for index in batch) * len(batch)
        assert padded <= size * 256 or len(batch) == 1
    assert list(_batches(lengths, 0)) == [[index] for batch in batches for index in batch]
    ordered = [lengths[index] for batch in batches for index in batch]
    assert ordered == sorted(lengths, reverse=True)


@given(texts=st.lists(st.sampled_from(TEXTS), max_size=30), size=st.integers(1, 3))
def test_every_text_has_its_own_result(texts: list[str], size: int, folder: Path) -> None:
    model = _opened(folder)
    expected = {text: model.encode([text], _sums)[0] for text in set(texts)}
    found = model.encode(texts, _sums, batch_size=size)
    assert len(found) == len(texts)
    for text, row in zip(texts, found, strict=True):
        np.testing.assert_allclose(row, expected[text], atol=1e-4)


_models: dict[Path, OnnxModel] = {}


def _opened(folder: Path) -> OnnxModel:
    if folder not in _models:
        _models[folder] = OnnxModel(folder / "model.onnx", load_tokenizer(folder), limit=40)
    return _models[folder]


def test_many_texts_have_the_tokens_of_few(model: OnnxModel) -> None:
    texts: list[Text] = ["one two" * (number % 5) for number in range(300)]
    pairs: list[Text] = [("one", "two three") for _ in range(300)]
    for many in (texts, pairs):
        for row, text in zip(tokenized(model.tokenizer, many), many, strict=True):
            [expected] = model.tokenizer.encode_batch([text])
            found = [list(row.ids), list(row.attention_mask), list(row.type_ids)]
            assert found == [expected.ids, expected.attention_mask, expected.type_ids]


@pytest.mark.parametrize("threads", ["1", "3"])
def test_threads_do_not_change_the_order(
    threads: str, model: OnnxModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRIDGE_THREADS", threads)
    texts = [" ".join(["one"] * (1 + number % 37)) for number in range(80)]
    seen = []

    def finish(batch: Batch) -> list[int]:
        seen.append(threading.current_thread().name)
        return batch.mask.sum(1).tolist()

    lengths = model.encode(texts, finish, batch_size=1)
    assert lengths == [3 + number % 37 for number in range(80)]
    assert any(name.startswith("hybridge-encode") for name in seen) == (threads != "1")


def test_texts_and_pairs_are_cut_at_the_limit(model: OnnxModel) -> None:
    def tokens(batch: Batch) -> list[Any]:
        assert batch.types is not None
        return [
            (row[mask == 1].tolist(), types[mask == 1].tolist())
            for row, mask, types in zip(batch.ids, batch.mask, batch.types, strict=True)
        ]

    long = " ".join(["one"] * 100)
    [(ids, types), (pair, pair_types)] = model.encode([long, ("two", long)], tokens)
    assert ids == [2, *[5] * 38, 3]
    assert types == [0] * 40
    assert pair == [2, 6, 3, *[5] * 36, 3]
    assert pair_types == [0, 0, 0, *[1] * 37]


def test_a_bar_counts_texts(model: OnnxModel, capfd: pytest.CaptureFixture[str]) -> None:
    model.encode(TEXTS, _sums)
    assert capfd.readouterr() == ("", "")
    model.encode(TEXTS, _sums, progress=True)
    assert "7/7" in capfd.readouterr().err


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_computes_while_its_parent_does(
    model: OnnxModel, forked: Callable[[Callable[[], Any]], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRIDGE_THREADS", "2")
    texts = [f"one {'two ' * (number % 30)}" for number in range(200)]
    expected = model.encode(texts, _sums, batch_size=1)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            model.encode(texts, _sums, batch_size=1)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        found = [forked(lambda: model.encode(texts, _sums, batch_size=1)) for _ in range(3)]
    finally:
        stop.set()
        thread.join()
    for each in found:
        np.testing.assert_allclose(each, expected, atol=1e-5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_fork_waits_for_a_graph_that_is_computing(
    model: OnnxModel, forked: Callable[[Callable[[], Any]], Any]
) -> None:
    session, begun = model._session, threading.Event()
    computed: list[float] = []

    class Slow:
        def run(self, *arguments: Any) -> Any:
            begun.set()
            time.sleep(0.3)
            computed.append(time.monotonic())
            return session.run(*arguments)

    model._session = Slow()
    thread = threading.Thread(target=lambda: model.encode(["one two"], _sums))
    thread.start()
    begun.wait()
    assert forked(lambda: len(computed)) == 1
    thread.join()


def _graph(path: Path, node: Any, inputs: list[str], output: str = "last_hidden_state") -> Path:
    shape = ["texts", "tokens"]
    graph = helper.make_graph(
        [node],
        "foreign",
        [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in inputs],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
    )
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    onnx.save(helper.make_model(graph, opset_imports=versions, ir_version=9), path)
    return path


def test_foreign_graphs_are_named(folder: Path, tmp_path: Path) -> None:
    def refused(path: Path, message: str) -> None:
        with pytest.raises(UnsupportedModelError, match=message) as error:
            OnnxModel(path, load_tokenizer(folder))
        assert str(path) in str(error.value)

    path = tmp_path / "model.onnx"
    path.write_bytes(b"no graph")
    refused(path, "ONNX Runtime .* cannot open the graph")
    refused(tmp_path / "missing.onnx", "cannot open the graph")
    cut = helper.make_node("Cast", ["input_ids"], ["last_hidden_state"], to=1)
    refused(_graph(path, cut, ["input_ids", "pixel_values"]), "asks for pixel_values, which no")
    own = helper.make_node("Whirl", ["input_ids"], ["last_hidden_state"], domain="mine")
    refused(_graph(path, own, ["input_ids"]), "cannot open the graph .*Whirl")
    other = helper.make_node("Cast", ["input_ids"], ["image"], to=1)
    refused(_graph(path, other, ["input_ids"], "image"), "gives image and none of last_hidden")


def test_a_graph_that_fails_is_named(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    node = helper.make_node("Gather", ["input_ids", "attention_mask"], ["rows"], axis=0)
    graph = helper.make_graph(
        [node, helper.make_node("Cast", ["rows"], ["last_hidden_state"], to=1)],
        "foreign",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, None)],
    )
    path = tmp_path / "model.onnx"
    versions = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=versions, ir_version=9), path)
    model = OnnxModel(path, load_tokenizer(folder))
    with pytest.raises(UnsupportedModelError, match=r"cannot compute the graph .*out of.*bounds"):
        model.encode(["one"], _sums)
    assert capfd.readouterr() == ("", "")


def test_tokenizers_are_read_or_named(folder: Path, tmp_path: Path) -> None:
    assert load_tokenizer(folder).encode("ONE").ids == [2, 1, 3]
    assert load_tokenizer(folder, lower=True).encode("ONE").ids == [2, 5, 3]
    with pytest.raises(UnsupportedModelError, match=r"there is no tokenizer\.json"):
        load_tokenizer(tmp_path)
    shutil.copy(folder / "tokenizer.json", tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"truncation_side": "left"}')
    with pytest.raises(UnsupportedModelError, match="truncates the beginning of a text"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").unlink()
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelNotFoundError, match=r"tokenizer\.json' is no tokenizer"):
        load_tokenizer(tmp_path)
    assert padding_of(tmp_path) == 0
    (tmp_path / "config.json").write_text('{"pad_token_id": 7}')
    assert padding_of(tmp_path) == 7
