"""Weights of a trained model averaged with those of the model it was trained from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..arguments import check_share

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["averaged"]


def averaged(
    parent: Mapping[str, Tensor], trained: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    r"""Return :math:`(1 - s) \, w_{parent} + s \, w_{trained}` for each weight.

    What the parent knows of other domains is kept at little loss in the one trained for: M.
    Wortsman et al., *Robust Fine-tuning of Zero-shot Models*, CVPR 2022, arXiv 2109.01903.

    Args:
        parent: a model's ``state_dict()``.
        trained: that of the same model after training.
        share: :math:`s`, from 0 for the parent to 1 for the trained model.

    >>> import torch
    >>> averaged({"w": torch.tensor([0.0])}, {"w": torch.tensor([4.0])}, 0.25)["w"]
    tensor([1.])
    """
    check_share(share, "share")
    return {
        name: weight if not weight.is_floating_point() else parent[name].lerp(weight, share)
        for name, weight in trained.items()
    }
