from __future__ import annotations

from hybridge.vectors.store import Sparse
from hybridge.vectors.term_counts import Counting, TermCounts

BEETS: Sparse = ([7], [1.0])
BREAD: Sparse = ([9, 7], [1.0, 2.0])


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def asked(counting: Counting) -> list[object]:
    return list(counting.requests)


def counted(counts: TermCounts, query: Sparse, *answers: int) -> None:
    counts.finish(counts.begin([("bm25", query)]), [{"count": answer} for answer in answers])


def test_only_unknown_numbers_are_counted() -> None:
    counts = TermCounts("/collections/beets")
    counted(counts, BEETS, 10, 3)
    counting = counts.begin([("bm25", BREAD), ("other", BEETS)])
    assert asked(counting) == [("bm25", 9), ("other", 7)]
    answers = [{"count": 2}, {"count": 0}]
    assert counts.finish(counting, answers) == {
        None: 10,
        ("bm25", 7): 3,
        ("bm25", 9): 2,
        ("other", 7): 0,
    }


def test_counts_are_forgotten_after_a_write_and_a_minute() -> None:
    clock = Clock()
    counts = TermCounts("/collections/beets", clock=clock)
    counted(counts, BEETS, 10, 3)
    clock.now += 60
    assert asked(counts.begin([("bm25", BEETS)])) == []
    clock.now += 1
    assert asked(counts.begin([("bm25", BEETS)])) == [None, ("bm25", 7)]
    counted(counts, BEETS, 10, 3)
    counts.forget()
    assert asked(counts.begin([("bm25", BEETS)])) == [None, ("bm25", 7)]


def test_counts_from_before_a_write_are_not_remembered() -> None:
    counts = TermCounts("/collections/beets")
    counting = counts.begin([("bm25", BEETS)])
    counts.forget()  # another thread wrote meanwhile
    assert counts.finish(counting, [{"count": 10}, {"count": 3}])[None] == 10
    assert asked(counts.begin([("bm25", BEETS)])) == [None, ("bm25", 7)]


def test_requests_carry_the_parameters_of_reads() -> None:
    counts = TermCounts("/collections/beets", {"consistency": "all"})
    counting = counts.begin([("bm25", BEETS)])
    assert {str(r.params) for r in counting.requests.values()} == {"{'consistency': 'all'}"}
    assert {r.path for r in counting.requests.values()} == {"/collections/beets/points/count"}
