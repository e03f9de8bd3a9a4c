"""Graphs with 8-bit weights, whose activations are quantised while they run.

One scale serves all activations of a matrix product, so a few large ones cost the others their
digits. Vectors bear that. The order of scores does not, so a cross-encoder's activations are made
even first: what a column of a product's input exceeds the others by is divided out of it and
multiplied into the weights (G. Xiao et al., *SmoothQuant*, ICML 2023, arXiv 2211.10438). The
products behind the activation function get a scale for each 64 activations of a token instead, for
there single tokens are large.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelNotFoundError
from .graph import Head
from .model import Batch
from .processor import this_processor
from .saving import is_large, remove_graph, save_graph
from .unsupported import UnsupportedModelError
from .verify import opened, samples

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["quantise"]

_Floats = NDArray[np.float32]

# The share of an input's range that moves into the weights, and activations with one scale.
_SHARE, _BLOCK = 0.5, 64


def quantise(plain: Path, folder: Path, head: Head, quantised: Path) -> None:
    """Write a graph in int8.

    Args:
        plain: the graph in float32.
        folder: the folder of its transformer.
        head: what it ends with.
        quantised: the file to write; its folder takes files of the work too.

    Raises:
        UnsupportedModelError: ONNX Runtime cannot quantise it.
        OSError: a file cannot be written.
    """
    try:
        _quantise(plain, folder, head, quantised)
    except (OSError, MemoryError, ModelNotFoundError):
        raise
    except Exception as error:  # whatever the quantiser raises at a graph of others
        raise UnsupportedModelError(
            f"the graph in {str(plain)!r} cannot be quantised: {type(error).__name__}: {error}"
        ) from error


def _quantise(plain: Path, folder: Path, head: Head, quantised: Path) -> None:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from onnxruntime.quantization import QuantType, quantize_dynamic

    settings: dict[str, Any] = {}
    work = quantised.with_name("work.onnx")
    model = onnx.load(plain)
    if head == "score" and model.producer_name == "hybridge":  # whose nodes are known by name
        # The embeddings are looked up and not multiplied, and the head is small: no time is lost.
        settings["op_types_to_quantize"] = ["Attention", "MatMul"]
        settings["nodes_to_exclude"] = [
            f"{node.name}_MatMul" for node in model.graph.node if node.op_type == "Gemm"
        ]
        _smooth(model, _largest(plain, folder, head, work))
        model = _with_blocks(model)
    save_graph(model, work)  # beside what it reads, the quantiser writes a file
    try:
        quantize_dynamic(
            str(work),
            str(quantised),
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=not this_processor().multiplies_int8,
            use_external_data_format=is_large(work),
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
            **settings,
        )
    except DecodeError as error:  # it does not look whether that file is whole
        raise OSError(f"a file was not written to its end ({error})") from error
    remove_graph(work)


def _products(model: ModelProto) -> list[Any]:
    """Return the products of a layer whose inputs are made even."""
    return [
        node
        for node in model.graph.node
        if node.op_type == "Attention" or node.name.endswith((".output", ".up"))
    ]


def _largest(plain: Path, folder: Path, head: Head, work: Path) -> Mapping[str, _Floats]:
    """Return the largest magnitude in each column of the products' inputs, over sample texts."""
    import onnx
    import onnxruntime

    model = onnx.load(plain)
    names = list(dict.fromkeys(node.input[0] for node in _products(model)))
    model.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names
    )
    save_graph(model, work)
    session = onnxruntime.InferenceSession(str(work), providers=["CPUExecutionProvider"])
    inputs = {each.name for each in session.get_inputs()}

    def columns(batch: Batch) -> list[tuple[_Floats, ...]]:
        feeds = {
            "input_ids": batch.ids,
            "attention_mask": batch.mask,
            "token_type_ids": batch.types,
        }
        found = session.run(names, {name: feeds[name] for name in inputs})
        real = batch.mask[..., None]
        return list(zip(*((np.abs(each) * real).max(1) for each in found), strict=True))

    rows = opened(plain, folder).encode(samples(head), columns, batch_size=1)
    return {name: np.max(each, axis=0) for name, *each in zip(names, *rows, strict=True)}


def _smooth(model: ModelProto, largest: Mapping[str, _Floats]) -> None:
    """Move half of the products' ranges, on a logarithmic scale, from their inputs to weights."""
    from onnx import helper, numpy_helper

    constants = {each.name: each for each in model.graph.initializer}
    products = {node.name for node in _products(model)}
    nodes: list[Any] = []
    for node in model.graph.node:
        if node.name in products:
            constant = constants[node.input[1]]
            weights = numpy_helper.to_array(constant)
            rows = np.maximum(np.abs(weights).max(1), 1e-5)
            scale = np.maximum(largest[node.input[0]], 1e-5) ** _SHARE / rows ** (1 - _SHARE)
            constant.CopyFrom(
                numpy_helper.from_array(
                    (weights * scale[:, None]).astype(np.float32), constant.name
                )
            )
            inverse = (1 / scale).astype(np.float32)
            name = f"{node.name}.even"
            model.graph.initializer.append(numpy_helper.from_array(inverse, f"{name}.weight"))
            nodes.append(
                helper.make_node("Mul", [node.input[0], f"{name}.weight"], [name], name=name)
            )
            node.input[0] = name
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _with_blocks(model: ModelProto) -> ModelProto:
    """Return the graph with blocks of int8 in the products behind the activation function."""
    from onnx import helper, numpy_helper

    constants = {each.name: each for each in model.graph.initializer}
    for node in model.graph.node:
        if not node.name.endswith(".down"):
            continue
        constant = constants[node.input[1]]
        weights = numpy_helper.to_array(constant)
        width, outputs = weights.shape
        if width % _BLOCK:
            continue
        blocks = weights.T.reshape(outputs, width // _BLOCK, _BLOCK)
        scale = np.maximum(np.abs(blocks).max(2), 1e-12) / 127
        # The operator takes 128 from what is stored.
        stored = (np.rint(blocks / scale[..., None]) + 128).astype(np.uint8)
        names = [f"{constant.name}.blocks", f"{constant.name}.scales"]
        model.graph.initializer.remove(constant)
        model.graph.initializer.extend(
            numpy_helper.from_array(array, name)
            for array, name in zip((stored, scale.astype(np.float32)), names, strict=True)
        )
        node.CopyFrom(
            helper.make_node(
                "MatMulNBits",
                [node.input[0], *names],
                list(node.output),
                name=node.name,
                domain="com.microsoft",
                K=width,
                N=outputs,
                bits=8,
                block_size=_BLOCK,
                accuracy_level=4,  # multiply in int8
            )
        )
    return model
