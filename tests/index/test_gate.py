"""The writer of a folder and those who copy it take turns."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hybridge.errors import StoreError
from hybridge.index.gate import Gate, copying


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "changes"


def changes_of(file: Path) -> int:
    with copying(file) as changes:
        return changes


def test_changes_are_counted_and_outlast_the_writer(file: Path) -> None:
    assert changes_of(file) == 0
    gate = Gate(file)
    for _ in range(300):
        with gate.changing():
            pass
    gate.close()
    assert changes_of(file) == 300
    gate = Gate(file)
    with pytest.raises(KeyError), gate.changing():
        raise KeyError
    gate.close()
    assert changes_of(file) == 301


def test_a_copy_waits_for_the_change_and_the_change_for_the_copy(file: Path) -> None:
    gate = Gate(file)
    code = (
        "import sys; from pathlib import Path; from hybridge.index.gate import copying\n"
        "with copying(Path(sys.argv[1])) as changes:\n"
        "    print(changes, flush=True); sys.stdin.readline()\n"
    )
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", code, str(file)]
    with gate.changing():
        reader = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
    assert reader.stdin is not None
    assert reader.stdout is not None
    assert reader.stdout.readline() == "1\n"
    done = threading.Event()

    def change() -> None:
        with gate.changing():
            done.set()

    writer = threading.Thread(target=change)
    writer.start()
    assert not done.wait(0.3)
    with copying(file) as changes:  # two may copy at once
        assert changes == 1
    reader.stdin.write("\n")
    reader.stdin.close()
    writer.join()
    assert reader.wait() == 0
    reader.stdout.close()
    gate.close()
    assert changes_of(file) == 2


def test_a_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        Gate(tmp_path / "nowhere" / "changes")
