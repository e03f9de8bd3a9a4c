"""Near duplicates: what tells changed copies of an abstract from other abstracts on its subject.

    python benchmarks/near_duplicates.py [--cache DIR]

Of 100 of SciFact's abstracts copies are made: with three words changed, with boilerplate around
them, and without the last tenth. Printed are the least similarity of a copy to its abstract, by
`hybridge.results.similarity` and by the cosine of the default model, and the greatest between
different abstracts: of the 100 pairs that are nearest by cosine. A threshold can stand where the
copies' least is above the others' greatest. SciFact is taken from HYBRIDGE_DATASETS, its vectors
from the cache.
"""

from __future__ import annotations

import random

import numpy as np
from rich.console import Console
from rich.table import Table

from corpus import SCIFACT, cache_argument, embed_scifact, judged, load
from hybridge import SentenceTransformerEncoder
from hybridge.results import similarity

ABSTRACTS = 100
SEED = 3


def main() -> None:
    """Prints the least similarity of copies and the greatest of others."""
    cache = cache_argument(__doc__)
    embed_scifact(cache)
    vectors = load(SCIFACT, cache).vectors
    texts = [passage.text for passage in judged("test").passages]
    choose = random.Random(SEED)
    chosen = choose.sample(range(len(texts)), ABSTRACTS)
    encoder = SentenceTransformerEncoder()
    table = Table(title=f"Similarity to {ABSTRACTS} abstracts of SciFact")
    for column in ("texts", "shingles", "cosine"):
        table.add_column(column, justify="left" if column == "texts" else "right")
    for kind in ("three words changed", "a frame of boilerplate", "without the last tenth"):
        copies = [changed(texts[i], kind, choose) for i in chosen]
        cosines = (encoder.encode_passages(copies) * vectors[chosen]).sum(axis=1)
        shared = [similarity(copy, texts[i]) for copy, i in zip(copies, chosen, strict=True)]
        table.add_row(f"copies, {kind}: least", f"{min(shared):.2f}", f"{cosines.min():.2f}")
    nearness = np.triu(vectors @ vectors.T, k=1)
    nearest = np.argsort(nearness, axis=None)[-ABSTRACTS:]
    pairs = [divmod(int(flat), len(texts)) for flat in nearest]
    shared = [similarity(texts[i], texts[j]) for i, j in pairs]
    table.add_row("other abstracts: greatest", f"{max(shared):.2f}", f"{nearness.max():.2f}")
    Console(width=120).print(table)


def changed(text: str, kind: str, choose: random.Random) -> str:
    """A copy of a text."""
    words = text.split()
    if kind == "without the last tenth":
        return " ".join(words[: len(words) * 9 // 10])
    if kind == "a frame of boilerplate":
        return f"Published online 3 May 2014. {text} Copyright the authors. All rights reserved."
    for _ in range(3):
        words[choose.randrange(len(words))] = choose.choice(["new", "changed", "2021"])
    return " ".join(words)


if __name__ == "__main__":
    main()
