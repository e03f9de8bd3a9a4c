"""A picture is the same everywhere, says what it shows, and leaves the caller's settings alone."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from IPython.core.formatters import DisplayFormatter

from hybridge import Hit
from hybridge.errors import InvalidInputError
from hybridge.plots import Picture, rank_flow, score_distributions


@pytest.fixture
def hits(hits_of: Callable[..., list[Hit]]) -> list[Hit]:
    return hits_of({"bm25": ["a", "b"], "dense": ["c", "b"], "fusion": ["b", "a", "c"]})


@pytest.fixture
def picture(hits: list[Hit]) -> Picture:
    return rank_flow(hits)


def test_a_png_is_white_behind_and_twice_as_wide_as_a_page(
    picture: Picture, tmp_path: Path
) -> None:
    picture.save(tmp_path / "flow.PNG")
    data = (tmp_path / "flow.PNG").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">I", data[16:20]) == (1600,)
    from matplotlib.image import imread

    pixels = imread(tmp_path / "flow.PNG")
    assert pixels[0, 0].tolist() == [1, 1, 1, 1]


def test_an_svg_has_the_alternative_text_as_its_title(picture: Picture, tmp_path: Path) -> None:
    picture.save(str(tmp_path / "flow.svg"))
    root = ElementTree.parse(tmp_path / "flow.svg").getroot()
    assert root.findtext("{http://www.w3.org/2000/svg}title") == picture.alt
    assert b"date" not in (tmp_path / "flow.svg").read_bytes()


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_saving_twice_and_drawing_twice_give_the_same_bytes(
    hits: list[Hit], tmp_path: Path, ending: str
) -> None:
    picture = score_distributions(hits)
    files = [tmp_path / f"{i}.{ending}" for i in range(3)]
    picture.save(files[0])
    picture.save(files[1])
    score_distributions(hits).save(files[2])
    assert len({file.read_bytes() for file in files}) == 1


def test_another_ending_or_folder_is_refused(picture: Picture, tmp_path: Path) -> None:
    for name in ("flow.jpg", "flow"):
        with pytest.raises(InvalidInputError, match=r"\.png or \.svg, not 'flow"):
            picture.save(tmp_path / name)
    with pytest.raises(InvalidInputError, match=r"no folder .*nowhere"):
        picture.save(tmp_path / "nowhere" / "flow.png")
    assert list(tmp_path.iterdir()) == []


def test_notebooks_show_it_with_its_alternative_text(picture: Picture) -> None:
    shown, about = DisplayFormatter().format(picture)
    assert shown["image/png"].startswith(b"\x89PNG")
    assert about["image/png"] == {"width": 800, "alt": picture.alt}


def test_the_caller_s_settings_neither_matter_nor_change(hits: list[Hit], tmp_path: Path) -> None:
    rank_flow(hits).save(tmp_path / "plain.svg")
    with matplotlib.rc_context():
        matplotlib.style.use("dark_background")
        matplotlib.rcParams["font.size"] = 30
        before = dict(matplotlib.rcParams)
        rank_flow(hits).save(tmp_path / "dark.svg")
        assert dict(matplotlib.rcParams) == before
    assert (tmp_path / "plain.svg").read_bytes() == (tmp_path / "dark.svg").read_bytes()


def test_threads_may_draw_at_once(hits: list[Hit]) -> None:
    expected = rank_flow(hits)._repr_png_()
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda _: rank_flow(hits)._repr_png_(), range(8)))
    assert all(each == expected for each in drawn)


def test_pyplot_is_left_alone() -> None:
    program = """
import sys
import hybridge.plots
assert "matplotlib" not in sys.modules
from hybridge import Hit, Passage
hybridge.plots.rank_flow([Hit(Passage("a", "x"), 1.0)])._repr_png_()
assert "matplotlib" in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_matplotlib_the_extra_is_named() -> None:
    program = """
import sys
sys.modules["matplotlib"] = None
from hybridge import Hit, Passage
from hybridge.errors import MissingExtraError
from hybridge.explanation import BM25Part, TermPart
from hybridge.plots import rank_flow, term_parts
part = BM25Part(1.0, 1, (TermPart("cat", ("cats",), 1, 1, 1, 1.0, 1.0),))
for draw in (lambda: rank_flow([Hit(Passage("a", "x"), 1.0)]), lambda: term_parts(part)):
    try:
        draw()
    except MissingExtraError as error:
        assert "hybridge[evaluation]" in str(error)
    else:
        raise AssertionError("drawn without matplotlib")
"""
    subprocess.run([sys.executable, "-c", program], check=True)
