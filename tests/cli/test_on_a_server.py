"""Every command on an index that a server keeps: what works, and what is said where it does not."""

from __future__ import annotations

import json
import os

import anyio
import pytest
from mcp.client import Client
from qdrant_client import QdrantClient, models
from stub_server import StubServer, refuse

import trivet
from trivet.store.points import point_id

pytestmark = pytest.mark.loopback
KEY = "hush-a-secret"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in ("QDRANT_API_KEY", "TRIVET_ALLOW_INSECURE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    with StubServer() as server:
        yield server


@pytest.fixture
def notes(server, trivet_run, library, tiny_model):
    """An index on the server, made by `trivet index`: its place."""
    place = f"{server.url}/collections/notes"
    made = trivet_run("index", library, "--index", place, "--model", tiny_model)
    assert made.code == 0
    assert made.out.startswith("3 documents: 3 added")
    return place


def test_index_makes_fills_resumes_and_prunes_one(trivet_run, server, notes, library):
    assert trivet_run("index", library, "--index", notes).out.startswith("3 documents: 3 unchanged")
    (library / "kedge.md").write_text("# Kedge\n\nA kedge warps a ship.\n")
    (library / "leeway.txt").unlink()
    again = trivet_run("index", library, "--index", f"{notes}/", "--prune", "--json")
    told = json.loads(again.out)
    assert (told["replaced"], told["skipped"], told["removed"]) == (1, 1, 1)
    assert server.local.count("notes").count == 2


def test_a_url_alone_is_the_collection_of_that_name(trivet_run, server, library, tiny_model):
    made = trivet_run("index", library, "--index", server.url, "--model", tiny_model)
    assert made.code == 0
    assert server.local.collection_exists("trivet")
    found = trivet_run("search", "kedge", "--index", server.url, "--json")
    assert json.loads(found.out)[0]["id"] == "kedge.md"


def test_search_and_explain_answer_as_from_python(trivet_run, server, notes):
    with trivet.open(server.url, collection="notes") as index:
        hits = index.search("a light anchor", k=2)
        total = index.explain("a light anchor", "kedge.md").score
    found = json.loads(
        trivet_run("search", "a light anchor", "-k", 2, "--index", notes, "--json").out
    )
    assert [hit["id"] for hit in found] == [hit.id for hit in hits]
    assert [hit["score"] for hit in found] == pytest.approx([h.score for h in hits], abs=1e-6)
    why = trivet_run("explain", "a light anchor", "kedge.md", "--index", notes, "--json")
    assert json.loads(why.out)["score"] == pytest.approx(total, abs=1e-6)


def test_info_tells_what_it_can_and_says_what_the_server_does_not(trivet_run, notes):
    told = trivet_run("info", "--index", notes, "--recall")
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines()[0] == notes
    assert "on disk    not told by the server" in told.out
    assert "optimized  by the server itself" in told.out
    assert "recall     1.000 of the 2 nearest" in told.out
    as_json = json.loads(trivet_run("info", "--index", notes, "--json").out)
    assert (as_json["documents"], as_json["size_bytes"]) == (3, None)


def test_eval_judges_it(trivet_run, notes, tmp_path):
    queries, qrels = tmp_path / "queries.tsv", tmp_path / "qrels.txt"
    queries.write_text("q1\twhat is a kedge?\n")
    qrels.write_text("q1 0 kedge.md 1\n")
    done = trivet_run("eval", "--index", notes, "--queries", queries, "--qrels", qrels, "--json")
    assert done.code == 0
    assert json.loads(done.out)["default"] == "hybrid3"


def test_mcp_serves_it(trivet_run, notes, monkeypatch):
    answers = []

    def ask(server):
        async def asked():
            async with Client(server) as client:
                found = await client.call_tool("search", {"query": "a light anchor", "k": 1})
                read = await client.call_tool("fetch", {"id": "tide"})
                answers.extend([found.structured_content, read.structured_content])

        anyio.run(asked)

    monkeypatch.setattr("trivet.mcp.serving.serve_stdio", ask)
    served = trivet_run("mcp", "--index", notes)
    assert (served.code, served.out) == (0, "")
    assert "kedge.md" in json.dumps(answers[0])
    assert "Tide and current." in json.dumps(answers[1])


def test_optimize_verify_and_doctor_look_after_it(trivet_run, server, notes):
    assert (
        "a server optimizes its vectors by itself" in trivet_run("optimize", "--index", notes).out
    )
    forced = trivet_run("optimize", "--force", "--index", notes)
    assert (forced.code, "takes care of itself" in forced.err) == (1, True)
    assert trivet_run("verify", "--index", notes).out == "3 documents, 3 chunks, 3 points\n"
    assert trivet_run("doctor", "--index", notes).code == 0
    with trivet.open(server.url, collection="notes") as index:
        index._store.engine.delete([point_id(index._store.manifest.namespace, "leeway.txt", 0)])
    found = trivet_run("verify", "--index", notes)
    assert (found.code, "broken: leeway.txt" in found.out) == (1, True)
    assert "index them again" in found.err
    assert "trivet repair" not in found.err


@pytest.mark.parametrize(
    ("command", "way"),
    [
        (["backup", "target"], "trivet.Snapshots(url, collection=…).take()"),
        (["restore", "none"], "trivet.Snapshots(url, collection=…).restore(id)"),
        (["repair"], "restore a snapshot"),
    ],
)
def test_what_works_on_folders_alone_says_what_to_do(
    trivet_run, server, tmp_path, monkeypatch, command, way
):
    monkeypatch.chdir(tmp_path)
    done = trivet_run(*command, "--index", f"{server.url}/collections/notes")
    assert (done.code, done.out) == (1, "")
    assert "expected a folder to " in done.err
    assert f"got {server.url}/collections/notes: " in done.err
    assert way in done.err
    assert list(tmp_path.iterdir()) == []


READING = [
    ["search", "anchor"], ["info"], ["verify"], ["optimize"], ["doctor"], ["mcp"],
    ["explain", "anchor", "a"], ["upgrade", "status"],
]  # fmt: skip


@pytest.mark.parametrize("command", READING, ids=lambda command: command[0])
def test_where_there_is_none_none_is_made(trivet_run, server, command):
    place = f"{server.url}/collections/notes"
    done = trivet_run(*command, "--index", place)
    assert (done.code, done.out) == (1, "")
    assert f"expected an index at {place}, got none" in done.err
    assert f"trivet index PATH --index {place}" in done.err
    assert server.local.get_collections().collections == []


@pytest.mark.parametrize("command", [["search", "anchor"], ["index", "."]], ids=lambda c: c[0])
def test_a_collection_that_others_made_is_left_alone_and_how_to_take_it_over_is_said(
    trivet_run, server, library, monkeypatch, command
):
    client = QdrantClient(url=server.url, check_compatibility=False)
    size = models.VectorParams(size=4, distance=models.Distance.COSINE)
    client.create_collection("notes", size)
    client.close()
    monkeypatch.chdir(library)
    place = f"{server.url}/collections/notes"
    done = trivet_run(*command, "--index", place)
    assert done.code == 1
    assert f"trivet upgrade take-over {place} --model MODEL" in done.err
    names = [each.name for each in server.local.get_collections().collections]
    assert names == ["notes"]


def test_a_server_that_is_down_is_told_soon(trivet_run, monkeypatch):
    with StubServer() as gone:
        url = gone.url
    monkeypatch.setattr("trivet.store.connection.PROBE_ATTEMPTS", 1)
    done = trivet_run("search", "anchor", "--index", f"{url}/collections/notes")
    assert (done.code, done.out) == (1, "")
    assert f"the server did not answer at {url}" in done.err
    assert "see that it is up" in done.err


def test_the_key_comes_from_the_environment_and_is_never_shown(
    trivet_run, server, notes, monkeypatch
):
    server.api_key = KEY
    without = trivet_run("search", "anchor", "--index", notes)
    assert (without.code, without.out) == (1, "")
    assert "401" in without.err
    assert "QDRANT_API_KEY" in without.err
    monkeypatch.setenv("QDRANT_API_KEY", "another-secret")
    wrong = trivet_run("info", "--index", notes)
    assert (wrong.code, "401" in wrong.err) == (1, True)
    assert trivet_run("doctor", "--index", notes).code == 1  # it cannot be looked at, not broken
    monkeypatch.setenv("QDRANT_API_KEY", f"{KEY}\n")
    for command in (["search", "anchor"], ["info"], ["doctor"], ["upgrade", "status"]):
        done = trivet_run(*command, "--index", notes)
        assert (done.code, done.err) == (0, "")
        assert KEY not in done.out
    server.fail(".*", refuse(403, "Forbidden: Write access is required"), times=1000)
    denied = trivet_run("index", os.fspath(__file__), "--index", notes)
    assert (denied.code, "403 Forbidden" in denied.err) == (1, True)
    for result in (without, wrong, denied):
        assert KEY not in result.out + result.err
        assert "another-secret" not in result.out + result.err


@pytest.mark.parametrize("key", ["hush\nhush", "hush-\N{GREEK SMALL LETTER ALPHA}", "hush\x00"])
def test_a_key_that_cannot_be_sent_is_not_quoted(trivet_run, server, monkeypatch, key):
    monkeypatch.setattr("trivet.cli.places.os.environ", {"QDRANT_API_KEY": key})
    done = trivet_run("info", "--index", server.url)
    assert (done.code, done.out) == (1, "")
    assert "expected an API key of printable ASCII characters" in done.err
    assert "hush" not in done.err


def test_a_key_is_kept_from_plain_http_unless_that_is_allowed(trivet_run, monkeypatch):
    monkeypatch.setenv("QDRANT_API_KEY", KEY)
    refused = trivet_run("info", "--index", "http://qdrant.example:6333")
    assert (refused.code, "TRIVET_ALLOW_INSECURE=true" in refused.err) == (1, True)
    assert KEY not in refused.err
    monkeypatch.setenv("TRIVET_ALLOW_INSECURE", "perhaps")
    unclear = trivet_run("info", "--index", "http://qdrant.example:6333")
    assert "expected TRIVET_ALLOW_INSECURE to be true or false, got 'perhaps'" in unclear.err
    monkeypatch.setenv("TRIVET_ALLOW_INSECURE", "true")
    monkeypatch.setattr("trivet.store.connection.PROBE_ATTEMPTS", 1)
    allowed = trivet_run("info", "--index", "http://127.0.0.2:9")
    assert "did not answer" in allowed.err


@pytest.mark.parametrize(
    "place",
    [
        "http://me:hush@127.0.0.1:6333/collections/notes",
        "http://127.0.0.1:6333/collections/notes?api-key=hush",
        "http://127.0.0.1:6333?api-key=hush",
        "http://me:hu/hush@127.0.0.1/collections/notes",
        "http://127.0.0.1:6333/dashboard#/collections/hush",
    ],
)
@pytest.mark.parametrize("command", [["info"], ["repair"], ["upgrade", "plan"]], ids=lambda c: c[0])
def test_a_url_with_a_secret_in_it_is_refused_and_not_repeated(trivet_run, command, place):
    done = trivet_run(*command, "--index", place)
    assert (done.code, done.out) == (2, "")
    assert "QDRANT_API_KEY" in done.err
    assert "hush" not in done.err


def test_one_servers_key_is_not_sent_to_another(trivet_run, server, monkeypatch, tiny_model):
    monkeypatch.setenv("QDRANT_API_KEY", KEY)
    source = f"{server.url}/collections/notes"
    took = ("upgrade", "take-over", source, "--model", tiny_model)
    done = trivet_run(*took, "--index", "https://elsewhere.example/collections/notes")
    assert (done.code, "expected one server for the one key" in done.err) == (1, True)
    assert KEY not in done.err
    assert server.routes == []


def test_a_key_that_may_only_read_is_enough_to_search(trivet_run, server, notes):
    writing = "(PUT|PATCH|DELETE) .*|POST .*/points/(delete|payload)"
    server.fail(writing, refuse(403, "Forbidden: Write access is required"), times=1000)
    found = trivet_run("search", "a light anchor", "--index", notes, "--json")
    assert (found.code, json.loads(found.out)[0]["id"]) == (0, "kedge.md")
    for command in (["info"], ["doctor"], ["explain", "a light anchor", "kedge.md"]):
        assert trivet_run(*command, "--index", notes).code == 0
