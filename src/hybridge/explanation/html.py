"""Explanations as HTML: self-contained, escaped, and readable on light and dark ground."""

from __future__ import annotations

from html import escape

from .heat import heat_table
from .section import Section, head, sections

__all__ = ["as_html", "as_page", "marked"]

# Colours are taken over from what is around, so that the same rules serve light and dark.
_STYLE = """
.hybridge{font:14px/1.45 system-ui,sans-serif;max-width:60em}
.hybridge table{border-collapse:collapse;margin:.2em 0 .6em;font-size:13px}
.hybridge th,.hybridge td{padding:.1em .6em;text-align:left;border:0;background:none;color:inherit}
.hybridge th{opacity:.7;font-weight:normal}
.hybridge td.n{text-align:right;font-variant-numeric:tabular-nums}
.hybridge h4{margin:.8em 0 .1em;font-size:14px}
.hybridge p{margin:.2em 0}.hybridge .note{opacity:.75;font-size:13px}
.hybridge mark{background:#e69f0066;color:inherit;border-radius:2px}
.hybridge .bar{background:#0072b2;height:.7em;min-width:1px;display:inline-block}
.hybridge .heat{display:block;overflow:auto;max-height:30em}
.hybridge .heat td{padding:.1em .3em;font-size:11px;text-align:right}
.hybridge .heat td.best{outline:2px solid currentColor;outline-offset:-2px;font-weight:bold}
.hybridge .heat th{font-size:11px;white-space:nowrap}
""".replace("\n", "")


def as_html(part: object) -> str:
    """A part of an explanation, or all of it, as a fragment with its own style."""
    return f'<div class="hybridge"><style>{_STYLE}</style>{_body(part)}</div>'


def as_page(part: object, title: str) -> str:
    """The same as a page of its own.

    Args:
        part: what to show.
        title: the page's.
    """
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title>"
        "<style>:root{color-scheme:light dark}</style></head>"
        f"<body>{as_html(part)}</body></html>\n"
    )


def marked(text: str, spans: tuple[tuple[int, int], ...]) -> str:
    """A text with some of it marked.

    >>> marked("a <b> c", ((3, 4),))
    'a &lt;<mark>b</mark>&gt; c'
    """
    pieces, at = [], 0
    for start, end in spans:
        pieces += [escape(text[at:start]), "<mark>", escape(text[start:end]), "</mark>"]
        at = end
    return "".join([*pieces, escape(text[at:])])


def _body(part: object) -> str:
    above, body = head(part), ""
    if above is not None and above.passage is not None:
        body = (
            f"<p>{escape(above.query)}</p>"
            f"<p><b>{escape(above.passage.id)}</b>: {escape(above.verdict)}</p>"
            f"<p>{marked(above.passage.text, above.spans)}</p>"
        )
    elif above is not None:
        body = f"<p><b>{escape(above.query)}</b></p>"
    body += "".join(_section(section) for section in sections(part))
    answers = () if above is None else above.answers
    return body + "".join(
        f"<details><summary>{rank}. {escape(id_)}</summary>{_body(one)}</details>"
        for rank, (id_, one) in enumerate(answers, start=1)
    )


def _section(section: Section) -> str:
    shown = f"<h4>{escape(section.title)}</h4>"
    heat = None if section.heat is None else heat_table(section.heat)
    if heat is not None:
        shown += heat
    elif section.columns:
        shown += _table(section)
    return shown + "".join(f'<p class="note">{escape(note)}</p>' for note in section.notes)


def _table(section: Section) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in section.columns)
    most = max((abs(float(row[-1])) for row in section.rows), default=0.0) if section.bars else 0.0
    rows = []
    for row in section.rows:
        cells = "".join(f"<td{_numeric(cell)}>{escape(cell)}</td>" for cell in row)
        if section.bars and most:
            width = 10 * max(float(row[-1]), 0.0) / most
            cells += f'<td><span class="bar" style="width:{width:.2f}em"></span></td>'
        rows.append(f"<tr>{cells}</tr>")
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _numeric(cell: str) -> str:
    return "" if cell.strip("–-0123456789.,") else ' class="n"'
