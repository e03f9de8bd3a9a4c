"""Links: a view is its link, whatever is in it."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.errors import InvalidInputError
from hybridge.server import Options
from hybridge.server.ask.view import View, beside

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_options = st.builds(
    Options,
    k=st.integers(1, 1000),
    where=st.none() | st.dictionaries(_texts, st.integers() | _texts, min_size=1),
    weights=st.none() | st.dictionaries(_texts, st.floats(0, 9), min_size=1),
    fusion=st.none() | st.sampled_from(["rrf", "true", "1"]),
    rerank=st.lists(_texts, max_size=3).map(tuple),
    distinct=st.none() | st.booleans() | st.floats(0, 1),
    group_by=st.none() | _texts.filter(bool),
)


def parsed(link: str) -> View:
    return View.from_params(dict(parse_qsl(urlsplit(link).query, keep_blank_values=True)))


@given(_texts, _options, st.none() | _options, st.none() | _texts.filter(bool))
def test_a_link_holds_all_of_a_view(
    question: str, first: Options, second: Options | None, explained: str | None
) -> None:
    other = None if second is None else beside(first, second)
    view = View(question, first, other, explained, "b" if other else "a")
    assert parsed(view.link()) == view
    assert view.link().isascii()


def test_the_second_setting_has_the_filter_of_the_first() -> None:
    view = parsed('/?q=x&where={"year":1}&compare=1&b.where={"year":2}&b.k=4')
    assert view.second == Options(k=4, where={"year": 1})
    assert "b.where" not in view.params()
    assert view.options() == Options(where={"year": 1})
    assert parsed(view.link(side="b")).options() == view.second


@pytest.mark.parametrize("link", ["/?unknown=1", "/?k=0", "/?compare=1&b.k=x", "/?where=[1]"])
def test_what_is_no_view_is_refused(link: str) -> None:
    with pytest.raises(InvalidInputError):
        parsed(link)
