"""Reading files as passages: documents, tables, notebooks, source code, JSONL and BEIR collections.

Documents are split, with a passage's page, slide, sheet, cell or line in its metadata; each entry
of a JSONL file is one passage. Unreadable files are skipped with the reason, never in silence.
"""

from __future__ import annotations

from .folder import NO_TEXT, Skip, read_files, read_passages
from .jsonl import read_json_lines, read_jsonl
from .kinds import READERS

__all__ = [
    "NO_TEXT",
    "READERS",
    "Skip",
    "read_files",
    "read_json_lines",
    "read_jsonl",
    "read_passages",
]
