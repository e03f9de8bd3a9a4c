"""A late-interaction model in the format that Stanford's ColBERT, and so RAGatouille, reads."""

from __future__ import annotations

import copy
import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..encoders.loading import no_bars
from ..errors import InvalidInputError, StoreError
from .limits import set_limits, with_own_settings
from .multi_vector import MultiVectorTokenEncoder
from .projection import linear
from .training_free import punctuation

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder
    from torch import Tensor

__all__ = ["export_checkpoint"]


def export_checkpoint(
    encoder: MultiVectorTokenEncoder | MultiVectorEncoder | str | Path | None,
    folder: str | Path,
    *,
    query_length: int | None = None,
    passage_length: int | None = None,
) -> Path:
    """Write a model as a checkpoint for RAGatouille and sentence-transformers alike.

    The folder holds both formats over one file of weights (safetensors). Two habits of colbert-ai
    matter to a training-free model:

    - it puts a marker token in front of every text. Where the model has none, it is the
      tokenizer's ``[SEP]``, which disturbs the other tokens least: their vectors keep a mean cosine
      of 0.997 with those before, and 0.987 to 0.997 with the usual ``[unused0]``, ``[unused1]``;
    - it fills queries up with the tokenizer's mask token. Where the model does no such expansion,
      the mask token in the folder is ``[PAD]``, which colbert-ai never scores.

    Over BM25's top 100 of SciFact's test queries, all-MiniLM-L6-v2 reranks as such a checkpoint to
    an nDCG@10 0.001 below that of the same model training-free.

    Args:
        encoder: a token encoder or a model of `MultiVectorTokenEncoder`; None for the default
            bi-encoder, training-free.
        folder: where to write; it must not exist, or be empty.
        query_length: tokens of a query that are read, and filled up to where the model expands
            queries; None for the model's own, and 32 in colbert-ai where it has none.
        passage_length: tokens of a passage that are read; None for the model's own.

    Returns:
        The folder, as an absolute path.

    Raises:
        InvalidInputError: the folder is not empty, or the format cannot express this model.
        ModelNotFoundError: the model is neither on this machine nor on a hub that answers.
        StoreError: the folder cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint = export_checkpoint(None, Path(folder, "minilm"))
    ...     MultiVectorTokenEncoder(checkpoint).dimension
    384
    """
    target = Path(folder).expanduser().absolute()
    with _store_errors(target):
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise InvalidInputError(
                f"{str(target)!r} is not an empty folder: choose another, or clear it"
            )
    if not isinstance(encoder, MultiVectorTokenEncoder):
        encoder = MultiVectorTokenEncoder(encoder)
    if encoder._pool_factor != 1:
        raise _inexpressible("token pooling")
    model, settings = _rewritten(encoder._loaded(), query_length, passage_length)
    with _store_errors(target), _staged(target) as staged:
        with no_bars():
            model.save(str(staged), create_model_card=False)
        config = json.loads((staged / "config.json").read_text(encoding="utf-8"))
        config["architectures"] = ["HF_ColBERT"]
        (staged / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
        _write_weights(model, staged / "model.safetensors")
        (staged / "artifact.metadata").write_text(json.dumps(settings, indent=4), encoding="utf-8")
    return target


@contextmanager
def _store_errors(target: Path) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        raise StoreError(f"no checkpoint can be written to {str(target)!r}: {error}") from error


@contextmanager
def _staged(target: Path) -> Iterator[Path]:
    """Yield a folder beside the target, which replaces it in one step unless the block raises."""
    staged = target.with_name(f".{target.name}-{uuid.uuid4().hex}")
    staged.mkdir(parents=True)
    try:
        yield staged
        if target.exists():
            target.rmdir()
        staged.rename(target)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise


def _rewritten(
    model: MultiVectorEncoder, query_length: int | None, passage_length: int | None
) -> tuple[MultiVectorEncoder, dict[str, Any]]:
    """Return the model as colbert-ai will run it, and colbert-ai's settings for it."""
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Normalize
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    transformer, projection, skips = _taken_apart(model)
    transformer.processor = tokenizer = transformer.tokenizer
    markers = {task: _marker(model, tokenizer, task) for task in ("query", "document")}
    expansion = transformer.query_expansion
    if expansion is None:
        tokenizer.mask_token = tokenizer.pad_token
    elif expansion["token"] is not None:
        tokenizer.mask_token = expansion["token"]
    set_limits(transformer, query_length, passage_length)
    mask = MultiVectorMask(punctuation(tokenizer.get_vocab()) if skips else None)
    rewritten = MultiVectorEncoder(
        modules=[
            transformer,
            linear(projection),
            mask,
            Normalize(module_input_name="token_embeddings"),
        ],
        prompts={task: f"{marker} " for task, marker in markers.items()},
        device="cpu",
    )
    return rewritten, {
        "dim": len(projection),
        "query_maxlen": query_length or (expansion["length"] if expansion else 32),
        "doc_maxlen": transformer.document_length or transformer.max_seq_length,
        "query_token_id": markers["query"],
        "doc_token_id": markers["document"],
        "mask_punctuation": skips,
        "attend_to_mask_tokens": bool(expansion and expansion["attend"]),
        "similarity": "cosine",
        "interaction": "colbert",
    }


def _taken_apart(model: MultiVectorEncoder) -> tuple[Any, Tensor, bool]:
    """Return a copy of the transformer, the projection, and whether punctuation is skipped."""
    import torch
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    first, *others = model
    if not isinstance(first, Transformer):
        raise _inexpressible(f"a model that begins with {type(first).__name__}")
    transformer = with_own_settings(first)
    # The weights as well, in main memory and in single precision.
    transformer.model = copy.deepcopy(first.model).to("cpu", torch.float32)
    projection = torch.eye(transformer.get_embedding_dimension())
    skipped: set[str] = set()
    for module in others:
        if isinstance(module, Dense):
            identity = isinstance(module.activation_function, torch.nn.Identity)
            if module.linear.bias is not None or module.use_residual or not identity:
                raise _inexpressible("a projection that is more than a matrix")
            projection = module.linear.weight.detach().cpu().float() @ projection
        elif isinstance(module, MultiVectorMask):
            if module.skiplist_tasks != ["document"] or module.keep_only_token_ids:
                raise _inexpressible("a mask that is not for passages alone")
            skipped.update(module.skiplist_words)
        elif not isinstance(module, Normalize):
            raise _inexpressible(type(module).__name__)
    known = transformer.tokenizer.get_vocab()
    if skipped and skipped & known.keys() != set(punctuation(known)):
        raise _inexpressible(f"a list of skipped words like {sorted(skipped)[:5]}")
    return transformer, projection, bool(skipped)


def _marker(model: MultiVectorEncoder, tokenizer: Any, task: str) -> str:
    prompt = model.prompts.get(task) or tokenizer.sep_token
    for marker in (prompt, prompt and prompt.strip()):
        if marker and tokenizer.tokenize(marker) == [marker]:
            return str(marker)
    raise _inexpressible(f"the {task} prompt {prompt!r}, which is not one token,")


def _inexpressible(what: str) -> InvalidInputError:
    return InvalidInputError(
        f"{what} has no place in a ColBERT checkpoint: a transformer, a linear projection, a "
        "marker token and a list of skipped punctuation are all that it can hold"
    )


def _write_weights(model: MultiVectorEncoder, path: Path) -> None:
    from safetensors.torch import save_file

    transformer: Any = model[0]
    projection: Any = model[1]
    inner = transformer.model
    weights = {
        f"{inner.base_model_prefix}.{name}": tensor.contiguous()
        for name, tensor in inner.state_dict().items()
    }
    save_file(
        {**weights, "linear.weight": projection.linear.weight.detach()}, path, {"format": "pt"}
    )
