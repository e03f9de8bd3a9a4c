"""A graph is made once, whole or not at all, and made again when its model changes."""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from hybridge.encoders import SentenceTransformerEncoder
from hybridge.encoders.onnx import export
from hybridge.encoders.onnx.export import Precision, graph_for, graphs_folder, verified
from hybridge.encoders.onnx.graph import build_graph
from hybridge.encoders.onnx.prepared import prepared, remove_prepared
from hybridge.encoders.onnx.processor import Processor
from hybridge.encoders.onnx.unsupported import UnsupportedModelError
from hybridge.encoders.resolution import ModelSource
from hybridge.errors import HybridgeError, ModelCacheError, ModelNotFoundError

from .tiny import CONFIGS, EXPORTED, save, save_model

TEXTS = ["one two", "", "three . four ?", "two " * 90]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("HYBRIDGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    return save(tmp_path / "bert", CONFIGS["bert"])


def _graph(folder: Path, dtype: Precision = "float32") -> Path:
    return graph_for(ModelSource("path", None, folder), folder, "tokens", dtype)


def _files(cache: Path) -> list[str]:
    return sorted(path.relative_to(cache).as_posix() for path in cache.rglob("*"))


def test_a_graph_is_made_once(bert: Path, cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="hybridge.encoders.onnx.export")
    first = _graph(bert)
    changed = first.stat().st_mtime_ns
    assert first.is_relative_to(cache / "graphs")
    assert [_graph(bert) for _ in range(2)] == [first, first]
    assert first.stat().st_mtime_ns == changed
    assert len(caplog.records) == 1
    record = verified(first)
    assert record["agreement"] > 0.999999
    assert record == {
        "model": str(bert),
        "head": "tokens",
        "dtype": "float32",
        "against": "torch",
        "agreement": record["agreement"],
    }


def test_a_changed_model_has_a_new_graph(bert: Path) -> None:
    before = SentenceTransformerEncoder(bert, backend="onnx").encode_passages(TEXTS)
    first = _graph(bert)
    save_model(bert, CONFIGS["bert"], seed=1)
    assert _graph(bert) != first
    after = SentenceTransformerEncoder(bert, backend="onnx").encode_passages(TEXTS)
    by_torch = SentenceTransformerEncoder(bert, backend="torch").encode_passages(TEXTS)
    np.testing.assert_allclose(after, by_torch, atol=1e-5)
    assert np.abs(after - before).max() > 0.01


def test_a_changed_onnx_file_has_a_new_graph(tmp_path: Path) -> None:
    folder = save(tmp_path / "qwen3", EXPORTED["qwen3"])
    for value in (1.0, 2.0):
        _foreign(folder / "onnx" / "model.onnx", value=value)
        encoder = SentenceTransformerEncoder(folder, dtype="int8", normalize=False)
        np.testing.assert_allclose(encoder.encode_queries(["one two"])[0], np.full(32, 4 * value))


def test_eight_bits_are_other_ones_where_their_products_may_overflow(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs = []
    for flags in ({"avx512_vnni"}, {"avx2"}):
        monkeypatch.setattr(
            export, "this_processor", lambda flags=flags: Processor("x86_64", frozenset(flags))
        )
        graphs.append(_graph(bert, "int8"))
    assert graphs[0] != graphs[1]


def test_of_an_unknown_architecture_the_extra_is_named(tmp_path: Path) -> None:
    folder = save(tmp_path / "qwen3", EXPORTED["qwen3"])
    for dtype in ("float32", "int8"):
        with pytest.raises(UnsupportedModelError, match=r"pip install 'hybridge\[export\]'"):
            _graph(folder, dtype)  # type: ignore[arg-type]


def test_heads_and_precisions_are_graphs_apart(bert: Path) -> None:
    plain, small = _graph(bert), _graph(bert, "int8")
    assert plain != small
    record = verified(small)
    assert (record["dtype"], record["against"]) == ("int8", "float32")
    assert 0.97 <= record["agreement"] < 1
    with pytest.raises(UnsupportedModelError):  # the model has no such head
        graph_for(ModelSource("path", None, bert), bert, "score", "float32")


def test_quantising_is_silent(
    bert: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    _graph(bert, "int8")
    assert capfd.readouterr() == ("", "")
    assert {record.name for record in caplog.records} == {"hybridge.encoders.onnx.export"}


def test_quantising_leaves_the_log_of_the_program_as_it_is(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    _graph(bert, "int8")
    assert logging.getLogger().handlers == []


def test_int8_is_an_identity_of_its_own_and_float32_is_that_of_torch(bert: Path) -> None:
    def identity(**options: Any) -> str:
        return SentenceTransformerEncoder(bert, **options).identity

    plain = identity(backend="torch")
    assert identity() == identity(backend="onnx") == plain
    assert identity(query_dtype="int8") == plain  # passages are in float32
    assert identity(dtype="bfloat16") == plain
    assert identity(dtype="int8") != plain
    assert identity(dtype="int8", query_dtype="float32") == identity(dtype="int8")


def test_queries_may_have_another_precision(bert: Path) -> None:
    mixed = SentenceTransformerEncoder(bert, query_dtype="int8")
    plain, small = (SentenceTransformerEncoder(bert, dtype=each) for each in ("float32", "int8"))
    np.testing.assert_array_equal(mixed.encode_passages(TEXTS), plain.encode_passages(TEXTS))
    np.testing.assert_array_equal(mixed.encode_queries(TEXTS), small.encode_queries(TEXTS))
    assert not (small.encode_queries(TEXTS) == plain.encode_queries(TEXTS)).all()


def test_a_cache_may_be_shared_by_users(bert: Path) -> None:
    before = os.umask(0o022)
    try:
        graph = _graph(bert)
    finally:
        os.umask(before)
    assert stat.S_IMODE(graph.parent.stat().st_mode) == 0o755
    assert stat.S_IMODE(graph.stat().st_mode) == 0o644


@pytest.mark.parametrize("dtype", ["float32", "int8"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_of_a_graph_that_cannot_be_written_nothing_is_left(
    dtype: Precision, number: int, bert: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if dtype == "int8":
        _graph(bert)
    before = _files(cache)
    real = export._record

    def fails(part: Path, record: Any) -> None:
        real(part, record)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(export, "_record", fails)
    with pytest.raises(ModelCacheError, match="set HYBRIDGE_CACHE to another folder") as error:
        SentenceTransformerEncoder(bert, dtype=dtype).encode_queries(["one"])
    assert os.strerror(number) in str(error.value)
    assert _files(cache) in (before, ["graphs"])
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("damage", "kind", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-900]), ModelCacheError, "to its end"),
        (Path.unlink, ModelCacheError, "No such file"),
        (lambda path: path.write_bytes(b""), UnsupportedModelError, "cannot be quantised"),
    ],
    ids=["half", "missing", "empty"],
)
def test_the_work_of_the_quantiser_is_beside_its_result(
    damage: Callable[[Path], None],
    kind: type[HybridgeError],
    message: str,
    bert: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = _graph(bert).parent
    before = _files(cache)
    written: list[Path] = []
    infer = onnx.shape_inference.infer_shapes_path

    def cut_short(source: str, target: str) -> None:
        infer(source, target)
        written.append(Path(target))
        damage(Path(target))

    monkeypatch.setattr(onnx.shape_inference, "infer_shapes_path", cut_short)
    with pytest.raises(kind, match=message):
        _graph(bert, "int8")
    assert written[0].parent != plain
    assert _files(cache) == before


def test_a_cache_that_cannot_be_made_is_named(bert: Path, cache: Path) -> None:
    cache.write_text("a file in the place of the folder")
    with pytest.raises(ModelCacheError, match=str(cache)):
        _graph(bert)


def test_two_at_once_make_one_graph(
    bert: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = export._record
    rivals: list[Path] = []

    def slow(part: Path, record: Any) -> None:
        real(part, record)
        if not rivals:  # meanwhile another process is faster
            rivals.append(part)
            rivals.append(_graph(bert))

    monkeypatch.setattr(export, "_record", slow)
    assert _graph(bert) == rivals[1]
    assert [path.name for path in (cache / "graphs").iterdir()] == [rivals[1].parent.name]


PREPARE = """
import sys
from hybridge import SentenceTransformerEncoder
vectors = SentenceTransformerEncoder(sys.argv[1], backend="onnx").encode_queries(["one two"])
print(vectors.round(4).tolist())
"""


def test_two_processes_at_once_make_one_graph(bert: Path, cache: Path) -> None:
    command = [sys.executable, "-c", PREPARE, str(bert)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=250)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert answers[0] == answers[1] != ""
    assert len(list((cache / "graphs").iterdir())) == 1


def test_a_graph_larger_than_a_file_can_be_is_kept_beside_it(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = SentenceTransformerEncoder(bert, backend="onnx").encode_passages(TEXTS)
    remove_prepared()
    monkeypatch.setattr("hybridge.encoders.onnx.saving._WHOLE", 1_000)
    for dtype in ("float32", "int8"):
        encoder = SentenceTransformerEncoder(bert, dtype=dtype)
        np.testing.assert_allclose(
            encoder.encode_passages(TEXTS) @ whole.T, whole @ whole.T, atol=0.1
        )
        assert len(list(_graph(bert, dtype).parent.iterdir())) == 3


def test_what_is_prepared_is_listed_and_removed(bert: Path, tmp_path: Path, cache: Path) -> None:
    assert (prepared(), remove_prepared()) == ([], 0)
    other = save(tmp_path / "other", CONFIGS["distilbert"])
    _graph(bert, "int8")
    _graph(other)
    (graphs_folder() / ".part-1").mkdir()  # of a process that was killed
    (graphs_folder() / ".part-1" / "model.onnx").write_bytes(b"half")
    listed = prepared()
    assert [(each.model, each.head, each.dtype, each.against) for each in listed] == [
        (str(bert), "tokens", "float32", "torch"),
        (str(bert), "tokens", "int8", "float32"),
        (str(other), "tokens", "float32", "torch"),
    ]
    for each in listed:
        files = list(each.folder.iterdir())
        assert each.size == sum(file.stat().st_size for file in files)
        assert each.agreement is not None
        assert each.agreement > 0.97
    assert remove_prepared(str(bert)) == listed[0].size + listed[1].size
    assert [each.model for each in prepared()] == [str(other)]
    assert remove_prepared() == listed[2].size + 4
    assert list(graphs_folder().iterdir()) == []
    assert SentenceTransformerEncoder(bert, backend="onnx").encode_queries(["one"]).shape == (1, 32)


def _foreign(path: Path, dimension: int = 32, value: float = 1.0) -> None:
    """An ONNX file that gives every token the same vector."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["input_ids"], ["numbers"], to=1),
            helper.make_node("Unsqueeze", ["numbers", "axis"], ["tall"]),
            helper.make_node("Mul", ["tall", "row"], ["last_hidden_state"]),
        ],
        "foreign",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, None)],
        [
            helper.make_tensor("axis", TensorProto.INT64, [1], [2]),
            helper.make_tensor("row", TensorProto.FLOAT, [dimension], [value] * dimension),
        ],
    )
    path.parent.mkdir(exist_ok=True)
    versions = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=versions, ir_version=9), path)


def test_an_onnx_file_runs_what_has_no_graph_here(tmp_path: Path, cache: Path) -> None:
    folder = save(tmp_path / "qwen3", EXPORTED["qwen3"])
    assert SentenceTransformerEncoder(folder).backend == "torch"
    _foreign(folder / "onnx" / "model.onnx")
    encoder = SentenceTransformerEncoder(folder, normalize=False)
    assert encoder.backend == "onnx"
    [vector] = encoder.encode_queries(["one two"])  # [CLS] one two [SEP] are 2, 5, 6 and 3
    np.testing.assert_allclose(vector, np.full(32, 4.0))
    assert _graph(folder) == folder / "onnx" / "model.onnx"
    assert verified(_graph(folder)) == {}
    assert not cache.exists()


def _broken(folder: Path) -> None:
    (folder / "onnx" / "model.onnx").write_bytes(b"no graph")


def _without_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def _of_another_dimension(folder: Path) -> None:
    from safetensors.numpy import save_file

    modules = [
        {"type": "sentence_transformers.models.Transformer", "path": ""},
        {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
        {"type": "sentence_transformers.models.Dense", "path": "2_Dense"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    for name, config in (
        ("1_Pooling", {"word_embedding_dimension": 32}),
        ("2_Dense", {"in_features": 32, "out_features": 4}),
    ):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(config))
    weights = {"linear.weight": np.zeros((4, 32), np.float32)}
    save_file(weights, folder / "2_Dense" / "model.safetensors")
    _foreign(folder / "onnx" / "model.onnx", dimension=8)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_broken, r"cannot open the graph in .*onnx/model\.onnx"),
        (_without_tokenizer, r"there is no tokenizer\.json"),
        (_of_another_dimension, "gives an output that the modules of this model do not fit"),
    ],
)
def test_an_onnx_file_that_does_not_fit_is_named(
    damage: Callable[[Path], None], message: str, tmp_path: Path, cache: Path
) -> None:
    folder = save(tmp_path / "qwen3", EXPORTED["qwen3"])
    _foreign(folder / "onnx" / "model.onnx")
    damage(folder)
    encoder = SentenceTransformerEncoder(folder, backend="onnx")
    with pytest.raises(HybridgeError, match=message):
        encoder.encode_queries(["one"])
    assert not cache.exists()


def test_damaged_weights_leave_nothing(bert: Path, cache: Path) -> None:
    weights = bert / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(ModelNotFoundError, match=r"model\.safetensors' cannot be read"):
        SentenceTransformerEncoder(bert).encode_queries(["one"])
    assert not cache.exists()


def test_a_graph_that_is_not_the_model_is_not_taken(
    bert: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = save(tmp_path / "other", CONFIGS["bert"], seed=1)
    monkeypatch.setattr(export, "build_graph", lambda _, head: build_graph(other, head))
    with pytest.raises(UnsupportedModelError, match="was not taken: it agrees with torch to"):
        _graph(bert)
    assert _files(cache) == ["graphs"]
    assert SentenceTransformerEncoder(bert).backend == "torch"


def test_a_tokenizer_that_transformers_reads_otherwise_is_not_taken(
    bert: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cross = save(tmp_path / "cross", CONFIGS["bert"], AutoModelForSequenceClassification)

    class Lower:
        """Writes texts in lower case first, as some tokenizers do in their Python code."""

        def __init__(self) -> None:
            self.real = AutoTokenizer.from_pretrained(str(bert))

        def __call__(self, text: str) -> Any:
            return self.real(text.lower().replace("bread", "one"))

    class Alike(Lower):
        """Gives both texts of a pair one type."""

        def __call__(self, *texts: str) -> Any:
            read = self.real(*texts)
            return read | {"token_type_ids": [0] * len(read["input_ids"])}

    lower, alike = Lower(), Alike()
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", lambda *_, **__: lower)
    with pytest.raises(UnsupportedModelError, match=r"reads 'Aspirin thins.* otherwise in trans"):
        _graph(bert)
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", lambda *_, **__: alike)
    with pytest.raises(UnsupportedModelError, match=r"reads \('what thins.* otherwise in trans"):
        graph_for(ModelSource("path", None, cross), cross, "score", "float32")
    assert _files(cache) == ["graphs"]
