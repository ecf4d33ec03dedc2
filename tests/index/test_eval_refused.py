"""An evaluation on a server that refuses formulas: what it runs is judged, the rest is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stub_server import Request, StubServer

import trivet
from trivet.errors import JudgementsError, ServerRefusedError
from trivet.evaluation import evaluate

pytestmark = pytest.mark.loopback

WORDS = ["kedge", "bower", "grapnel", "plough"]
QUERIES = {f"q{i}": word for i, word in enumerate(WORDS)}
QRELS = {f"q{i}": {word: 1} for i, word in enumerate(WORDS)}
SUMS = {"hybrid3", "hybrid2", "token-heavy", "dense-heavy", "lexical"}
SAYS = "Format error in JSON body: data did not match any variant"


@pytest.fixture
def server() -> Iterator[StubServer]:
    with StubServer() as server:
        yield server


@pytest.fixture
def index(server: StubServer, tiny_embedder: trivet.Embedder) -> Iterator[trivet.Index]:
    legs = ["dense", "sparse", "multi"]
    with trivet.open(server.url, collection="notes", model=tiny_embedder, modes=legs) as index:
        index.add([f"the {word} anchor" for word in WORDS], ids=WORDS)
        yield index


def refuse(server: StubServer, *words: str) -> None:
    """Answer 400 to searches in which one of these words stands."""

    def effect(request: Request) -> None:
        if any(word in json.dumps(request.body["searches"]) for word in words):
            request.reply(400, {"status": {"error": SAYS}, "time": 0.0})
        else:
            request.reply(*request.result())

    server.fail(r"POST /collections/[^/]+/points/query/batch", effect, times=10**6)


def test_what_the_server_runs_is_judged_and_what_it_refuses_is_named(server, index) -> None:
    refuse(server, '"formula"')
    found = evaluate(index, QUERIES, QRELS, metrics=["nDCG@10"])
    assert set(found.refused) == SUMS
    assert all(
        SAYS in reason and "leave plan out" not in reason for reason in found.refused.values()
    )
    # By what a search without a plan goes by there.
    assert found.default == found.plans[0].name == "default"
    assert {plan.name for plan in found.plans} == {
        "default", "dense", "sparse", "multi", "dbsf", "rrf"
    }  # fmt: skip
    assert found.plans[0].means["nDCG@10"].mean > 0.5
    assert found.to_json()["refused"] == dict(found.refused)


def test_a_default_that_ranks_as_a_preset_has_its_name(server, index) -> None:
    refuse(server, '"formula"')
    found = evaluate(index, QUERIES, QRELS, metrics=["R@100"])
    assert (found.default, found.plans[0].name) == ("dbsf", "dbsf")


def test_nothing_is_refused_where_all_is_run(index) -> None:
    found = evaluate(index, QUERIES, QRELS, metrics=["nDCG@10"])
    assert (found.refused, found.default) == ({}, "hybrid3")


def test_an_evaluation_of_which_nothing_is_run_says_what_the_server_says(server, index) -> None:
    refuse(server, '"query"')
    with pytest.raises(ServerRefusedError, match=SAYS[:12]):
        evaluate(index, QUERIES, QRELS, metrics=["nDCG@10"])
    with pytest.raises(JudgementsError):
        evaluate(index, {}, QRELS)


def test_the_command_shows_it(
    server, index, tmp_path: Path, trivet_run: Callable[..., tuple[int, str, str]]
) -> None:
    refuse(server, '"formula"')
    files = {"queries.tsv": QUERIES.items(), "qrels.tsv": [(q, *d, 1) for q, d in QRELS.items()]}
    for name, rows in files.items():
        (tmp_path / name).write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    asked = (
        "eval", "--queries", tmp_path / "queries.tsv", "--qrels", tmp_path / "qrels.tsv",
        "--index", f"{server.url}/collections/notes",
    )  # fmt: skip
    code, out, err = trivet_run(*asked, "--json")
    assert code == 0, err
    assert set(json.loads(out)["refused"]) == SUMS
    code, out, _ = trivet_run(*asked)
    assert code == 0
    assert "hybrid3: left out, the server refuses it: " in out
    assert sum("left out" in line and "–" in line for line in out.splitlines()) == len(SUMS)
