"""The examples of the guide on servers run as they stand, on a double of a cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hybridge import CallableEncoder, HybridIndex, Passage

from .double import Double

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "servers.md"
BLOCKS = re.findall(r"```py\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)


def letters() -> CallableEncoder:
    return CallableEncoder(
        lambda texts: [[text.count("a"), text.count("e"), 1.0] for text in texts],
        dimension=3,
        identity="letters",
    )


@pytest.fixture
def cluster() -> Iterator[Double]:
    with Double(nodes=3) as double:
        yield double


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_runs(
    block: str, cluster: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hybridge.stages.dense.as_encoder", lambda *_, **__: letters())
    opened = HybridIndex.open
    known = staticmethod(lambda *args, **named: opened(*args, encoder=letters(), **named))
    monkeypatch.setattr(HybridIndex, "open", known)
    passages = [Passage("p1", "green beets"), Passage("p2", "black tea")]
    if "HybridIndex.open" in block:
        with HybridIndex.create("my-index") as index:
            index.add(passages)
        if "copy_to" not in block:
            index = HybridIndex.create(url=cluster.url, collection="drugs")
            index.add(passages)
            index.close()
    for number, url in enumerate([cluster.url, *cluster.urls]):
        host = "localhost" if number == 0 else f"node-{number}"
        block = block.replace(f"http://{host}:6333", url)
    names: dict[str, object] = {"HybridIndex": HybridIndex}
    exec(block, names)
    index = names["new" if "new" in names else "index"]
    assert isinstance(index, HybridIndex)
    if "open" in block:
        assert index.search(["beets"], 1)[0][0].passage.id == "p1"
    index.close()


def test_the_examples_are_found() -> None:
    assert len(BLOCKS) == 6
