"""Old and new forms of characters, by OpenCC's tables."""

from __future__ import annotations

import pytest

from hybridge.analysis.variants import characters


@pytest.mark.parametrize("language", ["chinese", "japanese"])
def test_each_character_has_one_usual_form(language: str) -> None:
    table = characters(language)
    assert len(table) > 400
    assert all(len(old) == len(new) == 1 for old, new in table.items())
    assert not table.keys() & table.values()


def test_known_pairs() -> None:
    chinese, japanese = characters("chinese"), characters("japanese")
    assert [chinese[c] for c in "漢語詞後發髮"] == [*"汉语词后发发"]
    assert [japanese[c] for c in "國會澤邊"] == [*"国会沢辺"]
    assert "汉" not in chinese
    assert "語" not in japanese


def test_other_languages_have_none() -> None:
    assert characters("korean") == characters(None) == {}
