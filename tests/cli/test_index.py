"""`hybridge index`: what goes in, what is left alone, what goes out, and what stops it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hybridge import HybridIndex, SentenceTransformerEncoder
from hybridge.cli.commands import hybridge
from hybridge.encoders import CachedEncoder
from hybridge.search_text import SearchText

LONG = "\n\n".join(f"Paragraph {number}. " + "Words fill it. " * 20 for number in range(6))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "fruit.md").write_text("# Fruit\n\nApples grow on trees.")
    (tmp_path / "docs" / "long.txt").write_text(LONG)
    return tmp_path


def index(*arguments: str) -> Result:
    return CliRunner().invoke(hybridge, ["index", *arguments])


def ids(path: str) -> list[str]:
    with HybridIndex.open(path) as opened:
        return sorted(passage.id for passage in opened)


@pytest.mark.model
def test_a_folder_is_indexed_and_can_be_opened(folder: Path) -> None:
    result = index("docs", "--to", "idx")
    assert result.exit_code == 0, result.output
    assert "Read 4 passages: 4 new or changed, 0 removed" in result.stdout
    assert "idx holds 4." in result.stdout
    assert ids("idx") == ["docs/fruit.md#0", *(f"docs/long.txt#{n}" for n in range(3))]


@pytest.mark.model
def test_what_is_unchanged_is_left_alone_and_what_is_gone_goes(folder: Path) -> None:
    index("docs", "--to", "idx")
    assert "0 new or changed, 0 removed" in index("docs", "--to", "idx").stdout
    (folder / "docs" / "long.txt").write_text("Now it is short.")
    (folder / "docs" / "more.md").write_text("More.")
    result = index("docs", "--to", "idx")
    assert "Read 3 passages: 2 new or changed, 2 removed" in result.stdout
    assert ids("idx") == ["docs/fruit.md#0", "docs/long.txt#0", "docs/more.md#0"]


@pytest.mark.model
def test_vectors_are_kept_for_another_index(folder: Path) -> None:
    for name in ("one", "two"):
        result = index("docs", "--to", name, "--cache", "vectors")
        assert result.exit_code == 0, result.output
    cached = CachedEncoder(SentenceTransformerEncoder(), "vectors")
    with HybridIndex.open("two") as opened:
        texts = [passage.text for passage in opened]
    cached.encode_passages(texts)
    assert [cached.info()[name] for name in ("vectors", "hits", "misses")] == [4, 4, 0]
    assert "is a file" in index("docs", "--to", "three", "--cache", "docs/fruit.md").output


@pytest.mark.model
def test_other_documents_of_the_index_stay(folder: Path) -> None:
    index("docs/long.txt", "--to", "idx")
    index("docs/fruit.md", "--to", "idx")
    assert len(ids("idx")) == 4


@pytest.mark.engine
@pytest.mark.model
def test_skipped_files_are_told_but_not_those_of_the_index_itself(folder: Path) -> None:
    (folder / "docs" / "photo.png").write_bytes(b"\x89PNG")
    index("docs/fruit.md", "--to", "docs/idx")
    result = index("docs", "--to", "docs/idx")
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines() == ["skipped docs/photo.png: unknown kind of file '.png'"]


@pytest.mark.engine
@pytest.mark.model
def test_of_many_skipped_files_the_first_are_told(folder: Path) -> None:
    for number in range(15):
        (folder / "docs" / f"{number:02}.png").write_bytes(b"\x89PNG")
    lines = index("docs", "--to", "idx").stderr.splitlines()
    assert len(lines) == 11
    assert lines[-1] == "skipped 5 more files"


@pytest.mark.engine
@pytest.mark.model
def test_what_is_skipped_is_counted_and_named_at_the_end(folder: Path) -> None:
    (folder / "docs" / "photo.png").write_bytes(b"\x89PNG")
    (folder / "docs" / "blank.md").write_text(" ")
    (folder / "docs" / "broken.pdf").write_bytes(b"%PDF-1.4")
    result = index("docs", "--to", "idx")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "3 files skipped."
    lines = result.stderr.splitlines()
    assert lines[0] == "skipped docs/blank.md: no text in it"
    assert lines[1].startswith("skipped docs/broken.pdf: not a valid PDF")
    assert lines[2:] == ["skipped docs/photo.png: unknown kind of file '.png'"]


@pytest.mark.engine
@pytest.mark.model
def test_of_every_reason_the_first_are_named(folder: Path) -> None:
    for number in range(15):
        (folder / "docs" / f"{number:02}.png").write_bytes(b"\x89PNG")
    (folder / "docs" / "z.docx").write_bytes(b"")
    result = index("docs", "--to", "idx")
    assert "16 files skipped." in result.stdout
    assert "skipped docs/z.docx: damaged" in result.stderr
    assert result.stderr.splitlines()[-1] == "skipped 5 more files"


def test_strict_names_all_of_them_and_indexes_nothing(folder: Path) -> None:
    for number in range(15):
        (folder / "docs" / f"{number:02}.png").write_bytes(b"\x89PNG")
    result = index("docs", "--to", "idx", "--strict")
    assert result.exit_code == 1
    assert (
        "nothing was indexed: 15 files cannot be read: docs/00.png (unknown kind" in result.stderr
    )
    assert "docs/14.png" in result.stderr
    assert not (folder / "idx").exists()


@pytest.mark.model
def test_strict_passes_where_nothing_is_skipped(folder: Path) -> None:
    assert index("docs", "--to", "idx", "--strict").exit_code == 0
    assert len(ids("idx")) == 4


@pytest.mark.model
def test_a_missing_extra_is_one_line_and_the_rest_is_indexed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mammoth", None)
    (folder / "docs" / "a.docx").write_bytes(b"")
    result = index("docs", "--to", "idx")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "skipped docs/a.docx: 'mammoth' is not installed. Install it with: "
        "pip install 'hybridge[files]'"
    ]
    assert len(ids("idx")) == 4


@pytest.mark.model
def test_pages_and_rows_can_be_filtered_by(folder: Path) -> None:
    (folder / "docs" / "fruit.csv").write_text("name,colour\nApple,red\nPear,green\n")
    index("docs", "--to", "idx")
    with HybridIndex.open("idx") as opened:
        [[hit]] = opened.search(["fruit"], where={"row": 3})
    assert hit.passage.text == "name: Pear\ncolour: green"


@pytest.mark.model
def test_passages_of_gone_files_are_told_of_and_pruned_on_demand(folder: Path) -> None:
    index("docs", "--to", "idx")
    (folder / "docs" / "long.txt").unlink()
    result = index("docs", "--to", "idx")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == (
        "3 passages of files or entries that are gone: --prune removes them."
    )
    assert len(ids("idx")) == 4
    result = index("docs", "--to", "idx", "--prune")
    assert "0 new or changed, 3 removed" in result.stdout
    assert "--prune" not in result.stdout
    assert ids("idx") == ["docs/fruit.md#0"]
    assert "0 removed" in index("docs", "--to", "idx", "--prune").stdout


@pytest.mark.model
def test_a_file_that_cannot_be_read_any_more_is_not_gone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "docs" / "page.html").write_text("<p>A page.</p>")
    index("docs", "--to", "idx")
    monkeypatch.setitem(sys.modules, "markdownify", None)
    (folder / "docs" / "long.txt").write_bytes(bytes(9))
    result = index("docs", "--to", "idx", "--prune")
    assert "0 removed" in result.stdout
    assert "2 files skipped" in result.stdout
    assert len(ids("idx")) == 5


@pytest.mark.model
def test_prune_empties_an_index_of_a_folder_that_is_empty(folder: Path) -> None:
    index("docs", "--to", "idx")
    for file in (folder / "docs").iterdir():
        file.unlink()
    result = index("docs", "--to", "idx")
    assert result.exit_code == 1
    assert "no text to index" in result.stderr
    assert len(ids("idx")) == 4
    result = index("docs", "--to", "idx", "--prune")
    assert result.exit_code == 0, result.output
    assert "4 removed" in result.stdout
    assert ids("idx") == []
    assert index("docs", "--to", "none", "--prune").exit_code == 1
    assert not (folder / "none").exists()


def test_a_bad_entry_stops_it_before_anything_is_made(folder: Path) -> None:
    (folder / "docs" / "bad.jsonl").write_text('{"_id": "a", "text": "fine"}\n{"_id": "b"')
    result = index("docs", "--to", "idx")
    assert result.exit_code == 1
    assert "bad.jsonl, line 2: not valid JSON" in result.stderr
    assert not (folder / "idx").exists()


def test_nothing_to_index_is_an_error(folder: Path) -> None:
    (folder / "empty").mkdir()
    result = index("empty", "--to", "idx")
    assert result.exit_code == 1
    assert "no text to index in empty" in result.stderr


@pytest.mark.model
def test_options_reach_a_new_index(folder: Path) -> None:
    index("docs", "--to", "idx", "--language", "de", "--lexical", "qdrant", "--size", "300")
    assert len(ids("idx")) > 4
    with HybridIndex.open("idx") as opened:
        facts = opened.info()
    assert facts["stages"]["bm25"]["lexical"] == "qdrant"
    assert "german" in str(facts["stages"]["bm25"]["analyzer"])


@pytest.mark.engine
@pytest.mark.model
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--lexical", "qdrant"], "idx was made with --lexical bm25s"),
        (["--language", "de"], "german"),
    ],
)
def test_options_that_contradict_the_index_are_refused(
    folder: Path, options: list[str], says: str
) -> None:
    index("docs", "--to", "idx")
    result = index("docs", "--to", "idx", *options)
    assert result.exit_code == 1
    assert says in result.stderr


def test_an_unknown_encoder_is_named_and_nothing_is_made(folder: Path) -> None:
    result = index("docs", "--to", "idx", "--encoder", "nobody/no-such-model")
    assert result.exit_code == 1
    assert "nobody/no-such-model" in result.stderr
    assert not (folder / "idx").exists()


@pytest.mark.engine
@pytest.mark.model
def test_the_precision_of_a_new_index(folder: Path) -> None:
    small = ["--encoder", "BAAI/bge-small-en-v1.5"]  # packaged in int8 alone
    refused = index("docs", "--to", "idx", *small)
    assert refused.exit_code == 1
    assert 'set dtype="int8" for the packaged copy' in " ".join(refused.stderr.split())
    assert index("docs", "--to", "idx", *small, "--dtype", "int8").exit_code == 0
    assert "0 new or changed" in index("docs", "--to", "idx").stdout
    with HybridIndex.open("idx") as opened:
        assert '"dtype": "int8"' in opened.encoder.identity
    other = index("docs", "--to", "idx", *small, "--dtype", "float32")
    assert other.exit_code == 1


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.model
def test_a_qdrant_url(folder: Path) -> None:
    result = index("docs", "--url", ":memory:", "--collection", "fruit")
    assert result.exit_code == 0, result.output
    assert ":memory: (fruit) holds 4." in result.stdout


@pytest.mark.parametrize("place", [[], ["--to", "idx", "--url", ":memory:"]])
def test_one_place_must_be_given(folder: Path, place: list[str]) -> None:
    result = index("docs", *place)
    assert result.exit_code == 2
    assert "folder or --url" in result.stderr


@pytest.mark.model
def test_a_template_of_a_new_index(folder: Path) -> None:
    (folder / "a.jsonl").write_text(
        '{"_id": "a", "text": "Paid.", "metadata": {"place": "Harbour"}}'
    )
    assert index("a.jsonl", "--to", "idx", "--search-text", "{place}: {text}").exit_code == 0
    with HybridIndex.open("idx") as opened:
        [hit] = opened.bm25.search(["harbour"])[0]
        assert hit.passage.text == "Paid."
    assert "1 passages: 0 new" in index("a.jsonl", "--to", "idx").stdout
    other = index("a.jsonl", "--to", "idx", "--search-text", "{text}!")
    assert other.exit_code == 1
    assert "search_text='{place}: {text}'" in other.output
    wrong = index("a.jsonl", "--to", "new", "--search-text", "{place")
    assert wrong.exit_code == 1
    assert "lone '{'" in wrong.output


@pytest.mark.model
def test_line_breaks_and_tabs_of_a_template(folder: Path) -> None:
    (folder / "a.jsonl").write_text('{"_id": "a", "text": "Paid.", "place": "Harbour"}')
    assert (
        index("a.jsonl", "--to", "idx", "--search-text", r"{place}\n{text}\t{place}").exit_code == 0
    )
    with HybridIndex.open("idx") as opened:
        assert str(opened.search_text) == str(SearchText("{place}\n{text}\t{place}"))
        [hit] = opened.bm25.search(["paid"])[0]
        assert hit.passage.text == "Paid."
    assert "'{source}\\n{text}'" in index("--help").stdout
