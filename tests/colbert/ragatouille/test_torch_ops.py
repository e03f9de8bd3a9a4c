"""Each function against plain loops that compute what colbert-ai's C++ computes."""

from __future__ import annotations

import logging
from itertools import product

import pytest
import torch

from hybridge.colbert.ragatouille import torch_ops
from hybridge.colbert.ragatouille.compat import ragatouille

LENGTHS = torch.tensor([3, 1, 7, 2, 5, 4])
OFFSETS = torch.cat([torch.zeros(1, dtype=torch.int64), LENGTHS.cumsum(0)])
TOKENS = int(LENGTHS.sum())
PIDS = torch.tensor([4, 0, 3], dtype=torch.int32)


def rows(pid: int) -> range:
    return range(int(OFFSETS[pid]), int(OFFSETS[pid] + LENGTHS[pid]))


def test_maxsim_sums_the_best_matches() -> None:
    scores = torch.randn(TOKENS, 3, generator=torch.Generator().manual_seed(0))
    scores[rows(1)] = -1.0
    expected = [
        sum(max([0.0, *(float(scores[row, token]) for row in rows(pid))]) for token in range(3))
        for pid in range(len(LENGTHS))
    ]
    found = torch_ops.segmented_maxsim(scores, LENGTHS).tolist()
    assert found == pytest.approx(expected)
    assert found[1] == 0.0  # as in C++, a match counts nothing rather than less


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.float32])
def test_lookup_joins_rows(dtype: torch.dtype) -> None:
    for packed in (torch.arange(TOKENS), torch.arange(TOKENS * 2).view(-1, 2)):
        expected = torch.cat([packed[list(rows(int(pid)))] for pid in PIDS]).to(dtype)
        lengths, offsets = LENGTHS[PIDS.long()], OFFSETS[PIDS.long()]
        found = torch_ops.segmented_lookup(packed.to(dtype), PIDS, lengths, offsets)
        assert torch.equal(found, expected)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_residuals_are_decompressed(bits: int) -> None:
    draw = torch.Generator().manual_seed(bits)
    dimension, a_byte = 16, 8 // bits
    weights = torch.randn(2**bits, generator=draw)
    reverse = torch.randperm(256, generator=draw).to(torch.uint8)
    combinations = torch.tensor(list(product(range(2**bits), repeat=a_byte))).to(torch.uint8)
    centroids = torch.randn(5, dimension, generator=draw)
    codes = torch.randint(5, (TOKENS,), generator=draw, dtype=torch.int32)
    residuals = torch.randint(256, (TOKENS, dimension // a_byte), generator=draw).to(torch.uint8)
    expected = []
    for pid in PIDS.tolist():
        for row in rows(pid):
            vector = [
                float(weights[index])
                for byte in residuals[row]
                for index in combinations[reverse[int(byte)].long()].tolist()
            ]
            expected.append(centroids[codes[row]] + torch.tensor(vector))
    found = torch_ops.decompress_residuals(
        PIDS, LENGTHS, OFFSETS, weights, reverse, combinations, residuals, codes, centroids,
        dimension, bits,
    )  # fmt: skip
    assert torch.equal(found, torch.stack(expected))


@pytest.mark.parametrize("seed", range(8))
def test_passages_are_filtered_by_their_centroids(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    # Whole numbers, so that sums are exact and ties are many.
    scores = torch.randint(-3, 4, (5, 2), generator=draw).float()
    codes = torch.randint(5, (TOKENS,), generator=draw, dtype=torch.int32)
    counted = torch.rand(5, generator=draw) > 0.5
    pids = torch.arange(len(LENGTHS), dtype=torch.int32)

    def best(pids: list[int], counted: list[bool], count: int) -> list[int]:
        def score(pid: int) -> float:
            tokens = [int(codes[row]) for row in rows(pid)]
            kept = [scores[token].tolist() for token in tokens if counted[token]]
            return sum(map(max, zip([-9999.0] * 2, *kept, strict=True)))

        # C++ takes pairs of score and passage from a heap, the greatest first.
        return [pid for _, pid in sorted(((score(pid), pid) for pid in pids), reverse=True)][:count]

    for kept in (4, 8, 12, 40):
        expected = best(best(pids.tolist(), counted.tolist(), kept), [True] * 5, kept // 4)
        found = torch_ops.filter_pids(pids, scores, codes, LENGTHS, OFFSETS, counted, kept)
        assert found.tolist() == expected
        assert found.dtype == torch.int32


def test_they_are_installed_unless_others_are(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ragatouille()
    from colbert.modeling.colbert import ColBERT
    from colbert.search.index_storage import IndexScorer
    from colbert.search.strided_tensor import StridedTensor

    for owner in (ColBERT, StridedTensor, IndexScorer):
        monkeypatch.setattr(owner, "loaded_extensions", True, raising=False)
        monkeypatch.delattr(owner, "loaded_extensions")
    with caplog.at_level(logging.INFO):
        torch_ops.install()
        torch_ops.install()
    [line] = caplog.messages
    assert "nothing is compiled" in line
    assert ColBERT.segmented_maxsim is torch_ops.segmented_maxsim
    assert IndexScorer.filter_pids is torch_ops.filter_pids
    compiled = object()
    monkeypatch.setattr(ColBERT, "segmented_maxsim", compiled)
    torch_ops.install()
    assert ColBERT.segmented_maxsim is compiled
