"""The answers of language models on disk, so that an interrupted run goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from filelock import FileLock, Timeout

from ..errors import ModelCacheError
from ..readers import read_json_lines

__all__ = ["AnswerCache"]

_FILE = "answers.jsonl"


class AnswerCache:
    """A folder with one file of answers, to which lines are appended: a context manager.

    A line that a killed process left unfinished is cut off. One process at a time writes.

    Args:
        folder: made if it is missing; None keeps nothing.
        model: the name of the model and its settings.
        seed: of the run: another gives other answers.

    Raises:
        ModelCacheError: another process writes there, the folder cannot be written to, or a line
            of the file has no answer.
        InvalidInputError: a line is not JSON.

    >>> with AnswerCache(None, "a model", 0) as cache:
    ...     cache.add({"Why": "because"})
    ...     cache.get("Why"), cache.get("Who")
    ('because', None)
    """

    def __init__(self, folder: str | os.PathLike[str] | None, model: str, seed: int) -> None:
        self._folder = None if folder is None else Path(folder).expanduser()
        self._model, self._seed = model, seed
        self._answers: dict[str, str] = {}
        self._file: IO[bytes] | None = None
        self._lock: FileLock | None = None

    def get(self, prompt: str) -> str | None:
        """Return the answer to a prompt; None where there is none yet."""
        return self._answers.get(self._key(prompt))

    def add(self, answers: Mapping[str, str]) -> None:
        """Keep the answers to prompts; once this returns, a kill of the process loses none."""
        keyed = {self._key(prompt): answer for prompt, answer in answers.items()}
        self._answers |= keyed
        if self._file is None:
            return
        lines = [
            json.dumps({"key": key, "model": self._model, "seed": self._seed, "answer": answer})
            for key, answer in keyed.items()
        ]
        try:
            self._file.write("".join(f"{line}\n" for line in lines).encode())
            self._file.flush()
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> Self:
        if self._folder is None:
            return self
        file = self._folder / _FILE
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self._folder / f"{_FILE}.lock", timeout=0)
            self._lock.acquire()
            self._file = file.open("ab")
            _cut_unfinished(file)
            self._answers = dict(_read(file))
        except Timeout:
            raise ModelCacheError(
                f"another process writes answers into {self._folder}: wait for it, or choose "
                "another folder"
            ) from None
        except OSError as error:
            self._close()
            raise self._failed(error) from error
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # of what `add` could not write, and has raised
                self._file.close()
            self._file = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _key(self, prompt: str) -> str:
        parts = json.dumps([self._model, self._seed, prompt])
        return hashlib.sha256(parts.encode()).hexdigest()

    def _failed(self, error: OSError) -> ModelCacheError:
        return ModelCacheError(f"answers cannot be kept in {self._folder}: {error}")


def _read(file: Path) -> Iterator[tuple[str, str]]:
    for number, entry in read_json_lines(file):
        key, answer = entry.get("key"), entry.get("answer")
        if not isinstance(key, str) or not isinstance(answer, str):
            raise ModelCacheError(f"{file}, line {number}: no answer with its key: remove the file")
        yield key, answer


def _cut_unfinished(file: Path) -> None:
    content = file.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        os.truncate(file, end)
