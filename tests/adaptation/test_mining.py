"""Examples of judged questions: what is relevant, what is not, and how often each is read."""

from __future__ import annotations

import numpy as np

from hybridge.adaptation.mining import Mined


def test_passages_are_read_as_often_as_their_grade_is_high() -> None:
    mined = Mined("q", {"best": 100, "good": 75, "fair": 25}, ["other"], {})
    random = np.random.default_rng(0)

    epochs = [mined.examples("contrastive", 1, random) for _ in range(400)]

    read = [example.passages[0] for examples in epochs for example in examples]
    assert read.count("best") == 400
    assert 270 < read.count("good") < 330
    assert 70 < read.count("fair") < 130
