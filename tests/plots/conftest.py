"""What tests of pictures share: hits with traces, and a look at what was drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import pytest
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.text import Text

from hybridge import Hit, Passage, StageScore
from hybridge.plots import Picture


@pytest.fixture
def hits_of() -> Callable[..., list[Hit]]:
    """Return a function that makes hits of the ids that each stage ranked, the last one finally."""

    def make(stages: Mapping[str, Sequence[str]], title: str | None = None) -> list[Hit]:
        final = list(stages.values())[-1]
        return [
            Hit(
                Passage(id_, "text", {} if title is None else {"title": title}),
                1.0 / rank,
                tuple(
                    StageScore(stage, ids.index(id_) + 1, 10.0 - ids.index(id_))
                    for stage, ids in stages.items()
                    if id_ in ids
                ),
            )
            for rank, id_ in enumerate(final, start=1)
        ]

    return make


@pytest.fixture
def texts_of() -> Callable[[Figure], list[str]]:
    """Return a function that lists the texts of a figure."""
    return lambda figure: [text.get_text() for text in _texts(figure)]


@pytest.fixture
def named() -> Callable[[Figure, str], list[Artist]]:
    """Return a function that lists the artists with a name."""
    return lambda figure, gid: figure.findobj(lambda artist: artist.get_gid() == gid)


@pytest.fixture
def check_tidy() -> Callable[[Picture], None]:
    """Return a function that fails if texts overlap, leave the picture or are too small."""

    def check(picture: Picture) -> None:
        figure = picture.figure
        figure.draw_without_rendering()  # ticks get their texts when they are drawn
        boxes = [(text, text.get_window_extent()) for text in _texts(figure)]
        page = figure.bbox.padded(0.5)
        for text, box in boxes:
            assert text.get_fontsize() >= 9
            assert page.x0 <= box.x0, text.get_text()
            assert box.x1 <= page.x1, text.get_text()
            assert page.y0 <= box.y0, text.get_text()
            assert box.y1 <= page.y1, text.get_text()
        for (one, box), (other, another) in combinations(boxes, 2):
            # A line's box has more room above and below its letters than they need.
            apart = not box.padded(-1, -2).overlaps(another.padded(-1, -2))
            assert apart, (one.get_text(), other.get_text())

    return check


def _texts(figure: Figure) -> list[Text]:
    unseen = set()  # matplotlib keeps ticks outside of the axes, and does not draw them
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        ticks = [tick for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high]
        unseen |= {label for tick in ticks for label in (tick.label1, tick.label2)}
    return [
        text
        for text in figure.findobj(Text)
        if isinstance(text, Text)
        and text not in unseen
        and text.get_visible()
        and text.get_text().strip()
    ]
