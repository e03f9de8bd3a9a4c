"""Adaptation survives kills, damage, full disks and odd input: nothing is mixed or lost."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import log2
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from hybridge import BM25, Dense, Hit, HybridIndex, Passage, SentenceTransformerEncoder
from hybridge.adaptation import Adaptation, adapt, procedure, teacher_examples
from hybridge.adaptation.bi_encoder import TrainableBiEncoder
from hybridge.adaptation.folder import working_in
from hybridge.adaptation.mining import Mined
from hybridge.errors import HybridgeError, InvalidInputError

from .killed import PASSAGES, QRELS, QUERIES, SETTINGS, figures, seen

Job = Callable[..., int]

# One folder is killed at these moments one after the other, each time in a call that goes on where
# the one before was killed. Twenty in all.
KILLS: dict[str, tuple[str | None, list[str]]] = {
    "mining and training": (
        None,
        [
            "mining: search",
            "training: os.rename adapted/.training.json.tmp",
            "training: on_step_end 3",
            "training: open adapted/checkpoints/checkpoint-4/config.json",
            "training: open adapted/checkpoints/checkpoint-4/trainer_state.json",
            "training: on_step_end 5",
            "training: on_step_end 12",
        ],
    ),
    "training, averaging and saving": (
        None,
        [
            "training: open adapted/checkpoints/checkpoint-8/trainer_state.json",
            "training: os.rmdir adapted/checkpoints/checkpoint-4",
            "averaging: _best_share",
            "saving: open adapted/model.partial/modules.json",
            "saving: os.rename adapted/.trained.json.tmp",
            "saving: os.rename adapted/model.partial",
        ],
    ),
    "comparing and replacing": (
        None,
        [
            "comparing: encode_passages",
            "comparing: open adapted/.adaptation.json.tmp",
            "applying: set_vectors",
            "applying: os.remove index/stage-dense.npz",
        ],
    ),
    "a further stage": (
        "adapted",
        [
            "applying: os.rename index/.manifest.json.tmp",
            "applying: flush",
            "applying: open index/.bm25.npz.tmp",
        ],
    ),
}


@pytest.fixture(scope="module")
def job(tiny: Path) -> Iterator[Job]:
    """Adapts and applies in a fork, and returns its status."""
    command = [sys.executable, "-m", "tests.adaptation.killed"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def run(root: Path, **options: Any) -> int:
            root.mkdir(exist_ok=True)
            line = json.dumps({"root": str(root), "model": str(tiny), **options})
            print(line, file=process.stdin, flush=True)
            return int(process.stdout.readline())  # type: ignore[union-attr]

        yield run
        process.stdin.close()


def report(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "report.json").read_text())
    return found


@pytest.fixture(scope="module")
def whole(job: Job, tmp_path_factory: pytest.TempPathFactory) -> dict[str | None, dict[str, Any]]:
    """The reports of calls that nothing interrupted: one replaces the stage, one adds another."""
    reports = {}
    for name in (None, "adapted"):
        root = tmp_path_factory.mktemp("whole")
        assert job(root, name=name) == 0
        reports[name] = report(root)
    return reports


@pytest.fixture
def index(tiny: Path) -> Iterator[HybridIndex]:
    encoder = SentenceTransformerEncoder(tiny, backend="torch", device="cpu")
    with HybridIndex.create(stages=[BM25(), Dense(encoder)]) as made:
        made.add(PASSAGES)
        yield made


@pytest.fixture(scope="module")
def adapted(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Adaptation:
    encoder = SentenceTransformerEncoder(tiny, backend="torch", device="cpu")
    with HybridIndex.create(stages=[BM25(), Dense(encoder)]) as made:
        made.add(PASSAGES)
        folder = tmp_path_factory.mktemp("adapted")
        return adapt(made, QUERIES, QRELS, folder, settings=SETTINGS)


@pytest.mark.slow
@pytest.mark.parametrize("chain", KILLS)
def test_a_killed_call_leaves_the_index_whole_and_ends_at_the_same_figures(
    job: Job, whole: dict[str | None, dict[str, Any]], tmp_path: Path, chain: str
) -> None:
    name, kills = KILLS[chain]
    expected = whole[name]
    assert expected["before"] != expected["after"]

    for kill in kills:
        assert job(tmp_path, name=name, kill=kill) == -9, kill
        before = json.loads((tmp_path / "before.json").read_text())
        assert before == expected["before"], kill
    assert job(tmp_path, name=name) == 0

    found = report(tmp_path)
    assert found["before"] in (expected["before"], expected["after"])
    if found["before"] == expected["before"]:
        assert found["figures"] == expected["figures"]
    assert found["after"] == expected["after"]
    files = {path.name for path in (tmp_path / "adapted").iterdir()}
    assert files == {
        *["adaptation.json", "lock", "model", "trained.json", "training.json", "vectors"]
    }


def _half_removed(root: Path) -> None:
    for name in ("optimizer.pt", "model.safetensors"):
        (root / "adapted" / "checkpoints" / "checkpoint-8" / name).unlink()


def _state_torn(root: Path) -> None:
    state = root / "adapted" / "checkpoints" / "checkpoint-8" / "trainer_state.json"
    state.write_bytes(state.read_bytes()[:-100])


def _best_removed(root: Path) -> None:
    checkpoints = root / "adapted" / "checkpoints"
    state = checkpoints / "checkpoint-8" / "trainer_state.json"
    assert json.loads(state.read_text())["best_model_checkpoint"].endswith("checkpoint-8")
    state.write_text(state.read_text().replace('/checkpoint-8"', '/checkpoint-4"'))
    shutil.rmtree(checkpoints / "checkpoint-4")


def _model_removed(root: Path) -> None:
    shutil.rmtree(root / "adapted" / "model")


def _vectors_torn(root: Path) -> None:
    file = root / "adapted" / "vectors" / "vectors.sqlite"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kill", "damage"),
    [
        ("training: on_step_end 10", _half_removed),
        ("training: on_step_end 10", _state_torn),
        ("training: on_step_end 10", _best_removed),
        ("training: on_step_end 10", lambda root: shutil.rmtree(root / "adapted")),
        ("comparing: open adapted/.adaptation.json.tmp", _vectors_torn),
        ("comparing: open adapted/.adaptation.json.tmp", _model_removed),
    ],
    ids=["half", "state", "best", "all", "vectors", "model"],
)
def test_what_was_damaged_meanwhile_is_made_again(
    job: Job,
    whole: dict[str | None, dict[str, Any]],
    tmp_path: Path,
    kill: str,
    damage: Callable[[Path], None],
) -> None:
    assert job(tmp_path, kill=kill) == -9
    damage(tmp_path)

    assert job(tmp_path) == 0
    assert report(tmp_path)["figures"] == whole[None]["figures"]
    assert report(tmp_path)["after"] == whole[None]["after"]


@pytest.mark.slow
def test_a_folder_may_be_moved_between_two_calls(
    job: Job, whole: dict[str | None, dict[str, Any]], tmp_path: Path
) -> None:
    assert job(tmp_path / "here", kill="training: on_step_end 10") == -9
    (tmp_path / "here").rename(tmp_path / "there")

    assert job(tmp_path / "there") == 0
    assert report(tmp_path / "there")["figures"] == whole[None]["figures"]
    assert not (tmp_path / "here").exists()


@pytest.mark.slow
def test_nothing_is_changed_or_written_elsewhere(whole: dict[str | None, dict[str, Any]]) -> None:
    for each in whole.values():
        assert each["changed"] == []
        assert each["outside"] == []


@pytest.mark.slow
def test_two_processes_train_the_same_bytes(
    adapted: Adaptation, whole: dict[str | None, dict[str, Any]]
) -> None:
    found, expected = figures(adapted), whole[None]["figures"]

    assert found == expected


@pytest.mark.slow
def test_one_call_at_a_time_trains_in_a_folder(
    job: Job, index: HybridIndex, tmp_path: Path
) -> None:
    folder = tmp_path / "adapted"
    with working_in(folder):
        assert job(tmp_path) == 1
        with pytest.raises(HybridgeError, match="another call trains in"):
            adapt(index, QUERIES, QRELS, folder, settings=SETTINGS)
    assert [path.name for path in folder.iterdir()] == ["lock"]


@pytest.mark.parametrize("file", ["trained.json", "training.json"])
def test_a_damaged_record_is_named(
    index: HybridIndex, adapted: Adaptation, tmp_path: Path, file: str
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(adapted.folder, folder)
    whole = (folder / file).read_bytes()
    (folder / file).write_bytes(whole[:-30])

    with pytest.raises(InvalidInputError, match=rf"{file}' is damaged.*delete the folder"):
        adapt(index, QUERIES, QRELS, folder, settings=SETTINGS)


def test_a_training_is_not_continued_on_another_index_or_for_another_aim(
    index: HybridIndex, adapted: Adaptation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(**changes: Any) -> Adaptation:
        arguments: dict[str, Any] = {"queries": QUERIES, "qrels": QRELS, "settings": SETTINGS}
        return adapt(index, folder=adapted.folder, **arguments | changes)

    monkeypatch.setattr(procedure, "train", None)
    assert figures(again()) == figures(adapted)
    for name, changes in (
        ("validation", {"measure": "recall@10"}),
        ("share", {"share": 0.5}),
        ("examples", {"qrels": {**QRELS, "0-0": {"d1": 1}}}),
    ):
        with pytest.raises(InvalidInputError, match=f"a training with other .*{name}.* changed"):
            again(**changes)
    index.add([Passage("near", " ".join(QUERIES.values()))])
    with pytest.raises(InvalidInputError, match=r"other examples and validation.*the index"):
        again()
    index.delete(["near"])
    assert figures(again()) == figures(adapted)
    index.delete(["d0"])
    with pytest.raises(InvalidInputError, match="other examples"):
        again()


@pytest.mark.parametrize(
    "refusal",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0"),
        SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        ),
    ],
    ids=["python", "torch", "safetensors"],
)
def test_a_full_disk_is_named_and_the_call_goes_on_when_there_is_room(
    index: HybridIndex,
    adapted: Adaptation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    refusal: Exception,
) -> None:
    before, save, calls = seen(index), torch.save, 0

    def full(*args: Any, **options: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > 5:  # in the second checkpoint
            raise refusal
        save(*args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", full)
        with pytest.raises(HybridgeError, match=r"cannot be written to: .*Make room") as raised:
            adapt(index, QUERIES, QRELS, tmp_path, settings=SETTINGS)
    assert raised.value.__cause__ is refusal
    assert seen(index) == before
    assert (tmp_path / "checkpoints" / "checkpoint-4").is_dir()

    found = adapt(index, QUERIES, QRELS, tmp_path, settings=SETTINGS)

    assert figures(found) == figures(adapted)


def test_no_room_for_the_comparison_is_named_before_it(
    index: HybridIndex, adapted: Adaptation, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(adapted.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=3 << 20))

    with pytest.raises(HybridgeError, match=r"comparison takes 32 MiB.*3 MiB are free"):
        adapt(index, QUERIES, QRELS, adapted.folder, settings=SETTINGS)


def test_weights_that_become_infinite_are_not_saved(index: HybridIndex, tmp_path: Path) -> None:
    before = seen(index)

    with pytest.raises(HybridgeError, match=r"infinite.*lower learning_rate than 1000"):
        adapt(index, QUERIES, QRELS, tmp_path, settings=replace(SETTINGS, learning_rate=1e3))

    assert not (tmp_path / "model").exists()
    assert seen(index) == before


@pytest.mark.parametrize("shares_passages", [True, False])
@pytest.mark.parametrize("score", [0.0, float("nan")])
def test_a_model_that_tells_nothing_apart_does_not_validate_well(
    monkeypatch: pytest.MonkeyPatch, tiny: Path, shares_passages: bool, score: float
) -> None:
    class Equal(TrainableBiEncoder):
        def scores(self, model: Any, queries: Any, passages: Any) -> list[list[float]]:
            return [[score] * len(texts) for texts in passages]

    monkeypatch.setattr(Equal, "shares_passages", shares_passages)
    mined = [Mined("q", {"z": 1}, ["a", "c", "b"], {})]
    validation = procedure._Validation(
        Equal(SentenceTransformerEncoder(tiny, device="cpu")), mined, "nDCG@10"
    )

    assert validation.score(None) == pytest.approx(1 / log2(5))  # "z" is the fourth by text


@pytest.mark.parametrize("objective", ["contrastive", "triplet", "regression", "ranking"])
def test_odd_texts_and_judgements_are_no_problem(
    tiny: Path, tmp_path: Path, objective: Any
) -> None:
    many = [Passage(f"m{n}", f"p{n % 30} {'p1 ' * n}") for n in range(100)]
    odd = [
        Passage("blank", " \n\t "),
        Passage("long", "p3 p4 " * 20_000),
        Passage("same", "p5 p6"),
        Passage("as same", "p5 p6"),
        Passage("ünï", "p7 日本語 🦜 \u202e\u0301 \x00 p8"),
        Passage("question", "q9 q9"),
    ]
    queries = {f"q{n}": f"q{n} p{n}" for n in range(10, 24)}
    qrels: dict[str, dict[str, int]] = {query: {f"m{query[1:]}": 1} for query in queries}
    queries |= {"blank": "p3", "long": "q3 " * 5_000, "same": "p5", "ünï": "日本語 🦜 q7"}
    qrels |= {query: {query: 1} for query in ("blank", "long", "same", "ünï")}
    queries |= {"question": "q9 q9", "many": "p1", "twin": "P1 "}
    qrels |= {"question": {"question": 3}, "many": {each.id: 1 for each in many}, "twin": {"m1": 1}}
    encoder = SentenceTransformerEncoder(tiny, backend="torch", device="cpu")
    settings = replace(SETTINGS, objective=objective, steps=3, negatives=2)
    with HybridIndex.create(stages=[BM25(), Dense(encoder)]) as index:
        index.add([*many, *odd])
        found = adapt(index, queries, qrels, tmp_path, settings=settings)
        found.apply(index)

        assert len(index.search(list(queries.values()), 5)) == len(queries)
    assert sum(found.questions.values()) == len(queries)


def test_a_model_that_is_gone_is_not_applied(
    index: HybridIndex, adapted: Adaptation, tmp_path: Path
) -> None:
    shutil.copytree(adapted.folder, tmp_path / "copy")
    gone = replace(adapted, folder=tmp_path / "copy")
    shutil.rmtree(gone.folder)
    before = seen(index)

    with pytest.raises(HybridgeError, match="is gone"):
        gone.apply(index)

    assert index.info()["pending"] is None
    assert seen(index) == before


def test_blank_passages_teach_nothing() -> None:
    texts = ["green tea", "green apples", " \n"]
    passages = [Passage(str(n), text) for n, text in enumerate(texts)]

    class All:
        def search(self, queries: Any, k: int = 10, *, where: Any = None) -> list[list[Hit]]:
            return [[Hit(each, 1.0 - n / 10) for n, each in enumerate(passages)] for _ in queries]

    [example] = teacher_examples(All(), ["green"], passages=2)  # type: ignore[arg-type]

    assert example.passages == ("green tea", "green apples")
