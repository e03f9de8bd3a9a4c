"""The readable tokens behind a text's vectors, for explanations."""

from __future__ import annotations

from collections.abc import Sequence

from .tokens import TokenEncoder

__all__ = ["pooled_names", "readable", "token_names"]

# Tokenizers' marks of a token that begins a word.
_WORD_STARTS = ("Ġ", "▁")


def token_names(encoder: TokenEncoder, text: str, count: int, *, is_query: bool) -> list[str]:
    """Return the token of each vector of a text, or the vector's number where it is not known.

    Args:
        encoder: any token encoder; its optional methods `query_tokens` and `passage_tokens` take a
            list of texts and return a list of strings for each, one a vector.
        text: the encoded text.
        count: how many vectors it has.
        is_query: whether it was encoded as a query.

    >>> from hybridge.colbert import as_token_encoder
    >>> token_names(as_token_encoder(), "Why, blood?", 6, is_query=True)
    ['[CLS]', 'why', ',', 'blood', '?', '[SEP]']
    >>> token_names(as_token_encoder(), "vectors from elsewhere", 2, is_query=False)
    ['1', '2']
    """
    name = getattr(encoder, "query_tokens" if is_query else "passage_tokens", None)
    names = name([text])[0] if callable(name) else []
    return names if len(names) == count else [str(number) for number in range(1, count + 1)]


def readable(tokens: Sequence[str]) -> list[str]:
    """Return tokens without the mark that some tokenizers put at the beginning of a word.

    >>> readable(["Ġblood", "▁thin", "##ner", "Ġ"])
    ['blood', 'thin', '##ner', 'Ġ']
    """
    return [
        token[1:] if token.startswith(_WORD_STARTS) and len(token) > 1 else token
        for token in tokens
    ]


def pooled_names(tokens: Sequence[str], labels: Sequence[int]) -> list[str]:
    """Return the different tokens of each pooled vector, joined by ``+``.

    Args:
        tokens: one a vector.
        labels: the number of each vector's cluster, from 0.

    >>> pooled_names(["[CLS]", "thin", "blood", "thin"], [0, 1, 2, 1])
    ['[CLS]', 'thin', 'blood']
    """
    groups: list[dict[str, None]] = [{} for _ in range(max(labels, default=-1) + 1)]
    for token, label in zip(tokens, labels, strict=True):
        groups[label][token] = None
    return ["+".join(group) for group in groups]
