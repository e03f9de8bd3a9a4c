"""`hybridge mcp` as a process: by the SDK's client, and by both frameworks' tools."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from langchain_mcp_adapters.client import MultiServerMCPClient
from llama_index.tools.mcp import BasicMCPClient, McpToolSpec
from mcp.client.stdio import stdio_client

from hybridge import HybridIndex
from hybridge.cli.commands import hybridge
from hybridge.cli.reranking import Reranking
from mcp import ClientSession, StdioServerParameters

from .made import lexical

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mcp") / "zoo"
    lexical(path).close()
    return path


@pytest.fixture(scope="module")
def expected(folder: Path) -> list[tuple[str, float]]:
    with HybridIndex.open(folder, read_only=True) as index:
        [hits] = index.search(["do cats sleep?"], 2, where={"year": {"$lt": 2022}})
    return [(hit.passage.id, hit.score) for hit in hits]


# Clients start a process in an almost empty environment, unless they are given one.
HERE = dict(os.environ)
ASKED = {"query": "do cats sleep?", "k": 2, "where": {"year": {"$lt": 2022}}}


def found(structured: dict[str, Any] | None) -> list[tuple[str, float]]:
    assert structured is not None
    return [(hit["id"], hit["score"]) for hit in structured["hits"]]


@asynccontextmanager
async def session(*arguments: str | Path) -> AsyncIterator[tuple[ClientSession, Any]]:
    command = ["-m", "hybridge", "mcp", *map(str, arguments)]
    process = StdioServerParameters(command=sys.executable, args=command, env=HERE)
    async with (
        stdio_client(process) as (received, sent),
        ClientSession(received, sent) as client,
    ):
        yield client, await client.initialize()


async def test_the_sdks_client(folder: Path, expected: list[tuple[str, float]]) -> None:
    async with session(folder) as (client, greeting):
        assert greeting.serverInfo.name == "zoo"
        assert "not instructions" in greeting.instructions
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == ["search", "get", "explain", "fields"]
        # The client checks the answer against the schema that the tool has given.
        result = await client.call_tool("search", ASKED)
        assert found(result.structuredContent) == expected
        assert (await client.call_tool("add", {"passages": []})).isError


async def test_a_scope_and_a_name(folder: Path) -> None:
    options = ("--scope", '{"animal": "dog"}', "--name", "dogs")
    async with session(folder, *options) as (client, greeting):
        assert greeting.serverInfo.name == "dogs"
        result = await client.call_tool("search", {"query": "cats"})
        assert [id_ for id_, _ in found(result.structuredContent)] == ["p2"]


async def test_writing(tmp_path: Path) -> None:
    lexical(tmp_path / "own").close()
    async with session(tmp_path / "own", "--allow-writes") as (client, _):
        new = {"id": "new", "text": "Zebras run."}
        result = await client.call_tool("add", {"passages": [new]})
        assert result.structuredContent == {"added": 1, "passages": 6}
    with HybridIndex.open(tmp_path / "own", read_only=True) as index:
        assert index.get(["new"])[0] is not None


async def test_langchain(folder: Path, expected: list[tuple[str, float]]) -> None:
    arguments = ["-m", "hybridge", "mcp", str(folder)]
    server: Any = {"transport": "stdio", "command": sys.executable, "args": arguments, "env": HERE}
    tools = {tool.name: tool for tool in await MultiServerMCPClient({"zoo": server}).get_tools()}
    called = {"type": "tool_call", "id": "1", "name": "search", "args": ASKED}
    message = await tools["search"].ainvoke(called)
    assert found(message.artifact["structured_content"]) == expected
    assert "rank=1" in message.content[0]["text"]
    wrong = await tools["search"].ainvoke({**called, "args": {"query": "cats", "k": 0}})
    assert wrong.status == "error"
    assert "k: Input should be" in str(wrong.content)


async def test_llama_index(folder: Path, expected: list[tuple[str, float]]) -> None:
    client = BasicMCPClient(sys.executable, ["-m", "hybridge", "mcp", str(folder)], env=HERE)
    tools = {tool.metadata.name: tool for tool in await McpToolSpec(client).to_tool_list_async()}
    output = await tools["search"].acall(**ASKED)
    assert found(output.raw_output.structuredContent) == expected
    assert "rank=1" in output.content
    schema = tools["search"].metadata.get_parameters_dict()
    assert schema["required"] == ["query"]


NOISY = """
import os, sys
from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.mcp import create_server

def encode(texts):
    print("a print")
    os.write(1, b"a write\\n")
    return [[1.0, float(len(text))] for text in texts]

with HybridIndex.create(encoder=CallableEncoder(encode, identity="noisy", dimension=2)) as index:
    index.add([Passage("p1", "Cats sleep.")], progress=False)
    sys.stdout.flush()
    print("before", flush=True)
    create_server(index).run()
print("after")
"""


def test_standard_output_is_the_protocols_alone() -> None:
    greeting = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    messages: list[dict[str, Any]] = [
        {"id": 1, "method": "initialize", "params": greeting},
        {"method": "notifications/initialized"},
        {
            "id": 2,
            "method": "tools/call",
            "params": {"name": "search", "arguments": {"query": "Schläft die Katze?"}},
        },
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", NOISY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        while process.stdout.readline() != "before\n":
            pass
        answers = []
        for message in messages:
            process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            process.stdin.flush()
            if "id" in message:
                answers.append(json.loads(process.stdout.readline()))
        process.stdin.close()
        rest = process.stdout.read()
        errors = process.stderr.read()
    assert [answer["id"] for answer in answers] == [1, 2]
    assert [hit["id"] for hit in answers[1]["result"]["structuredContent"]["hits"]] == ["p1"]
    assert rest == "after\n"
    assert "a print" in errors
    assert "a write" in errors
    assert process.returncode == 0


def test_a_scope_cannot_be_written(folder: Path) -> None:
    options = ["--scope", '{"animal": "cat"}', "--allow-writes"]
    result = CliRunner().invoke(hybridge, ["mcp", str(folder), *options])
    assert result.exit_code == 2
    assert "--allow-writes" in result.stderr


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, []),
        ({"rerank": ["cross-encoder", "colbert"]}, ["cross-encoder", "colbert"]),
        ({"rerank": ["cross-encoder"], "colbert": "mine"}, ["cross-encoder", "colbert"]),
    ],
)
def test_rerankers_are_known_by_their_names(
    options: dict[str, Any], names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reranking, "reranker", lambda _, name: name)  # no model is loaded
    settings = {"rerank": (), "colbert": None, "cross_encoder": None, "blend": None, **options}
    with lexical() as index:
        assert list(Reranking(**settings).by_name(index)) == names


def test_token_vectors_of_the_index_rerank_within_its_searches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Reranking, "reranker", lambda _, name: name)
    index: Any = SimpleNamespace(late_interaction=object())
    assert list(Reranking(["colbert", "cross-encoder"], None, None, None).by_name(index)) == [
        "cross-encoder"
    ]
    assert list(Reranking(["colbert"], "mine", None, None).by_name(index)) == ["colbert"]


def test_a_missing_extra_is_named(folder: Path) -> None:
    code = "import sys; sys.modules['mcp'] = None\nfrom hybridge.cli import main; main()"
    command = [sys.executable, "-c", code, "mcp", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "hybridge[mcp]" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_an_index_is_named_on_standard_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(hybridge, ["mcp", str(tmp_path / "nowhere")])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nowhere" in result.stderr
