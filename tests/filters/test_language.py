from __future__ import annotations

import pytest

from hybridge.errors import InvalidInputError
from hybridge.filters import And, Eq, Filter, Gte, IdIn, Not, Or
from hybridge.passages import Passage

A, B, C = Eq("a", 1), Eq("b", 2), Gte("c", 3)


@pytest.mark.parametrize("a", [0, 1])
@pytest.mark.parametrize("b", [0, 2])
def test_combinations(a, b):
    passage = Passage("p1", "text", {"a": a, "b": b})
    assert (A & B).matches(passage) is (a == 1 and b == 2)
    assert (A | B).matches(passage) is (a == 1 or b == 2)
    assert (~A).matches(passage) is (a != 1)
    assert (~(A & ~B)).matches(passage) is not (a == 1 and b != 2)


def test_nothing_to_meet_and_nothing_to_choose():
    passage = Passage("p1", "text")
    assert And().matches(passage)
    assert not Or().matches(passage)


def test_operators_build_flat_combinations():
    assert And(A, B, C) == A & B & C
    assert And(A, B, C) == A & (B & C)
    assert Or(A, B, C) == A | B | C
    assert Or(And(A, B), C) == A & B | C
    assert Not(A) == ~A
    assert And(A, B) != Or(A, B)
    assert And(A, B) != And(B, A)


def test_hashable():
    assert {A & B: 1}[And(Eq("a", 1.0), B)] == 1
    assert len({A, B, A & B, A | B, ~A, And(), Or(), IdIn(["x"])}) == 8


def test_ids():
    assert IdIn(["p1"]).matches(Passage("p1", ""))
    assert not IdIn(["p1"]).matches(Passage("p2", "", {"id": "p1"}))
    assert not IdIn([]).matches(Passage("p1", ""))
    assert IdIn(["a", "b"]) == IdIn(("b", "a", "a"))
    assert hash(IdIn(["a", "b"])) == hash(IdIn(["b", "a"]))


def test_a_whole_number_is_its_digits():
    assert IdIn([5]) == IdIn(["5"])
    assert IdIn([5]).matches(Passage(5, ""))


@pytest.mark.parametrize("ids", ["p1", 1, [1.0], [True], [None], None, ["\ud800"]])
def test_ids_are_a_list_of_strings(ids):
    with pytest.raises(InvalidInputError, match="IdIn"):
        IdIn(ids)


@pytest.mark.parametrize("build", [And, Or, Not])
def test_only_filters_combine(build):
    with pytest.raises(InvalidInputError, match="as_filter"):
        build({"a": 1})
    with pytest.raises(TypeError):
        A & {"a": 1}
    with pytest.raises(TypeError):
        A | None


def test_a_filter_of_ones_own_combines_too():
    class LongText(Filter):
        def matches(self, passage):
            return len(passage.text) > 5

        def to_dict(self):
            return {}

    mine = LongText()
    assert (mine & ~A).matches(Passage("p1", "long text"))
    assert {mine & A} == {mine & A}
    assert mine != LongText()
