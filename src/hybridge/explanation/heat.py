"""MaxSim as a coloured table: each query token against each token of the passage."""

from __future__ import annotations

from html import escape

from .section import TokenMatrix

__all__ = ["heat_table"]

# What is larger is told by its strongest pairs.
_MOST_CELLS = 4_000
# Points of the colour map cividis, which those who see few colours can read as well:
# J. R. Nuñez, C. R. Anderton and R. S. Renslow, PLoS ONE 13(7), 2018.
_CIVIDIS = [(0, 34, 78), (64, 77, 107), (125, 124, 120), (190, 175, 110), (254, 232, 56)]


def heat_table(part: TokenMatrix) -> str | None:
    """The matrix as a table, the greatest of each row framed; None where it is too large."""
    if part.matrix.size > _MOST_CELLS or not part.matrix.size:
        return None
    low, high = float(part.matrix.min()), float(part.matrix.max())
    head = "".join(f"<th>{escape(token)}</th>" for token in part.passage_tokens)
    rows = []
    for token, values in zip(part.query_tokens, part.matrix.tolist(), strict=True):
        best = max(range(len(values)), key=values.__getitem__)
        cells = "".join(
            _cell(value, (value - low) / (high - low) if high > low else 0.0, column == best)
            for column, value in enumerate(values)
        )
        rows.append(f"<tr><th>{escape(token)}</th>{cells}<td>{values[best]:.2f}</td></tr>")
    return f'<table class="heat"><tr><th></th>{head}<th>best</th></tr>{"".join(rows)}</table>'


def _cell(value: float, share: float, is_best: bool) -> str:
    red, green, blue = _colour(share)
    # Black on the lighter half and white on the darker: 4.5 to 1 at least, as WCAG 2 asks.
    ink = "#000" if _luminance(red, green, blue) > 0.179 else "#fff"
    best = ' class="best"' if is_best else ""
    style = f"background:rgb({red},{green},{blue});color:{ink}"
    return f'<td{best} style="{style}">{value:.2f}</td>'


def _colour(share: float) -> tuple[int, int, int]:
    place = share * (len(_CIVIDIS) - 1)
    at = min(int(place), len(_CIVIDIS) - 2)
    red, green, blue = (
        round(low + (high - low) * (place - at))
        for low, high in zip(_CIVIDIS[at], _CIVIDIS[at + 1], strict=True)
    )
    return red, green, blue


def _luminance(*channels: int) -> float:
    """WCAG 2's relative luminance of a colour."""
    linear = [
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
        for share in (channel / 255 for channel in channels)
    ]
    return sum(
        weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
    )
