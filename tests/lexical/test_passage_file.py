"""Passages on disk come back whole, and damage is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge.errors import CorruptIndexError, IndexExistsError, IndexNotFoundError, StoreError
from hybridge.lexical.passage_file import check_ours, read_passages, write_passages
from hybridge.passages import Passage

PASSAGES = [
    Passage("b", "two\nlines\u2028and \x00 more", {"n": 1, "deep": {"list": [1.5, None, "ü"]}}),
    Passage("a", ""),
]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
passages = st.builds(
    Passage,
    id=st.text(min_size=1),
    text=st.text(),
    metadata=st.dictionaries(st.text(), json_values, max_size=3),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(passages, max_size=4, unique_by=lambda passage: passage.id))
def test_passages_come_back(
    tmp_path_factory: pytest.TempPathFactory, written: list[Passage]
) -> None:
    path = tmp_path_factory.mktemp("passages") / "p"
    write_passages(path, {"more": ["x"]}, written)
    header, read = read_passages(path)
    assert header["more"] == ["x"]
    assert read == written
    assert [dict(p.metadata) for p in read] == [dict(p.metadata) for p in written]


def test_a_file_cut_anywhere_is_named(tmp_path: Path) -> None:
    path = tmp_path / "p"
    write_passages(path, {}, PASSAGES)
    whole = path.read_bytes()
    for end in range(len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(CorruptIndexError, match=str(path)):
            read_passages(path)


@pytest.mark.parametrize(
    "line", ["[]", "{}", '{"id": ""}', '{"id": "x", "text": 5}', '{"id": "x", "colour": 1}', "\xff"]
)
def test_a_line_that_is_no_passage(tmp_path: Path, line: str) -> None:
    path = tmp_path / "p"
    write_passages(path, {}, PASSAGES[:1])
    header = path.read_bytes().splitlines()[0]
    path.write_bytes(header + b"\n" + line.encode("latin-1"))
    with pytest.raises(CorruptIndexError, match=str(path)):
        read_passages(path)


def test_a_passage_that_comes_twice(tmp_path: Path) -> None:
    path = tmp_path / "p"
    write_passages(path, {}, [PASSAGES[0], PASSAGES[0]])
    with pytest.raises(CorruptIndexError, match="of its 2 passages"):
        read_passages(path)


def test_another_format(tmp_path: Path) -> None:
    path = tmp_path / "p"
    write_passages(path, {}, [])
    header = json.loads(path.read_bytes())
    path.write_text(json.dumps(header | {"version": 2}))
    with pytest.raises(CorruptIndexError, match=r"is of format 2.*upgrade"):
        read_passages(path)
    path.write_text('{"_id": "1", "text": "a BEIR corpus"}\n')
    with pytest.raises(CorruptIndexError, match="not written by Hybridge"):
        read_passages(path)


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError, match="nowhere"):
        read_passages(tmp_path / "nowhere" / "p")
    with pytest.raises(StoreError, match="cannot read"):
        read_passages(tmp_path)


def test_only_our_own_folders_are_written_to(tmp_path: Path) -> None:
    check_ours(tmp_path / "new", "p")
    check_ours(tmp_path, "p")
    (tmp_path / ".p.tmp").write_text("what an interrupted save left")
    check_ours(tmp_path, "p")
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(IndexExistsError, match="holds something else"):
        check_ours(tmp_path, "p")
    with pytest.raises(IndexExistsError, match="holds something else"):
        check_ours(tmp_path / "thesis.tex", "p")
    (tmp_path / "p").write_text("not ours either")
    with pytest.raises(IndexExistsError, match="holds something else"):
        check_ours(tmp_path, "p")
    write_passages(tmp_path / "p", {}, PASSAGES)
    check_ours(tmp_path, "p")
