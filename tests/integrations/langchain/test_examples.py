"""The examples run as a reader runs them: without a network, a key or an argument."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hybridge import HybridIndex, Passage

EXAMPLES = Path(__file__).parents[3] / "integrations" / "langchain" / "examples"
# One process runs several examples, since most of their time is that of imports.
ONE_BY_ONE = """
import json, runpy, sys
for example, *arguments in json.loads(sys.argv[1]):
    sys.argv = [example, *arguments]
    runpy.run_path(example, run_name="__main__")
    print("\\f")
"""


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("examples") / "one_by_one.py"
    program.write_text(ONE_BY_ONE)
    return program


def run(example: str | Path, *arguments: str, **environment: str) -> str:
    settings = os.environ | {"HYBRIDGE_CHAT_MODEL": "quoting"}  # whatever is installed here
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / example, *arguments],
        env={**settings, "HF_HUB_OFFLINE": "1", "PYTHONUTF8": "1", **environment},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_each(
    one_by_one: Path, *commands: tuple[str, ...], path: tuple[Path, ...] = (), **environment: str
) -> list[str]:
    """What each example prints, given its file and arguments."""
    given = [[str(EXAMPLES / example), *arguments] for example, *arguments in commands]
    environment["PYTHONPATH"] = os.pathsep.join(map(str, [*path, EXAMPLES]))
    *parts, rest = run(one_by_one, json.dumps(given), **environment).split("\f\n")
    assert (len(parts), rest) == (len(commands), "")
    return parts


@pytest.fixture(scope="module")
def printed(one_by_one: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the examples print, `chain.py` for a question of one's own."""
    index = tmp_path_factory.mktemp("own") / "index"
    text = "Pruning\n\nA tree rests then.\n\nApple trees are pruned in winter."
    with HybridIndex.create(index) as made:
        made.add(
            [
                Passage("p1", text, {"title": "Pruning"}),
                Passage("p2", "Tulips are planted in autumn."),
            ]
        )
    chain = ("chain.py", "When are apple trees pruned?", "--index", str(index))
    commands = [chain, ("agent.py",), ("streaming.py",)]
    parts = run_each(one_by_one, *commands)
    return {command[0]: part for command, part in zip(commands, parts, strict=True)}


def test_the_chain_shows_what_it_was_given_and_answers_from_it() -> None:
    printed = run("chain.py")
    question, given, answer = printed.split("\n\n")
    assert question == "The question: What do I do when the tub is not emptied?"
    assert given.splitlines()[1:3] == [
        "  E24: Error E24: the pump cannot empty the tub. Clean the filter and the hose.",
        "    bm25 #1, dense #1, fusion #1",
    ]
    assert answer.splitlines()[1] == (
        "“Error E24: the pump cannot empty the tub. Clean the filter and the hose.”"
    )


def test_the_chain_answers_a_question_of_ones_own_from_an_index_of_ones_own(
    printed: dict[str, str],
) -> None:
    chain = printed["chain.py"]
    assert chain.startswith("The question: When are apple trees pruned?\n")
    assert "  p1: Pruning\n" in chain
    assert chain.splitlines()[-1] == "“Apple trees are pruned in winter.”"


def test_the_agent_looks_up_and_then_answers(printed: dict[str, str]) -> None:
    human, call, found, answer = printed["agent.py"].split("===\n")[1:]
    assert "Why are my glasses cloudy?" in human
    assert "search_manual (call-1)" in call
    assert "Glasses turn cloudy" in found
    assert answer.strip() == "“Glasses turn cloudy when the dose of rinse aid is too low.”"


def test_events_come_stage_by_stage_before_the_answer(printed: dict[str, str]) -> None:
    lines = printed["streaming.py"].splitlines()
    stages = [line.partition(":")[0] for line in lines[:-1]]
    assert stages == ["bm25", "dense", "fusion", "HybridgeRetriever"]
    assert lines[0] == "bm25: lamps"
    assert lines[-1].startswith("“Fill in salt when the S lamp lights")


def test_one_variable_asks_a_real_model(one_by_one: Path, tmp_path: Path) -> None:
    """init_chat_model is called with what the variable says, and its model is asked."""
    (tmp_path / "sitecustomize.py").write_text(
        "import langchain.chat_models as models\n"
        "from shared import QuotingChatModel\n"
        "from langchain_core.messages import AIMessage\n"
        "from langchain_core.outputs import ChatGeneration, ChatResult\n"
        "class Real(QuotingChatModel):\n"
        "    name: str\n"
        "    def _generate(self, messages, **kwargs):\n"
        "        asked = messages[-1].text.splitlines()[-1]\n"
        "        answer = AIMessage(f'{self.name} was asked: {asked}')\n"
        "        return ChatResult(generations=[ChatGeneration(message=answer)])\n"
        "models.init_chat_model = lambda name: Real(name=name)\n"
    )
    question = "What does error E15 mean?"
    for part in run_each(
        one_by_one,
        *((name, question) for name in ("chain.py", "agent.py", "streaming.py")),
        path=(tmp_path,),
        HYBRIDGE_CHAT_MODEL="openai:gpt-5-mini",
    ):
        last = part.splitlines()[-1]
        assert last == f"openai:gpt-5-mini was asked: {question}"
        assert "stand-in" not in part
