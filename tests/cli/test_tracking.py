"""Tracking: which passages are replaced, which are gone, and which are never removed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from hybridge import Passage
from hybridge.cli.tracking import FILE, Stale, Tracking
from hybridge.readers import NO_TEXT, read_files

LONG = "\n\n".join(f"Paragraph {number}. " + "Words fill it. " * 40 for number in range(3))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = tmp_path / "project"
    (project / "docs" / "deep").mkdir(parents=True)
    monkeypatch.chdir(project)
    (project / "docs" / "fruit.md").write_text("# Fruit\n\nApples grow on trees.")
    (project / "docs" / "deep" / "long.txt").write_text(LONG)
    return project


class Held:
    """What an index would hold after some runs, and what the last of them calls stale."""

    def __init__(self, *passages: Passage) -> None:
        self.passages = {passage.id: passage for passage in passages}

    def run(self, *paths: str, prune: bool = False) -> Stale:
        tracking = Tracking([Path(path) for path in paths])
        skipped: dict[Path, str] = {}
        read = read_files(paths, on_skip=skipped.__setitem__)
        self.passages |= {passage.id: passage for passage in tracking.follow(read)}
        empty = [path for path, reason in skipped.items() if reason == NO_TEXT]
        stale = tracking.compare(list(self.passages.values()), empty=empty)
        for name in (*stale.replaced, *(stale.gone if prune else [])):
            del self.passages[name]
        return stale


PIECES = [f"docs/deep/long.txt#{number}" for number in range(3)]


def test_each_passage_is_given_its_file(folder: Path) -> None:
    held = Held()
    assert held.run("docs") == Stale([], [])
    assert {name: passage.metadata[FILE] for name, passage in held.passages.items()} == {
        **dict.fromkeys(PIECES, str(folder / "docs" / "deep" / "long.txt")),
        "docs/fruit.md#0": str(folder / "docs" / "fruit.md"),
    }
    assert held.passages["docs/fruit.md#0"].metadata["source"] == "docs/fruit.md"


def test_pieces_of_a_longer_version_are_replaced(folder: Path) -> None:
    held = Held()
    held.run("docs")
    (folder / "docs" / "deep" / "long.txt").write_text("Now it is short.")
    assert held.run("docs") == Stale(PIECES[1:], [])


@pytest.mark.parametrize("named", ["docs", "docs/deep", "docs/../docs/", ".", "docs/deep/.."])
def test_what_a_deleted_file_held_is_gone_from_every_folder_above_it(
    folder: Path, named: str
) -> None:
    held = Held()
    held.run("docs")
    (folder / "docs" / "deep" / "long.txt").unlink()
    (folder / "docs" / "deep" / "other.txt").write_text("Other.")
    assert held.run(named) == Stale([], PIECES)


def test_a_deleted_folder_s_files_are_gone(folder: Path) -> None:
    held = Held()
    held.run("docs")
    (folder / "docs" / "deep" / "long.txt").unlink()
    (folder / "docs" / "deep").rmdir()
    (folder / "docs" / "deep").write_text("a file now")
    assert held.run("docs") == Stale([], PIECES)


def test_what_an_empty_file_held_is_gone(folder: Path) -> None:
    held = Held()
    held.run("docs")
    (folder / "docs" / "deep" / "long.txt").write_text(" ")
    assert held.run("docs") == Stale([], PIECES)


def test_a_file_that_is_there_is_not_gone_whatever_keeps_it_from_being_read(folder: Path) -> None:
    held = Held()
    held.run("docs")
    (folder / "docs" / "deep" / "long.txt").write_bytes(bytes(9))
    assert held.run("docs") == Stale([], [])


def test_a_renamed_file_is_gone_under_its_old_name(folder: Path) -> None:
    held = Held()
    held.run("docs")
    (folder / "docs" / "fruit.md").rename(folder / "docs" / "trees.md")
    assert held.run("docs") == Stale([], ["docs/fruit.md#0"])
    assert "docs/trees.md#0" in held.passages


@pytest.mark.parametrize("named", ["docs/fruit.md", "docs2", "doc"])
def test_other_folders_and_files_are_not_looked_at(folder: Path, named: str) -> None:
    for other in ("docs2", "doc"):
        (folder / other).mkdir()
        (folder / other / "a.txt").write_text("A.")
    held = Held()
    held.run("docs", "docs2", "doc")
    (folder / "docs" / "deep" / "long.txt").unlink()
    assert held.run(named) == Stale([], [])


def test_what_others_added_stays(folder: Path) -> None:
    held = Held(
        Passage("docs/mine.md#0", "Mine.", {"source": "docs/mine.md", "position": 0}),
        Passage("loaded", "By a loader.", {"source": str(folder / "docs" / "loaded.txt")}),
        Passage("odd", "Another's key.", {FILE: 5}),
    )
    held.run("docs")
    (folder / "docs" / "deep" / "long.txt").unlink()
    assert held.run("docs") == Stale([], PIECES)


def test_names_that_two_projects_share_are_not_mixed_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held()
    held.run("docs")
    other = folder.parent / "other"
    (other / "docs").mkdir(parents=True)
    (other / "docs" / "note.md").write_text("A note.")
    monkeypatch.chdir(other)
    assert held.run("docs") == Stale([], [])
    assert held.run(".") == Stale([], [])


def test_a_folder_that_is_named_from_elsewhere_is_not_held_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held()
    held.run("docs")
    monkeypatch.chdir(folder / "docs")
    assert held.run(".") == Stale([*PIECES, "docs/fruit.md#0"], [])
    assert "fruit.md#0" in held.passages


def test_a_link_to_the_folder_is_the_folder(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "docs")
    held = Held()
    held.run("docs")
    (folder / "docs" / "deep" / "long.txt").unlink()
    assert held.run("link") == Stale(["docs/fruit.md#0"], PIECES)


def test_a_project_that_was_moved_as_a_whole_is_known(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held()
    held.run("docs")
    monkeypatch.chdir(folder.parent)
    moved = folder.rename("moved").absolute()
    monkeypatch.chdir(moved)
    (moved / "docs" / "deep" / "long.txt").unlink()
    assert held.run("docs") == Stale([], PIECES)


def entries(*names: str) -> str:
    return "".join(f'{{"id": "{name}", "text": "Entry {name}."}}\n' for name in names)


@pytest.mark.parametrize("named", ["docs", "docs/notes.jsonl"])
def test_an_entry_that_left_its_file_is_gone_and_not_replaced(folder: Path, named: str) -> None:
    """A file of entries may hold today's alone, and yesterday's are no older version of them."""
    file = folder / "docs" / "notes.jsonl"
    file.write_text(entries("a", "b", "c"))
    held = Held()
    held.run("docs")
    file.write_text(entries("b", "d"))
    assert held.run(named) == Stale([], ["a", "c"])
    file.unlink()
    assert held.run("docs", prune=True) == Stale([], ["a", "b", "c", "d"])
    assert sorted(held.passages) == [*PIECES, "docs/fruit.md#0"]


def test_where_nothing_can_be_known_nothing_is_gone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held()
    held.run("docs")

    def refuse(path: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    (folder / "docs" / "fruit.md").unlink()
    with monkeypatch.context() as patch:
        patch.setattr("hybridge.cli.tracking.os.lstat", refuse)
        tracking = Tracking([Path("docs")])
        known: Sequence[Passage] = list(held.passages.values())
        # Not by reading: that needs lstat too.
        assert tracking.compare(known, empty=[]) == Stale([], [])
    assert held.run("docs") == Stale([], ["docs/fruit.md#0"])
