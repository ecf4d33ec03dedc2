"""Whatever is wrong with an upgrade, a shell is told a command and no call of Python."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from checkpoints import WORDS, Recipe, build_checkpoint
from qdrant_client import QdrantClient, models
from stub_server import StubServer

import trivet
from trivet.cli.wording import in_shell

SOURCES = Path(trivet.__file__).parent
# What the errors that these commands meet are raised in.
ROOMS = [
    *(SOURCES / "index" / "upgrade").glob("*.py"),
    *(SOURCES / "index" / name for name in ("copying.py", "absent.py", "adopt.py", "model.py")),
    *(SOURCES / "store" / name for name in ("upgrading.py", "adopting.py", "aliases.py")),
    *(SOURCES / "drift").glob("*.py"),
]
# A call, a keyword, or a name of the library: nothing that can be typed into a shell.
PYTHON = re.compile(r"\w\(|\w=|index\.\w|trivet\.(?!adopt is told)\w|text_resolver|current_upgrade")
# A resolver that is no file, and an index adopted in Python, are met by no command.
PYTHON_ONLY = ("expected text_resolver to return", "got an adopted collection, to which")


@pytest.fixture(scope="module")
def newer(tmp_path_factory):
    return build_checkpoint(tmp_path_factory.mktemp("newer") / "model", Recipe(seed=7))


def messages(file: Path) -> Iterator[str]:
    """What a module may raise, with … in the place of what is filled in."""
    for node in ast.walk(ast.parse(file.read_text())):
        if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args):
            continue
        said = node.exc.args[0]
        parts = said.values if isinstance(said, ast.JoinedStr) else [said]
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)


def test_no_error_of_an_upgrade_names_a_call_to_somebody_in_a_shell():
    said = [message for file in ROOMS for message in messages(file)]
    assert len(said) > 60
    # What is filled into this one is in a test below.
    said = [message for message in said if "for cutover(…)" not in message]
    told = [in_shell(m) for m in said if not any(only in m for only in PYTHON_ONLY)]
    assert [message for message in told if PYTHON.search(message)] == []


@pytest.fixture(scope="module")
def third(tmp_path_factory):
    return build_checkpoint(tmp_path_factory.mktemp("third") / "model", Recipe(seed=9))


@pytest.fixture
def fails(trivet_run):
    """Runs `trivet upgrade …`, which says on one line what is wrong, and what to run."""

    def run(*arguments: object, code: int = 1) -> str:
        result = trivet_run("upgrade", *arguments)
        assert (result.code, result.err.count("\n")) == (code, 1), result.err
        assert not PYTHON.search(re.sub(r"'[^']*/[^']*'", "", result.err))
        return result.err

    return run


def taken(index: trivet.Index, newer: Path, mode: str) -> None:
    upgrade = index.upgrade(newer)
    upgrade.plan()
    upgrade.fit("keep")
    upgrade.verify()
    upgrade.cutover(mode, force=True)


def filled(folder: Path, model: Path, count: int = 120) -> Path:
    random = np.random.default_rng(0)
    with trivet.open(folder, model=model, modes=["dense"]) as index:
        texts = [" ".join(random.choice(WORDS, size=12)) for _ in range(count)]
        index.add(texts, ids=[f"d{i}" for i in range(count)], on_error="raise")
    return folder


def test_steps_before_their_turn_name_the_next_one(
    fails, tiny_model, newer, third, trivet_run, tmp_path
):
    at = ("--index", filled(tmp_path / "index", tiny_model))
    for step in ("fit", "verify", "migrate", "finish", "rollback", ("cutover", "query")):
        first = fails(*([step] if isinstance(step, str) else step), *at)
        assert "begin with trivet upgrade plan --to MODEL" in first
    assert "begin with trivet upgrade plan --to MODEL" in fails("finish", *at, "--to", newer)
    assert trivet_run("upgrade", "plan", *at, "--to", newer).code == 0
    for step in ("verify", "migrate", "finish", ("cutover", "translate")):
        early = fails(*([step] if isinstance(step, str) else step), *at)
        assert "got one that is planned: next comes trivet upgrade fit" in early
    other = fails("plan", *at, "--to", third)
    assert "run trivet upgrade finish or trivet upgrade rollback first" in other
    assert trivet_run("upgrade", "fit", *at, "--aim", "keep").code == 0
    assert "next comes trivet upgrade verify" in fails("cutover", "query", *at)
    judged = tmp_path / "judged.json"
    judged.write_text(json.dumps({"kedge": {"d1": 0}}))
    assert "leave --judged out" in fails("verify", *at, "--judged", judged)
    assert trivet_run("upgrade", "verify", *at).code == 3
    refused = fails("cutover", "query", *at, "--json", code=3)
    assert "or trivet upgrade cutover query --force" in refused
    assert "PASS for trivet upgrade cutover query, got REFUSE" in refused
    assert "query, translate, got 'both'" in fails("cutover", "both", *at)
    assert "keep" in fails("fit", *at, "--aim", "better")


def test_what_serves_already_says_how_it_goes_on(fails, tiny_model, newer, tmp_path):
    folder = filled(tmp_path / "index", tiny_model)
    with trivet.open(folder) as index:
        taken(index, newer, "translate")
    at = ("--index", folder)
    assert "next comes trivet upgrade migrate, then finish" in fails("plan", *at)
    early = fails("finish", *at)
    assert "run trivet upgrade migrate for the others, or trivet upgrade finish --force" in early
    assert "for trivet upgrade migrate later" in early
    assert "rate above 0" in fails("migrate", *at, "--rate", 0)
    assert "grace of 0 seconds or more" in fails("finish", *at, "--grace", -1)
    assert "is translated: next comes trivet upgrade migrate" in fails("verify", *at)


def test_an_index_that_cannot_be_planned_says_why(fails, tiny_model, newer, tmp_path):
    with trivet.open(tmp_path / "empty", model=tiny_model):
        pass
    empty = fails("plan", "--index", tmp_path / "empty", "--to", newer)
    assert "add some first, with trivet index" in empty
    with trivet.open(tmp_path / "words", model=tiny_model, modes=["sparse"]) as words:
        words.add(["kedge anchor"], on_error="raise")
    assert "no upgrade" in fails("plan", "--index", tmp_path / "words", "--to", newer)
    folder = filled(tmp_path / "index", tiny_model, 4)
    same = fails("plan", "--index", folder, "--to", tiny_model)
    assert "(what an upgrade has left translated is embedded by trivet upgrade migrate)" in same


@pytest.mark.loopback
def test_collections_that_cannot_be_taken_over_say_why(fails, tiny_model, tmp_path):
    with StubServer() as server:
        client = QdrantClient(url=server.url, check_compatibility=False)
        size = models.VectorParams(size=32, distance=models.Distance.COSINE)
        for name in ("empty", "textless", "named"):
            vectors = {"a": size, "b": size} if name == "named" else size
            client.create_collection(name, vectors)
        dense = trivet.Embedder.load(tiny_model, modes=["dense"]).embed_documents(["kedge"]).dense
        row = dense.values[0].tolist()
        for name, vector in (("textless", row), ("named", {"a": row, "b": row})):
            points = [models.PointStruct(id=0, vector=vector, payload={"page_content": ""})]
            client.upsert(name, points)
        client.close()
        own = ("--model", tiny_model, "--index", tmp_path / "own")

        def refused(name: str, *options: object) -> str:
            return fails("take-over", f"{server.url}/collections/{name}", *own, *options)

        assert "make an index with trivet index" in refused("empty")
        assert "name a file of them with --texts" in refused("textless")
        assert "name it with --vector" in refused("named")
        assert "only a server has aliases" in refused("textless", "--alias", "all")
        assert "as in --bm25 en" in refused("textless", "--bm25", "auto")
        assert "found none" in refused("absent")
        foreign = f"{server.url}/collections/textless"
        plan = fails("plan", "--index", foreign, "--to", tiny_model)
        assert "or copy it to an index (`trivet upgrade take-over" in plan
        with trivet.open(tmp_path / "three-legs", model=tiny_model) as index:
            index.add(["kedge anchor"], on_error="raise")
        own = (*own[:3], tmp_path / "three-legs")
        assert "name another place with --index" in refused("textless")
        with trivet.open(server.url, collection="ours", model=tiny_model) as index:
            index.add(["kedge anchor"], on_error="raise")
        assert "upgraded as it is, with trivet upgrade plan" in refused("ours")


def test_a_serving_model_that_is_gone_can_be_rolled_back(fails, tiny_model, newer, tmp_path):
    newer = shutil.copytree(newer, tmp_path / "newer")
    folder = filled(tmp_path / "index", tiny_model)
    with trivet.open(folder) as index:
        taken(index, newer, "query")
    newer.rename(tmp_path / "moved")
    gone = fails("migrate", "--index", folder)
    assert "put it back, or go back to" in gone
    assert "with trivet upgrade rollback" in gone
    with trivet.open(folder) as index:  # not a vector was carried over in vain
        assert index.current_upgrade.state == "bridged"
