"""The models that every system runs: a cross-encoder and a ColBERT checkpoint, made once.

The cross-encoder is stored in half precision. Loaded as peers load it, it would run in that, which
no processor is fast at; so a float32 copy is made, and everyone's is that one. The ColBERT
checkpoint is all-MiniLM-L6-v2 with its token vectors projected to 128 dimensions, in Stanford's
format, so that no model hub is needed.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np

from corpus import judged

__all__ = ["colbert", "cross_encoder"]

SAMPLE = 400  # passages that the projection is computed from


def cross_encoder(cache: Path) -> Path:
    """The folder of scifact-cross-encoder in float32."""
    copy = cache / "scifact-cross-encoder-float32"
    if copy.exists():
        return copy
    models = os.environ.get("HYBRIDGE_MODELS")
    if not models:
        raise SystemExit("set HYBRIDGE_MODELS to a folder that has scifact-cross-encoder")
    from safetensors.numpy import load_file, save_file

    partial = _fresh(copy)
    shutil.copytree(Path(models) / "scifact-cross-encoder", partial, copy_function=shutil.copyfile)
    partial.chmod(0o755)  # the original may be read-only
    weights = load_file(partial / "model.safetensors")
    widened = {name: values.astype(np.float32) for name, values in weights.items()}
    save_file(widened, partial / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((partial / "config.json").read_text(encoding="utf-8"))
    config["dtype"] = "float32"
    (partial / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    partial.rename(copy)
    return copy


def colbert(cache: Path) -> Path:
    """The folder of the ColBERT checkpoint."""
    folder = cache / "scifact-colbert-128"
    if folder.exists():
        return folder
    from hybridge.colbert import export_checkpoint, training_free

    print(f"making a ColBERT checkpoint, once, in {folder}")
    texts = [passage.text for passage in judged("train").passages]
    chosen = np.random.default_rng(0).choice(len(texts), SAMPLE, replace=False)
    partial = _fresh(folder)
    export_checkpoint(training_free(dimension=128, sample=[texts[row] for row in chosen]), partial)
    partial.rename(folder)
    return folder


def _fresh(folder: Path) -> Path:
    """Where to write what becomes `folder` when it is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    return partial
