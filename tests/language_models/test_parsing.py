"""What is read of a model's answer: rankings, grades and lines, whatever stands around them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.language_models.parsing import (
    parse_grade,
    parse_grades,
    parse_lines,
    parse_ranking,
    parse_text,
)

ORDER = [2, 0, 3, 1]  # of four passages: 3, 1, 4, 2


@pytest.mark.parametrize(
    "answer",
    [
        "[3] > [1] > [4] > [2]",
        "3 > 1 > 4 > 2",
        "[3]>[1]>[4]>[2]",
        "3, 1, 4, 2",
        "[3], [1], [4], [2]",
        "[3, 1, 4, 2]",
        '{"ranking": [3, 1, 4, 2]}',
        '```json\n{"ranking": [3, 1, 4, 2], "note": "of 4"}\n```',
        '{"ranking": ["3", "[1]", "Passage 4", 2]}',
        '[{"passage": 3, "score": 9}, {"passage": 1, "score": 5}, {"id": 4}, {"index": "2"}]',
        '{"result": {"x": 1}, "list": [{"doc": 3}, {"doc": 1}, {"doc": 4}, {"doc": 2}]}',
        "[[3], [1], [4], [2]]",
        "Here are the 4 passages, best first:\n[3] > [1] > [4] > [2]\nI hope that 1 helps.",
        "1. [3]\n2. [1]\n3. [4]\n4. [2]",
        "1. 3\n2. 1\n3. 4\n4. 2",
        "1) Passage 3\n2) Passage 1\n3) Passage 4\n4) Passage 2",
        "- **Document 3**: fully\n- **Document 1**\n- **Document 4**\n- **Document 2**",
        "Doc: 3, Relevance: 9\nDoc: 1, Relevance: 7\nDoc: 4, Relevance: 2\nDoc: 2, Relevance: 1",
        "3\n1\n4\n2",
        "C > A > D > B",
        "[C] > [A] > [D] > [B]",
        "[3] > [3] > [1] > [9] > [4] > [1] > [2]",
        "<think>Is it [2] > [4]? No.</think>[3] > [1] > [4] > [2]",
        "First [2] > [1]. On reflection: [3] > [1] > [4] > [2]",
        "［３］＞［１］＞［４］＞［２］",
        "[2, 0, 3, 1]",  # counted from 0
        f"{'9' * 5000} > [3] > [1] > [4] > [2]",
        "-7 > [3] > [1] > [4] > [2]",
        "[3] ≻ [1] ≻ [4] ≻ [2]",
    ],
)
def test_a_ranking_is_read_in_any_form(answer: str) -> None:
    assert parse_ranking(answer, 4) == ORDER


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("[3] > [1]", [2, 0]),  # some missing
        ("[3] > [1] > [", [2, 0]),  # cut off
        ('{"ranking": [3, 1, 4', [2, 0, 3]),
        ("[3]", [2]),
        ("The best is passage 3.", [2]),
        ("[9] > [3]", [2]),
        ("", []),
        (" \n ", []),
        ("I'm sorry, but I cannot rank these passages.", []),
        ("A passage is best. I think so.", []),
        ("<think>[3] > [1] and so on", []),  # cut off before its answer
        ("{}", []),
        ("[]", []),
        ("[0] > [7]", []),
        ("2.5 and 1.5", []),
        ("\x00\ufffd", []),
    ],
)
def test_what_is_no_ranking_names_fewer_or_none(answer: str, expected: list[int]) -> None:
    assert parse_ranking(answer, 4) == expected


SHAPED = st.text(alphabet="[]{}<>0123456789,:;.\"'\n >ABCthink/-abc", max_size=80)


@given(st.text(max_size=200) | SHAPED, st.integers(1, 30))
def test_no_answer_raises_or_names_a_passage_twice(answer: str, count: int) -> None:
    ranking = parse_ranking(answer, count)
    assert len(set(ranking)) == len(ranking)
    assert all(0 <= position < count for position in ranking)
    for grade in (*parse_grades(answer, count, 3), parse_grade(answer, 3)):
        assert grade is None or 0 <= grade <= 3
    assert all(line.strip() for line in parse_lines(answer))
    assert all(parse_text(answer))


def test_deep_json_and_many_brackets_are_no_error() -> None:
    assert parse_ranking("[" * 100_000, 4) == []
    assert parse_ranking("{" * 1000 + "[3] > [1]", 4) == [2, 0]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("2", 2.0),
        ("Grade: 2", 2.0),
        ("Grade: 2/3", 2.0),
        ("2 out of 3", 2.0),
        ("**Relevance**: 2", 2.0),
        ("It names 3 drugs, so the grade is 2.", 2.0),
        ('{"grades": [2]}', 2.0),
        ('{"grade": 2}', 2.0),
        ("1.5", 1.5),
        ("７", None),
        ("7", None),
        ("-1", None),
        ("none", None),
        ("", None),
        ("<think>3</think> 2", 2.0),
    ],
)
def test_a_grade_is_read_if_there_is_one(answer: str, expected: float | None) -> None:
    assert parse_grade(answer, 3) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("Yes", 1.0), ("no.", 0.0), ("**No**, it does not.", 0.0), ("true", 1.0), ("1", 1.0)],
)
def test_yes_and_no_are_grades_of_two(answer: str, expected: float) -> None:
    assert parse_grade(answer, 1) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("[1]: 3\n[2]: 0\n[3]: 1", [3.0, 0.0, 1.0]),
        ("[2]: 0, [1]: 3", [3.0, 0.0, None]),
        ("1: 3\n2: 0\n3: 1", [3.0, 0.0, 1.0]),
        ("Passage 1: grade 3\nPassage 2 = 0", [3.0, 0.0, None]),
        ('{"grades": [3, 0, 1]}', [3.0, 0.0, 1.0]),
        ('{"1": 3, "2": 0, "3": 1}', [3.0, 0.0, 1.0]),
        ("[3, 0, 1]", [3.0, 0.0, 1.0]),
        ('{"3": 1, "1": 3, "2": 0}', [3.0, 0.0, 1.0]),
        ('[{"passage": 2, "grade": 0}, {"passage": 1, "grade": 3}]', [3.0, 0.0, None]),
        ('{"grades": [{"passage": "[3]", "score": 2}]}', [None, None, 2.0]),
        ('{"passage 1": {"grade": 3}, "passage 9": {"grade": 1}}', [3.0, None, None]),
        ("[1]: 9\n[2]: 0", [None, 0.0, None]),
        ("I cannot.", [None, None, None]),
    ],
)
def test_grades_are_read_by_number(answer: str, expected: list[float | None]) -> None:
    assert parse_grades(answer, 3, 3) == expected


def test_the_grade_of_one_passage_needs_no_number_of_it() -> None:
    assert parse_grades('{"id": 17, "grade": 2}', 1, 3) == [2.0]
    assert parse_grades('{"passage": 1, "grade": 3}', 2, 3) == [3.0, None]


@pytest.mark.parametrize(
    "answer",
    [
        "why tea\nhot milk",
        "1. why tea\n2. hot milk",
        "- why tea\n* hot milk\n",
        '1) "why tea"\n2) "hot milk"',
        "Here are two phrasings:\n\nwhy tea\nhot milk",
        '{"queries": ["why tea", "hot milk"]}',
        "<think>Hm.</think>why tea\nWhy Tea\nhot milk",
    ],
)
def test_lines_are_read_without_marks(answer: str) -> None:
    assert parse_lines(answer) == ["why tea", "hot milk"]


def test_half_a_character_is_no_error_to_come() -> None:
    [line] = parse_lines('{"queries": ["why \\ud83d tea"]}')
    assert line == "why ? tea"
    assert parse_lines("why \ud83d tea") == parse_text("why \ud83d tea") == ["why ? tea"]
    assert parse_lines('["\\ud83c\\udf75 tea"]') == ["🍵 tea"]
