"""The number of tokens that a model can read, derived from its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PretrainedConfig

__all__ = ["readable_tokens"]

# RoBERTa and its relatives: they count positions from behind the padding token's number, and leave
# the ones before unused.
_COUNTED_FROM_PADDING = {
    "camembert",
    "data2vec-text",
    "ibert",
    "layoutlmv3",
    "lilt",
    "longformer",
    "luke",
    "markuplm",
    "mpnet",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
}
# Their configuration has another name for it, which others have for something else.
_POSITIONS = dict.fromkeys(
    ("codegen", "ctrl", "gpt-sw3", "gpt2", "gpt_bigcode", "gptj", "openai-gpt"), "n_positions"
)


def readable_tokens(config: PretrainedConfig | Mapping[str, Any] | None) -> int | None:
    """Return the most tokens that a model can read, special ones included.

    Args:
        config: a transformer's configuration, loaded or from ``config.json``.

    Returns:
        None without a limit, as with relative positions.

    >>> readable_tokens({"model_type": "bert", "max_position_embeddings": 512})
    512
    >>> readable_tokens({"model_type": "gpt2", "n_positions": 1024})
    1024
    >>> readable_tokens({"model_type": "t5", "n_positions": 512}) is None
    True
    >>> readable_tokens(
    ...     {"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}
    ... )
    512
    """

    def setting(name: str) -> Any:
        return config.get(name) if isinstance(config, Mapping) else getattr(config, name, None)

    positions = setting(_POSITIONS.get(setting("model_type"), "max_position_embeddings"))
    if not isinstance(positions, int) or positions < 1:  # XLNet has -1
        return None
    if setting("model_type") not in _COUNTED_FROM_PADDING:
        return positions
    padding = setting("pad_token_id")
    return positions - (1 if padding is None else int(padding)) - 1
