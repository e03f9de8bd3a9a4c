"""The graph of a BERT-like transformer, written from its weights for ONNX Runtime.

ONNX Runtime has operators for the parts of such a model (attention, GELU with its bias, layer norm
with the sum before it), which an export from torch lacks and an optimiser finds only in part. A
graph written in them needs neither torch nor an optimiser. The architectures: BERT (J. Devlin et
al., NAACL 2019, arXiv 1810.04805), DistilBERT (V. Sanh et al. 2019, arXiv 1910.01108), RoBERTa
(Y. Liu et al. 2019, arXiv 1907.11692) with XLM-R and CamemBERT, and MPNet (K. Song et al., NeurIPS
2020, arXiv 2004.09297).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..files import read_object
from .unsupported import UnsupportedModelError
from .weights import Weights, read_weights

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["OUTPUTS", "Head", "build_graph"]

Head: TypeAlias = Literal["tokens", "score", "max_words", "sum_words"]
"""The end of a graph: the vectors of tokens, a score of a pair, or the weights of a vocabulary."""

OUTPUTS: Mapping[Head, str] = {
    "tokens": "last_hidden_state",
    "score": "logits",
    "max_words": "weights",
    "sum_words": "weights",
}
"""The names of the outputs of heads."""

_OPSET, _IR = 17, 9
_MICROSOFT = "com.microsoft"
_ACTIVATIONS = {
    "gelu": "BiasGelu",
    "gelu_new": "FastGelu",
    "gelu_fast": "FastGelu",
    "gelu_pytorch_tanh": "FastGelu",
}


@dataclass(frozen=True)
class _Family:
    """The names of a family's tensors and settings, which mean the same in all of them."""

    layer: str
    query: str
    key: str
    value: str
    output: str
    attention_norm: str
    up: str
    down: str
    norm: str
    width: str = "hidden_size"
    layers: str = "num_hidden_layers"
    heads: str = "num_attention_heads"
    activation: str = "hidden_act"


_BERT = _Family(
    layer="encoder.layer.{}.",
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    output="attention.output.dense",
    attention_norm="attention.output.LayerNorm",
    up="intermediate.dense",
    down="output.dense",
    norm="output.LayerNorm",
)
_DISTIL = _Family(
    layer="transformer.layer.{}.",
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    output="attention.out_lin",
    attention_norm="sa_layer_norm",
    up="ffn.lin1",
    down="ffn.lin2",
    norm="output_layer_norm",
    width="dim",
    layers="n_layers",
    heads="n_heads",
    activation="activation",
)
_MPNET = replace(
    _BERT,
    query="attention.attn.q",
    key="attention.attn.k",
    value="attention.attn.v",
    output="attention.attn.o",
    attention_norm="attention.LayerNorm",
)
_FAMILIES: Mapping[str, _Family] = {
    "bert": _BERT,
    "camembert": _BERT,
    "distilbert": _DISTIL,
    "mpnet": _MPNET,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
}
# They count positions from behind the padding token's number.
_AFTER_PADDING = {"camembert", "mpnet", "roberta", "xlm-roberta"}
_PREFIXES = ("bert.", "distilbert.", "roberta.", "mpnet.", "model.")


def build_graph(folder: Path, head: Head) -> ModelProto:
    """Return the graph of a saved transformer in float32.

    Its inputs are ``input_ids`` and ``attention_mask``, and ``token_type_ids`` where the model
    tells them apart, each of int64 and shape (texts, tokens), with padding on the right. Its output
    is ``last_hidden_state``, shape (texts, tokens, dimension), ``logits``, shape (texts, scores),
    or ``weights``, shape (texts, vocabulary).

    Args:
        folder: the folder of the transformer: its configuration and safetensors.
        head: what it ends with. The words' weights are those of SPLADE before its logarithm: the
            largest of a word over all tokens, or the sum of the logarithms.

    Raises:
        UnsupportedModelError: it is of an architecture that is not written here, or has no
            safetensors.
        ModelNotFoundError: a file cannot be read, or the weights are not those of the
            configuration.
    """
    config = read_object(folder / "config.json")
    family = _checked_family(config, folder)
    weights = read_weights(folder)
    if weights is None:
        raise UnsupportedModelError(f"there is no model.safetensors in {str(folder)!r}")
    weights = _without_prefix(weights)
    try:
        graph = _Graph(config, family, weights)
        hidden = graph.encoder()
        output = graph.head(head, hidden)
    except KeyError as error:
        raise UnsupportedModelError(
            f"the weights or settings in {str(folder)!r} lack {error} of a {config['model_type']}"
        ) from error
    except (TypeError, ValueError) as error:
        raise UnsupportedModelError(
            f"the weights in {str(folder)!r} do not fit its config.json: {error}"
        ) from error
    strange = [name for name in weights.unread if name.startswith(("encoder.", "transformer."))]
    if strange:
        raise UnsupportedModelError(
            f"the weights in {str(folder)!r} hold {strange[0]!r}, which no "
            f"{config['model_type']} that is known here has"
        )
    return graph.finished(output)


def _checked_family(config: Mapping[str, Any], folder: Path) -> _Family:
    kind = str(config.get("model_type"))
    family = _FAMILIES.get(kind)
    reason = None
    if family is None:
        reason = f"models of type {kind!r} have no graph here, only {', '.join(sorted(_FAMILIES))}"
    elif config.get("position_embedding_type", "absolute") != "absolute":
        reason = f"its positions are {config['position_embedding_type']!r}"
    elif config.get("is_decoder") or config.get("add_cross_attention"):
        reason = "it is a decoder"
    elif config.get(family.activation) not in (*_ACTIVATIONS, "relu"):
        reason = f"its activation {config.get(family.activation)!r} is not known here"
    elif config.get("embedding_size", config.get(family.width)) != config.get(family.width):
        reason = "its embeddings have another size than its layers"
    if reason is not None or family is None:
        raise UnsupportedModelError(f"the model in {str(folder)!r} cannot be written: {reason}")
    return family


def _without_prefix(weights: Weights) -> Weights:
    """Return the weights with the names of the bare transformer, a head's as they are."""
    prefix = next((each for each in _PREFIXES if any(n.startswith(each) for n in weights)), "")
    return Weights({name.removeprefix(prefix): weights[name] for name in weights})


class _Graph:
    """A graph in the making."""

    def __init__(self, config: Mapping[str, Any], family: _Family, weights: Weights) -> None:
        self._config = config
        self._family = family
        self._weights = weights
        self._kind = str(config["model_type"])
        self._width = int(config[family.width])
        self._epsilon = float(config.get("layer_norm_eps", 1e-12))
        self._has_types = "embeddings.token_type_embeddings.weight" in weights and (
            len(weights["embeddings.token_type_embeddings.weight"]) > 1
        )
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def encoder(self) -> str:
        """Add everything up to the vectors of tokens."""
        self._node("Cast", ["attention_mask"], "mask", to=6)  # int32
        hidden = self._embeddings()
        bias = self._position_bias() if self._kind == "mpnet" else ""
        for number in range(int(self._config[self._family.layers])):
            hidden = self._layer(number, hidden, bias)
        return hidden

    def head(self, head: Head, hidden: str) -> str:
        """Add the head and return its output."""
        if head == "tokens":
            return self._node("Identity", [hidden], "last_hidden_state")
        if head == "score":
            return self._score(hidden)
        return self._words(hidden, head)

    def finished(self, output: str) -> ModelProto:
        from onnx import TensorProto, helper

        batch = ["texts", "tokens"]
        names = ["input_ids", "attention_mask", *(["token_type_ids"] if self._has_types else [])]
        inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, batch) for name in names]
        shapes: dict[str, list[str | int | None]] = {
            "last_hidden_state": [*batch, self._width],
            "logits": ["texts", "scores"],
            "weights": ["texts", "vocabulary"],
        }
        graph = helper.make_graph(
            self._nodes,
            self._kind,
            inputs,
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, shapes[output])],
            self._constants,
        )
        versions = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_MICROSOFT, 1)]
        return helper.make_model(
            graph, opset_imports=versions, ir_version=_IR, producer_name="hybridge"
        )

    def _embeddings(self) -> str:
        words = self._weights["embeddings.word_embeddings.weight"]
        positions = self._weights["embeddings.position_embeddings.weight"]
        if self._kind in _AFTER_PADDING:
            # Padding is on the right, so that the first token always has the first position.
            positions = positions[int(self._config.get("pad_token_id", 1)) + 1 :]
        norm = "embeddings.LayerNorm"
        self._node("Cast", ["input_ids"], "ids", to=6)
        types = ["", ""]
        if self._has_types:
            self._node("Cast", ["token_type_ids"], "types", to=6)
            table = self._weights["embeddings.token_type_embeddings.weight"]
            types = ["types", self._constant("type_embeddings", table)]
        elif "embeddings.token_type_embeddings.weight" in self._weights:
            positions = positions + self._weights["embeddings.token_type_embeddings.weight"][0]
        return self._node(
            "EmbedLayerNormalization",
            [
                "ids",
                types[0],
                self._constant("word_embeddings", words),
                self._constant("position_embeddings", positions),
                types[1],
                # Not embeddings_scale: the quantiser names its own scale so.
                self._constant(f"{norm}.weight", self._weights[f"{norm}.weight"]),
                self._constant(f"{norm}.bias", self._weights[f"{norm}.bias"]),
            ],
            "embeddings",
            _MICROSOFT,
            also=["embeddings_mask"],
            epsilon=self._epsilon,
        )

    def _layer(self, number: int, hidden: str, bias: str) -> str:
        prefix, family = self._family.layer.format(number), self._family
        name = f"layer_{number}"
        projections = [prefix + each for each in (family.query, family.key, family.value)]
        attended = self._node(
            "Attention",
            [
                hidden,
                self._constant(
                    f"{name}.qkv.weight",
                    np.concatenate([self._weights[f"{each}.weight"].T for each in projections], 1),
                ),
                self._constant(
                    f"{name}.qkv.bias",
                    np.concatenate([self._weights[f"{each}.bias"] for each in projections]),
                ),
                "mask",
                *(["", bias] if bias else []),
            ],
            f"{name}.attention",
            _MICROSOFT,
            num_heads=int(self._config[family.heads]),
        )
        projected = self._product(attended, prefix + family.output, f"{name}.output")
        middle = self._normalised_sum(
            projected, hidden, prefix + family.output, prefix + family.attention_norm
        )
        raised = self._product(middle, prefix + family.up, f"{name}.up")
        active = self._activated(raised, prefix + family.up, self._config[family.activation])
        lowered = self._product(active, prefix + family.down, f"{name}.down")
        return self._normalised_sum(lowered, middle, prefix + family.down, prefix + family.norm)

    def _position_bias(self) -> str:
        """Add MPNet's bias by the distance of two tokens, cut to the texts' length."""
        table = self._weights["encoder.relative_attention_bias.weight"]
        size = int(self._config["max_position_embeddings"])
        bias = table[_distance_buckets(size, len(table))].transpose(2, 0, 1)[None]
        self._node("Shape", ["input_ids"], "length", start=1, end=2)
        whole = self._constant("position_bias", bias)
        for axis in (2, 3):
            whole = self._node(
                "Slice",
                [
                    whole,
                    self._constant(f"from_{axis}", np.array([0])),
                    "length",
                    self._constant(f"axis_{axis}", np.array([axis])),
                ],
                f"position_bias_{axis}",
            )
        return whole

    def _score(self, hidden: str) -> str:
        first = self._node(
            "Gather", [hidden, self._constant("first", np.array(0))], "first_token", axis=1
        )
        if "pooler.dense.weight" in self._weights and self._kind == "bert":
            pooled = self._dense(first, "pooler.dense", "Tanh")
            return self._dense(pooled, "classifier", None, "logits")
        if self._kind == "distilbert":
            pooled = self._dense(first, "pre_classifier", "Relu")
            return self._dense(pooled, "classifier", None, "logits")
        pooled = self._dense(first, "classifier.dense", "Tanh")
        return self._dense(pooled, "classifier.out_proj", None, "logits")

    def _words(self, hidden: str, head: Head) -> str:
        """Add the masked language model's head, and pool its words over the tokens."""
        names = {
            "bert": ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm"),
            "distilbert": ("vocab_transform", "vocab_layer_norm"),
        }.get(self._kind, ("lm_head.dense", "lm_head.layer_norm"))
        bias = next(
            name
            for name in ("cls.predictions.bias", "vocab_projector.bias", "lm_head.bias", "")
            if name in self._weights or not name
        )
        dense, norm = names
        product = self._product(hidden, dense, "words.dense")
        activation = "gelu" if dense == "lm_head.dense" else self._config[self._family.activation]
        active = self._activated(product, dense, activation)
        normalised = self._node(
            "LayerNormalization",
            [
                active,
                self._constant("words.scale", self._weights[f"{norm}.weight"]),
                self._constant("words.shift", self._weights[f"{norm}.bias"]),
            ],
            "words.norm",
            axis=-1,
            epsilon=self._epsilon,
        )
        own = ("cls.predictions.decoder.weight", "vocab_projector.weight", "lm_head.decoder.weight")
        table = next(
            (self._weights[name] for name in own if name in self._weights),
            self._weights["embeddings.word_embeddings.weight"],
        )
        scores = self._node(
            "MatMul", [normalised, self._constant("words.table", table.T)], "words.product"
        )
        scores = self._node(
            "Add", [scores, self._constant("words.bias", self._weights[bias])], "words.scores"
        )
        self._node("Cast", ["attention_mask"], "words.real", to=1)
        real = self._node(
            "Unsqueeze", ["words.real", self._constant("words.last", np.array([2]))], "words.mask"
        )
        positive = self._node("Relu", [scores], "words.positive")
        masked = self._node("Mul", [positive, real], "words.masked")
        if head == "max_words":  # the logarithm grows with its argument: it can wait
            return self._node("ReduceMax", [masked], "weights", axes=[1], keepdims=0)
        one = self._constant("words.one", np.array(1, np.float32))
        logarithms = self._node(
            "Log", [self._node("Add", [masked, one], "words.plus_one")], "words.logarithms"
        )
        axes = self._constant("words.axes", np.array([1]))
        return self._node("ReduceSum", [logarithms, axes], "weights", keepdims=0)

    def _product(self, value: str, name: str, output: str) -> str:
        weight = self._weights[f"{name}.weight"].T
        return self._node("MatMul", [value, self._constant(f"{name}.weight", weight)], output)

    def _activated(self, value: str, name: str, activation: str) -> str:
        bias = self._constant(f"{name}.bias", self._weights[f"{name}.bias"])
        if activation == "relu":
            return self._node("Relu", [self._node("Add", [value, bias], f"{name}.sum")], name)
        return self._node(_ACTIVATIONS[activation], [value, bias], name, _MICROSOFT)

    def _normalised_sum(self, value: str, skipped: str, bias: str, norm: str) -> str:
        return self._node(
            "SkipLayerNormalization",
            [
                value,
                skipped,
                self._constant(f"{norm}.weight", self._weights[f"{norm}.weight"]),
                self._constant(f"{norm}.bias", self._weights[f"{norm}.bias"]),
                self._constant(f"{bias}.bias", self._weights[f"{bias}.bias"]),
            ],
            norm,
            _MICROSOFT,
            epsilon=self._epsilon,
        )

    def _dense(self, value: str, name: str, activation: str | None, output: str = "") -> str:
        weight = self._constant(f"{name}.weight", self._weights[f"{name}.weight"])
        bias = self._constant(f"{name}.bias", self._weights[f"{name}.bias"])
        linear = output if activation is None else f"{name}.linear"
        result = self._node("Gemm", [value, weight, bias], linear, transB=1)
        return result if activation is None else self._node(activation, [result], name)

    def _constant(self, name: str, array: NDArray[Any]) -> str:
        from onnx import numpy_helper

        if array.dtype.kind == "i":
            array = array.astype(np.int64)
        self._constants.append(numpy_helper.from_array(array.copy(order="C"), name))
        return name

    def _node(
        self,
        operator: str,
        inputs: Sequence[str],
        output: str,
        domain: str = "",
        *,
        also: Sequence[str] = (),
        **attributes: Any,
    ) -> str:
        from onnx import helper

        self._nodes.append(
            helper.make_node(
                operator, inputs, [output, *also], name=output, domain=domain, **attributes
            )
        )
        return output


def _distance_buckets(size: int, count: int) -> NDArray[np.int64]:
    """Return T5's bucket of every pair of positions, shape (size, size).

    Later tokens have one half of the buckets, earlier ones the other. In both, the first buckets
    are for one distance, the others for distances that grow logarithmically up to 128 (C. Raffel
    et al., JMLR 2020, arXiv 1910.10683).
    """
    distance = np.arange(size)[None, :] - np.arange(size)[:, None]
    half = count // 2
    buckets = np.where(distance > 0, half, 0)
    distance = np.abs(distance)
    exact = half // 2
    with np.errstate(divide="ignore"):
        far = exact + (
            np.log(distance.astype(np.float32) / exact) / np.log(128 / exact) * (half - exact)
        )
    far = np.minimum(np.where(distance < exact, 0, far).astype(np.int64), half - 1)
    result: NDArray[np.int64] = buckets + np.where(distance < exact, distance, far)
    return result
