"""Answers on disk: what was added is there again, after a kill too."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.errors import InvalidInputError, ModelCacheError
from hybridge.language_models.answer_cache import AnswerCache

ANSWERS = {"Why?": "Because.\nReally: é 茶 \u2028", "Who?": ""}


def file_in(folder: Path) -> Path:
    return folder / "answers.jsonl"


def test_answers_are_found_again_under_the_same_model_and_seed(tmp_path: Path) -> None:
    with AnswerCache(tmp_path / "new" / "folder", "model", 1) as cache:
        cache.add(ANSWERS)
        assert cache.get("Why?") == ANSWERS["Why?"]
    for model, seed, expected in (("model", 1, ANSWERS), ("model", 2, {}), ("other", 1, {})):
        with AnswerCache(tmp_path / "new" / "folder", model, seed) as cache:
            assert {p: a for p in ANSWERS if (a := cache.get(p)) is not None} == expected


def test_several_models_share_a_folder(tmp_path: Path) -> None:
    for model in ("one", "two"):
        with AnswerCache(tmp_path, model, 0) as cache:
            cache.add({"Why?": model})
    for model in ("one", "two"):
        with AnswerCache(tmp_path, model, 0) as cache:
            assert cache.get("Why?") == model
    lines = [json.loads(line) for line in file_in(tmp_path).read_text().splitlines()]
    assert [line["model"] for line in lines] == ["one", "two"]


@given(cut=st.integers(1, 400))
def test_an_unfinished_line_is_cut_off(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("cut")
    with AnswerCache(folder, "model", 0) as cache:
        for prompt, answer in ANSWERS.items():
            cache.add({prompt: answer})
    whole = file_in(folder).read_bytes()
    size = max(0, len(whole) - cut)
    os.truncate(file_in(folder), size)
    with AnswerCache(folder, "model", 0) as cache:
        left = [prompt for prompt in ANSWERS if cache.get(prompt) is not None]
        assert left == list(ANSWERS)[: whole[:size].count(b"\n")]
        cache.add(ANSWERS)
    with AnswerCache(folder, "model", 0) as cache:
        assert {prompt: cache.get(prompt) for prompt in ANSWERS} == ANSWERS


@pytest.mark.slow
def test_a_killed_process_loses_nothing_that_was_added(tmp_path: Path) -> None:
    code = """
import sys
from hybridge.language_models.answer_cache import AnswerCache

with AnswerCache(sys.argv[1], "model", 0) as cache:
    for number in range(1_000_000):
        cache.add({str(number): str(number)})
        print(number, flush=True)
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for _ in range(50):
        last = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    child.wait()
    last = max([last, *map(int, child.stdout.read().split("\n")[:-1])])
    child.stdout.close()
    with AnswerCache(tmp_path, "model", 0) as cache:
        assert [cache.get(str(number)) for number in range(last + 1)] == [
            str(number) for number in range(last + 1)
        ]


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with (
        AnswerCache(tmp_path, "model", 0),
        pytest.raises(ModelCacheError, match="another process writes"),
        AnswerCache(tmp_path, "model", 0),
    ):
        pass
    with AnswerCache(tmp_path, "model", 0):
        pass


def test_a_full_disk_is_named_and_leaves_no_lock(tmp_path: Path) -> None:
    code = """
import resource, signal, sys
from hybridge.language_models.answer_cache import AnswerCache
from hybridge.errors import ModelCacheError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))  # of a file, in bytes
try:
    with AnswerCache(sys.argv[1], "model", 0) as cache:
        for number in range(10):
            cache.add({str(number): "answer" * 10})
except ModelCacheError as error:
    print(error)
with AnswerCache(sys.argv[1], "model", 0) as again:
    print([str(number) for number in range(10) if again.get(str(number))])
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    said, kept = subprocess.check_output(command, text=True).splitlines()
    assert said.startswith(f"answers cannot be kept in {tmp_path}: ")
    whole = file_in(tmp_path).read_bytes().count(b"\n")
    assert kept == str([str(number) for number in range(whole)])
    assert whole


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with (
        pytest.raises(ModelCacheError, match="cannot be kept"),
        AnswerCache(tmp_path / "file", "model", 0),
    ):
        pass


@pytest.mark.parametrize("line", ['{"key": "a"}', '{"key": 1, "answer": "b"}', "no json", "[]"])
def test_a_foreign_line_is_named(tmp_path: Path, line: str) -> None:
    file_in(tmp_path).write_text(f'{{"key": "a", "answer": "b"}}\n{line}\n')
    with (
        pytest.raises((ModelCacheError, InvalidInputError), match="line 2"),
        AnswerCache(tmp_path, "model", 0),
    ):
        pass


def test_nothing_is_kept_without_a_folder() -> None:
    with AnswerCache(None, "model", 0) as cache:
        cache.add(ANSWERS)
        assert cache.get("Who?") == ""
    with AnswerCache(None, "model", 0) as cache:
        assert cache.get("Who?") is None
