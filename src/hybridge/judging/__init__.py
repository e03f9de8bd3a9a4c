"""Judging: questions of your own, passages graded for them, and what several judges agree on.

`Judgments` is one file: questions, the passages to grade for each, and every judge's grades. What
is graded comes from a `pool` of what all the stages find, in an order that does not give the stage
away. `Judgments.collection` is what `evaluate`, `tune` and `adapt` take.
"""

from __future__ import annotations

from .agreement import JudgeAgreement, Pair, krippendorff_alpha, weighted_kappa
from .export import write_beir, write_csv, write_trec
from .judgments import GRADES, UNSURE, Judgment, Judgments, Progress
from .pooling import Candidate, judging_order, pool
from .questions import read_questions, sample_questions

__all__ = [
    "GRADES",
    "UNSURE",
    "Candidate",
    "JudgeAgreement",
    "Judgment",
    "Judgments",
    "Pair",
    "Progress",
    "judging_order",
    "krippendorff_alpha",
    "pool",
    "read_questions",
    "sample_questions",
    "weighted_kappa",
    "write_beir",
    "write_csv",
    "write_trec",
]
