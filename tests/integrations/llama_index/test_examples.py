"""The examples run as a reader runs them: without a network, a key or an argument."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from hybridge import HybridIndex, Passage

INTEGRATIONS = Path(__file__).parents[3] / "integrations"
EXAMPLES = INTEGRATIONS / "llama_index" / "examples"
CHAIN = INTEGRATIONS / "langchain" / "examples" / "chain.py"
# What LlamaIndex itself does wrong: it imports LangChain's community package where it is installed,
# and its workflows look at every attribute of an agent.
IGNORED = [
    "ignore:`langchain-community` is being sunset:DeprecationWarning",
    "ignore:The `__fields:DeprecationWarning",
    "ignore:Accessing the 'model_:DeprecationWarning",
    "ignore:There is no current event loop:DeprecationWarning",  # LlamaIndex on Python 3.12
]
# Without a network, whatever the machine has: any connection but one to the machine itself fails.
OFFLINE = """
import socket
def refused(self, address, *rest):
    raise OSError(f"an example went to the network: {address!r}")
socket.socket.connect = socket.socket.connect_ex = refused
def unresolved(host, *rest, **options):
    raise OSError(f"an example went to the network: {host!r}")
socket.getaddrinfo = unresolved
"""


# One process runs several examples, since most of their time is that of imports.
ONE_BY_ONE = """
import json, runpy, sys
for example, *arguments in json.loads(sys.argv[1]):
    sys.argv = [example, *arguments]
    runpy.run_path(example, run_name="__main__")
    print("\\f")
"""


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that keeps whoever has it on their path from the network."""
    folder = tmp_path_factory.mktemp("offline")
    (folder / "sitecustomize.py").write_text(OFFLINE)
    (folder / "one_by_one.py").write_text(ONE_BY_ONE)
    return folder


def run(example: Path, *arguments: str, path: Path, **environment: str) -> str:
    left_out = ("HYBRIDGE_CHAT_MODEL", "OPENAI_API_KEY", "NLTK_DATA", "TIKTOKEN_CACHE_DIR")
    settings = {name: value for name, value in os.environ.items() if name not in left_out}
    settings |= {"HF_HUB_OFFLINE": "1", "PYTHONUTF8": "1", "PYTHONPATH": str(path)}
    settings["HYBRIDGE_CHAT_MODEL"] = "quoting"  # whatever is installed here
    warnings = [part for ignored in IGNORED for part in ("-W", ignored)]
    done = subprocess.run(
        [sys.executable, "-W", "error", *warnings, example, *arguments],
        env={**settings, **environment},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "network" not in done.stderr
    return done.stdout


def run_each(offline: Path, *commands: tuple[Path | str, ...], **environment: str) -> list[str]:
    """What each example prints, given its file and arguments."""
    given = [[str(part) for part in command] for command in commands]
    folders = {str(command[0].parent): None for command in commands}
    path = [str(offline), *folders, *filter(None, [environment.pop("PYTHONPATH", "")])]
    *parts, rest = run(
        offline / "one_by_one.py",
        json.dumps(given),
        path=offline,
        PYTHONPATH=os.pathsep.join(path),
        **environment,
    ).split("\f\n")
    assert (len(parts), rest) == (len(commands), "")
    return parts


@pytest.fixture(scope="module")
def printed(offline: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the examples print, `query_engine.py` and LangChain's `chain.py` for one question."""
    index = tmp_path_factory.mktemp("own") / "index"
    with HybridIndex.create(index, late_interaction=True) as made:
        made.add(
            [
                Passage("p1", "Apple trees are pruned in winter.", {"title": "Pruning"}),
                Passage("p2", "Tulips are planted in autumn."),
                Passage("p3", "Pear trees are pruned when their leaves are gone."),
                Passage("p4", "A lawn is mown every week of summer."),
            ]
        )
    asked = ("When are apple trees pruned?", "--index", str(index))
    alone = ("chat_engine.py", "workflow_step.py", "agent_tool.py", "ingestion.py")
    commands = [
        *((example, *asked) for example in (EXAMPLES / "query_engine.py", CHAIN)),
        *((EXAMPLES / name,) for name in alone),
    ]
    parts = run_each(offline, *commands)
    return {command[0].name: part for command, part in zip(commands, parts, strict=True)}


def test_the_guard_against_the_network_guards(offline: Path, tmp_path: Path) -> None:
    example = tmp_path / "example.py"
    example.write_text("import urllib.request as u\nu.urlopen('http://192.0.2.1', timeout=1)")
    with pytest.raises(AssertionError, match="went to the network"):
        run(example, path=offline)


def test_the_query_engine_shows_what_it_was_given_and_answers_from_it(offline: Path) -> None:
    question, given, answer = run(EXAMPLES / "query_engine.py", path=offline).split("\n\n")
    assert question == "The question: What do I do when the tub is not emptied?"
    assert given.splitlines()[1:3] == [
        "  E24: Error E24: the pump cannot empty the tub. Clean the filter and the hose.",
        "    bm25 #1, dense #1, fusion #1",
    ]
    assert answer.splitlines()[1] == (
        "“Error E24: the pump cannot empty the tub. Clean the filter and the hose.”"
    )


def test_both_frameworks_find_the_same_in_one_index_as_the_demo_shows(
    printed: dict[str, str],
) -> None:
    ours, theirs = printed["query_engine.py"], printed["chain.py"]
    assert "  p1: Pruning\n    bm25 #1, dense #1, fusion #1, late-interaction #1," in ours
    assert re.findall(r"^ {2}.*$", ours, re.MULTILINE) == re.findall(
        r"^ {2}.*$", theirs, re.MULTILINE
    )
    assert len(re.findall(r"^ {2}p\d: ", ours, re.MULTILINE)) == 3
    answers = {each.splitlines()[-1] for each in (ours, theirs)}
    assert answers == {"“Apple trees are pruned in winter.”"}


def test_the_chat_engine_looks_each_message_up(printed: dict[str, str]) -> None:
    assert printed["chat_engine.py"].splitlines() == [
        "You: Why does my dishwasher smell?",
        "It, by smell: “A bad smell goes away with the filter cleaned and one run at 70 °C.”",
        "You: Which lamp asks for salt?",
        "It, by lamps: “Fill in salt when the S lamp lights, and rinse aid when the star does.”",
        "It remembers 4 messages.",
    ]


def test_the_workflow_says_what_it_found_and_then_answers(printed: dict[str, str]) -> None:
    found, answer = printed["workflow_step.py"].splitlines()
    assert found.startswith("Found: eco, ")
    assert answer == "“The Eco programme takes four hours and ten litres of water.”"


def test_the_agent_looks_up_and_then_answers(printed: dict[str, str]) -> None:
    call, told, _, answer = printed["agent_tool.py"].strip().split("\n\n")
    assert call == "It calls search_manual('Why are my glasses cloudy?')"
    assert told.startswith("It was told: Glasses turn cloudy")
    assert answer == "“Glasses turn cloudy when the dose of rinse aid is too low.”"


def test_the_retriever_sees_what_the_pipeline_writes_changes_and_deletes(
    printed: dict[str, str],
) -> None:
    assert printed["ingestion.py"].splitlines() == [
        "The manual: 6 written, 6 there",
        "  Error E15: there is water in the base. Close the tap and call us.",
        "The same again: 0 written, 6 there",
        "  Error E15: there is water in the base. Close the tap and call us.",
        "E15 has changed: 1 written, 6 there",
        "  Error E15: a valve has stuck. Switch off and on again.",
        "E15 has gone: 0 written, 5 there",
        "  Error E24: the pump cannot empty the tub. Clean the filter and the hose.",
    ]


STUB = """
from llama_index.core.llms import ChatMessage, MockFunctionCallingLLM
from common import quoting
class Real(MockFunctionCallingLLM):
    def __init__(self, model):
        def answer(messages, tools=(), **kwargs):
            quoted = quoting(messages, tools)
            if quoted.content is None:
                return quoted
            asked = [m.content for m in messages if m.role == 'user'][-1]
            said = f"{model} was asked: {asked.splitlines()[-1]}"
            return ChatMessage(role="assistant", content=said)
        super().__init__(response_generator=answer, is_chat_model=True)
__all__ = ["Real"]
"""


def test_one_variable_asks_a_real_model(offline: Path, tmp_path: Path) -> None:
    """The provider's package is imported by its name, and its model is asked."""
    package = tmp_path / "llama_index" / "llms" / "provider"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(STUB)
    question = "What does error E15 mean?"
    names = ("query_engine.py", "chat_engine.py", "workflow_step.py", "agent_tool.py")
    for part in run_each(
        offline,
        *((EXAMPLES / name, question) for name in names),
        HYBRIDGE_CHAT_MODEL="provider:model-5:mini",
        PYTHONPATH=str(tmp_path),
    ):
        assert f"model-5:mini was asked: {question}" in part
        assert "stand-in" not in part


def test_openai_s_package_names_its_model_first() -> None:
    """`language_model` takes the class that a provider's package names first."""
    openai = import_module("llama_index.llms.openai")
    assert openai.__all__[0] == "OpenAI"
