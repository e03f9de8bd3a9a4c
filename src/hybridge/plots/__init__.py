"""Pictures of a search, an explanation, an evaluation, a tuning and a training.

Each function returns a `Picture`, which notebooks show and `save` writes. The colours are safe for
colour-blind readers, and a marker or a label always repeats what a colour shows.
"""

from .comparison import comparison
from .max_sim import max_sim
from .picture import Picture
from .quality_latency import quality_latency
from .rank_flow import rank_flow
from .score_distributions import score_distributions
from .stage_costs import stage_costs
from .term_parts import term_parts
from .training_curve import training_curve
from .tuning_curve import tuning_curve

__all__ = [
    "Picture",
    "comparison",
    "max_sim",
    "quality_latency",
    "rank_flow",
    "score_distributions",
    "stage_costs",
    "term_parts",
    "training_curve",
    "tuning_curve",
]
