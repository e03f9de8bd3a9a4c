"""Pictures of what retrievers do: of one query's hits, one score, an evaluation, a tuning.

Each is drawn by one function, which gives a `Picture`: notebooks show it, and `save` writes it.
Colours are told apart by everybody, and never alone: each thing has a marker or a label too.
"""

from .comparison import comparison
from .fusion_parts import fusion_parts
from .max_sim import max_sim
from .picture import Picture
from .quality_latency import quality_latency
from .rank_flow import rank_flow
from .score_distributions import score_distributions
from .stage_costs import stage_costs
from .term_parts import term_parts
from .tuning_curve import tuning_curve

__all__ = [
    "Picture",
    "comparison",
    "fusion_parts",
    "max_sim",
    "quality_latency",
    "rank_flow",
    "score_distributions",
    "stage_costs",
    "term_parts",
    "tuning_curve",
]
