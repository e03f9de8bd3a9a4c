"""The examples run as a reader runs them: without a network, a key or an argument."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hybridge import HybridIndex, Passage

EXAMPLES = Path(__file__).parents[3] / "integrations" / "langchain" / "examples"


def run(example: str, *arguments: str, **environment: str) -> str:
    settings = {name: value for name, value in os.environ.items() if name != "HYBRIDGE_CHAT_MODEL"}
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / example, *arguments],
        env={**settings, "HF_HUB_OFFLINE": "1", "PYTHONUTF8": "1", **environment},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


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


def test_the_chain_answers_a_question_of_ones_own_from_an_index_of_ones_own(tmp_path: Path) -> None:
    text = "Pruning\n\nA tree rests then.\n\nApple trees are pruned in winter."
    with HybridIndex.create(tmp_path / "index") as index:
        index.add(
            [
                Passage("p1", text, {"title": "Pruning"}),
                Passage("p2", "Tulips are planted in autumn."),
            ]
        )
    printed = run("chain.py", "When are apple trees pruned?", "--index", str(tmp_path / "index"))
    assert printed.startswith("The question: When are apple trees pruned?\n")
    assert "  p1: Pruning\n" in printed
    assert printed.splitlines()[-1] == "“Apple trees are pruned in winter.”"


def test_the_agent_looks_up_and_then_answers() -> None:
    human, call, found, answer = run("agent.py").split("===\n")[1:]
    assert "Why are my glasses cloudy?" in human
    assert "search_manual (call-1)" in call
    assert "Glasses turn cloudy" in found
    assert answer.strip() == "“Glasses turn cloudy when the dose of rinse aid is too low.”"


def test_events_come_stage_by_stage_before_the_answer() -> None:
    lines = run("streaming.py").splitlines()
    stages = [line.partition(":")[0] for line in lines[:-1]]
    assert stages == ["bm25", "dense", "fusion", "HybridgeRetriever"]
    assert lines[0] == "bm25: lamps"
    assert lines[-1].startswith("“Fill in salt when the S lamp lights")


def test_one_variable_asks_a_real_model(tmp_path: Path) -> None:
    """init_chat_model is called with what the variable says, and its model is asked.

    One process runs all examples, since most of their time is that of imports.
    """
    examples = [str(EXAMPLES / name) for name in ("chain.py", "agent.py", "streaming.py")]
    (tmp_path / "one_by_one.py").write_text(
        "import runpy\n"
        f"for example in {examples}:\n"
        "    runpy.run_path(example, run_name='__main__')\n"
        "    print('\\f')\n"
    )
    (tmp_path / "sitecustomize.py").write_text(
        "import langchain.chat_models as models\n"
        "from shared import QuotingChatModel\n"
        "from langchain_core.messages import AIMessage\n"
        "from langchain_core.outputs import ChatGeneration, ChatResult\n"
        "class Real(QuotingChatModel):\n"
        "    name: str\n"
        "    def _generate(self, messages, **kwargs):\n"
        "        answer = AIMessage(f'{self.name} was asked: {messages[-1].text}')\n"
        "        return ChatResult(generations=[ChatGeneration(message=answer)])\n"
        "models.init_chat_model = lambda name: Real(name=name)\n"
    )
    printed = run(
        str(tmp_path / "one_by_one.py"),
        "What does error E15 mean?",
        HYBRIDGE_CHAT_MODEL="openai:gpt-5-mini",
        PYTHONPATH=os.pathsep.join([str(tmp_path), str(EXAMPLES)]),
    )
    *parts, rest = printed.split("\f\n")
    assert (len(parts), rest) == (3, "")
    for part in parts:
        last = part.splitlines()[-1]
        assert last == "openai:gpt-5-mini was asked: What does error E15 mean?"
        assert "stand-in" not in part
