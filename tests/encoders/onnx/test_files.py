"""The choice of ONNX files, on listings of the hub."""

from __future__ import annotations

from functools import partial

import pytest

from hybridge.encoders.onnx.files import MODEL_TYPES, choose, needed
from hybridge.encoders.onnx.graph import _FAMILIES
from hybridge.encoders.onnx.processor import Processor

VNNI = Processor("x86_64", frozenset({"avx2", "avx512f", "avx512_vnni"}))
AVX2 = Processor("x86_64", frozenset({"avx2"}))
AVX512 = Processor("x86_64", frozenset({"avx2", "avx512f"}))
ARM = Processor("aarch64", frozenset({"asimd", "asimddp"}))


def _listing(names: str) -> list[str]:
    return names.split()


ALL_MINILM = _listing("""
.gitattributes 1_Pooling/config.json README.md config.json config_sentence_transformers.json
data_config.json model.safetensors modules.json onnx/model.onnx onnx/model_O1.onnx
onnx/model_O2.onnx onnx/model_O3.onnx onnx/model_O4.onnx onnx/model_qint8_arm64.onnx
onnx/model_qint8_avx512.onnx onnx/model_qint8_avx512_vnni.onnx onnx/model_quint8_avx2.onnx
openvino/openvino_model.bin openvino/openvino_model.xml
openvino/openvino_model_qint8_quantized.bin openvino/openvino_model_qint8_quantized.xml
pytorch_model.bin rust_model.ot sentence_bert_config.json special_tokens_map.json tf_model.h5
tokenizer.json tokenizer_config.json train_script.py vocab.txt
""")

BGE_M3 = _listing("""
.gitattributes 1_Pooling/config.json README.md colbert_linear.pt config.json
config_sentence_transformers.json modules.json onnx/Constant_7_attr__value onnx/config.json
onnx/model.onnx onnx/model.onnx_data onnx/sentencepiece.bpe.model onnx/special_tokens_map.json
onnx/tokenizer.json onnx/tokenizer_config.json pytorch_model.bin sentence_bert_config.json
sentencepiece.bpe.model sparse_linear.pt special_tokens_map.json tokenizer.json
tokenizer_config.json
""")

ARCTIC_M_2 = _listing("""
.gitattributes 1_Pooling/config.json README.md config.json config_sentence_transformers.json
configuration_hf_alibaba_nlp_gte.py model.safetensors modeling_hf_alibaba_nlp_gte.py
modules.json onnx/model.onnx onnx/model_bnb4.onnx onnx/model_fp16.onnx onnx/model_int8.onnx
onnx/model_q4.onnx onnx/model_q4f16.onnx onnx/model_quantized.onnx onnx/model_uint8.onnx
sentence_bert_config.json special_tokens_map.json tokenizer.json tokenizer_config.json
""")

PLAIN = _listing("""
config.json model.safetensors tokenizer.json vocab.txt
""")


@pytest.mark.parametrize(
    ("names", "dtype", "processor", "expected"),
    [
        (ALL_MINILM, "float32", VNNI, ("onnx/model_O2.onnx",)),
        (ALL_MINILM, "float16", VNNI, ("onnx/model_O4.onnx",)),
        (ALL_MINILM, "int8", VNNI, ("onnx/model_qint8_avx512_vnni.onnx",)),
        (ALL_MINILM, "int8", AVX512, ("onnx/model_quint8_avx2.onnx",)),
        (ALL_MINILM, "int8", AVX2, ("onnx/model_quint8_avx2.onnx",)),
        (ALL_MINILM, "int8", Processor("amd64"), ("onnx/model_quint8_avx2.onnx",)),
        (ALL_MINILM, "int8", ARM, ("onnx/model_qint8_arm64.onnx",)),
        (ALL_MINILM, "bfloat16", VNNI, None),
        (
            BGE_M3,
            "float32",
            VNNI,
            ("onnx/model.onnx", "onnx/Constant_7_attr__value", "onnx/model.onnx_data"),
        ),
        (BGE_M3, "int8", VNNI, None),
        (ARCTIC_M_2, "float32", AVX2, ("onnx/model.onnx",)),
        (ARCTIC_M_2, "float16", AVX2, ("onnx/model_fp16.onnx",)),
        (ARCTIC_M_2, "int8", AVX2, ("onnx/model_uint8.onnx",)),
        (ARCTIC_M_2, "int8", VNNI, ("onnx/model_quantized.onnx",)),
        (ARCTIC_M_2, "int8", ARM, ("onnx/model_quantized.onnx",)),
        (["onnx/model_q4.onnx", "vespa_colbert.onnx"], "int8", VNNI, None),
        (["model.onnx", "onnx/decoder.onnx"], "float32", VNNI, ("model.onnx",)),
        (PLAIN, "float32", VNNI, None),
        ([], "int8", ARM, None),
    ],
)
def test_the_chosen_file(
    names: list[str], dtype: str, processor: Processor, expected: tuple[str, ...] | None
) -> None:
    assert choose(names, dtype, processor) == expected
    assert choose(iter(names), dtype, processor) == expected


def test_weights_come_without_what_other_engines_read() -> None:
    for_torch = needed(ALL_MINILM)
    dropped = {name for name in ALL_MINILM if name.startswith(("onnx/", "openvino/"))}
    dropped |= {"pytorch_model.bin", "rust_model.ot", "tf_model.h5"}
    assert set(for_torch) == set(ALL_MINILM) - dropped
    # ONNX Runtime's graph of a BERT is built from the same files.
    assert needed(ALL_MINILM, onnx=True, model_type="bert", processor=VNNI) == for_torch


def test_another_architecture_comes_as_an_onnx_file_and_without_its_weights() -> None:
    fetch = partial(needed, onnx=True, processor=VNNI)
    fetched = fetch(ARCTIC_M_2, dtype="int8", model_type="gte")
    assert [name for name in fetched if name.endswith((".onnx", ".safetensors"))] == [
        "onnx/model_quantized.onnx"
    ]
    assert {"config.json", "modules.json", "1_Pooling/config.json", "tokenizer.json"} <= set(
        fetched
    )
    assert "onnx/model.onnx" in fetch(ARCTIC_M_2, model_type="gte")
    # Without weights in safetensors, a graph cannot be built.
    fetched = fetch(BGE_M3, dtype="int8", model_type="xlm-roberta")
    assert "pytorch_model.bin" not in fetched
    assert {"onnx/model.onnx", "onnx/model.onnx_data", "onnx/Constant_7_attr__value"} <= set(
        fetched
    )


def test_weights_are_downloaded_for_the_architectures_whose_graph_is_built() -> None:
    assert set(_FAMILIES) == MODEL_TYPES


def test_a_dense_layer_s_weights_stay() -> None:
    names = [*ARCTIC_M_2, "2_Dense/config.json", "2_Dense/model.safetensors"]
    fetched = needed(names, onnx=True, model_type="gte", processor=ARM)
    assert "2_Dense/model.safetensors" in fetched
    assert "model.safetensors" not in fetched


def test_a_model_that_only_torch_runs_comes_as_for_torch() -> None:
    assert needed(PLAIN, onnx=True, model_type="qwen3", processor=VNNI) == tuple(PLAIN)
