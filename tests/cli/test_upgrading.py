"""`trivet upgrade …`: what each step prints, and the code it exits with."""

from __future__ import annotations

import io
import json
import shutil

import numpy as np
import pytest
from checkpoints import WORDS, Recipe, build_checkpoint
from qdrant_client import QdrantClient, models
from rich.console import Console
from stub_server import StubServer

import trivet
from trivet import errors
from trivet.cli.progress import counting
from trivet.cli.texts_file import TextsFile
from trivet.index.upgrade.migrating import Migration


@pytest.fixture(scope="module")
def newer(tmp_path_factory):
    return build_checkpoint(tmp_path_factory.mktemp("newer") / "model", Recipe(seed=7))


@pytest.fixture
def stored(tiny_model, tmp_path):
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, size=12)) for _ in range(200)]
    with trivet.open(tmp_path / "index", model=tiny_model) as index:
        index.add(texts, ids=[f"d{i}" for i in range(200)], on_error="raise")
    return tmp_path / "index", texts


def test_an_upgrade_from_the_shell(trivet_run, stored, newer, tmp_path, monkeypatch):
    folder, texts = stored
    at = ("--index", folder)
    plan = json.loads(trivet_run("upgrade", "plan", *at, "--to", newer, "--json").out)
    assert (plan["documents"], plan["aim"], plan["state"]) == (200, "gain", "planned")
    early = trivet_run("upgrade", "verify", *at)
    assert (early.code, "got one that is planned" in early.err) == (1, True)
    fitted = trivet_run("upgrade", "fit", *at, "--aim", "keep")
    assert fitted.out.startswith("aim: keep\nmethod: ")
    assert fitted.out.endswith("state: fitted\n")
    # Another model, whose rankings are not the old ones.
    page = tmp_path / "report.html"
    assert trivet_run("upgrade", "verify", *at, "--report", page).code == 3
    assert page.read_text().startswith("<!doctype html>")
    refused = trivet_run("upgrade", "cutover", "query", *at, "--json")
    assert refused.code == 3
    assert refused.err.startswith("refused: expected the verdict PASS")
    assert "or trivet upgrade cutover query --force" in refused.err
    assert json.loads(refused.out) == {"mode": "query", "refused": "REFUSE", "state": "refused"}
    _fit_for_gain(trivet_run, at, tmp_path)
    judged = tmp_path / "judged.json"
    judged.write_text(json.dumps({texts[i]: {f"d{i}": 1} for i in range(50)}))
    verified = trivet_run("upgrade", "verify", *at, "--judged", judged, "--json")
    assert json.loads(verified.out)["judged"]["reembedded"]["value"] == 1.0
    _translate_and_go_back(trivet_run, at, monkeypatch)


def _fit_for_gain(trivet_run, at, tmp_path):
    asked = tmp_path / "queries.txt"
    asked.write_text("kedge anchor\n\nsail and wind\n")
    gain = trivet_run("upgrade", "fit", *at, "--aim", "gain", "--queries", asked, "--json")
    choice = json.loads(gain.out)
    assert (choice["aim"], "query" in choice["sources"], choice["state"]) == (
        "gain",
        True,
        "fitted",
    )
    assert choice["method"] == choice["candidates"][0]["method"]
    code = trivet_run("upgrade", "verify", *at).code
    assert code in (2, 3)
    assert trivet_run("upgrade", "cutover", "query", *at).code == code


def _translate_and_go_back(trivet_run, at, monkeypatch):
    assert trivet_run("upgrade", "cutover", "translate", *at, "--force").code == 0
    unfinished = trivet_run("upgrade", "finish", *at)
    assert unfinished.code == 1
    assert "got them of 0" in unfinished.err
    stopped = _stopped(monkeypatch, lambda: trivet_run("upgrade", "migrate", *at))
    assert stopped == (130, "", "stopped; run again to resume\n")
    migrated = trivet_run("upgrade", "migrate", *at)
    assert (migrated.code, migrated.err) == (0, "")  # no progress where nobody looks
    status = json.loads(trivet_run("upgrade", "status", *at, "--json").out)
    assert (status["native"], status["state"]) == (200, "migrating")
    assert trivet_run("upgrade", "finish", *at, "--grace", "60").code == 0
    assert json.loads(trivet_run("upgrade", "rollback", *at, "--json").out) == {"state": "over"}


def _stopped(monkeypatch, run):
    """Run a migration that is stopped with Ctrl-C after its first batch."""
    migrate, batches = Migration._migrate, []

    def stop(migration, ids):
        if batches:
            raise KeyboardInterrupt
        batches.append(migrate(migration, ids))
        return batches[0]

    with monkeypatch.context() as patched:
        patched.setattr(Migration, "_migrate", stop)
        result = run()
    assert batches == [(64, 0)]
    return result


@pytest.mark.loopback
def test_texts_that_are_kept_elsewhere_come_from_a_file(trivet_run, tiny_model, newer, tmp_path):
    texts = {f"d{i}": " ".join(WORDS[9 * i : 9 * i + 9]) for i in range(24)}
    file = tmp_path / "texts.jsonl"
    file.write_text("\n".join(json.dumps({"id": id, "text": t}) for id, t in texts.items()))
    with StubServer() as server:
        with trivet.open(server.url, collection="notes", model=tiny_model) as index:
            index.add(list(texts.values()), ids=list(texts), on_error="raise")
        everything = models.Filter()
        server.local.delete_payload("notes", ["page_content"], everything)
        at = ("--index", f"{server.url}/collections/notes")
        plan = ("upgrade", "plan", *at, "--to", newer, "--json")
        without = trivet_run(*plan)
        assert (without.code, "text" in without.err) == (1, True)
        planned = json.loads(trivet_run(*plan, "--texts", file).out)
        assert (planned["documents"], planned["state"]) == (24, "planned")
        fitted = trivet_run("upgrade", "fit", *at, "--texts", file)
        assert (fitted.code, fitted.err) == (0, "")
        verified = trivet_run("upgrade", "verify", *at, "--texts", file)
        assert (verified.code in (2, 3), verified.err) == (True, "")
        assert trivet_run("upgrade", "cutover", "query", *at, "--force").code == 0
        told = trivet_run("upgrade", "migrate", *at, "--texts", file, "--json")
        assert (told.code, json.loads(told.out)["native"]) == (0, 24)
        missing = trivet_run("upgrade", "status", "--index", f"{server.url}/collections/others")
        assert (missing.code, server.local.collection_exists("others")) == (1, False)


@pytest.mark.loopback
def test_another_programs_collection_is_taken_over_and_planned(
    trivet_run, tiny_model, newer, tmp_path
):
    texts = ["kedge anchor rope", "sail wind storm", "tide current"]
    dense = trivet.Embedder.load(tiny_model, modes=["dense"]).embed_documents(texts).dense
    with StubServer() as server:
        size = models.VectorParams(size=32, distance=models.Distance.COSINE)
        client = QdrantClient(url=server.url, check_compatibility=False)
        client.create_collection("notes", size)
        points = [
            models.PointStruct(id=i, vector=row.tolist(), payload={"page_content": text})
            for i, (row, text) in enumerate(zip(dense.values, texts, strict=True))
        ]
        client.upsert("notes", points)
        client.set_payload("notes", {"page_content": ""}, [1, 2])
        client.close()
        foreign, own = f"{server.url}/collections/notes", f"{server.url}/collections/own"
        refused = trivet_run("upgrade", "plan", "--index", foreign, "--to", newer)
        assert (refused.code, "trivet upgrade take-over" in refused.err) == (1, True)
        took = ("upgrade", "take-over", foreign, "--model", tiny_model)
        bare = trivet_run(*took, "--index", own)
        assert (bare.code, "got none" in bare.err) == (1, True)
        file = tmp_path / "texts.jsonl"
        file.write_text(json.dumps({"id": "1", "text": texts[1]}))
        told = trivet_run(*took, "--index", own, "--texts", file)
        assert "3 documents are in" in told.out
        assert "1 of them without a text" in told.out
        file.write_text("\n".join(json.dumps({"id": str(i), "text": texts[i]}) for i in (1, 2)))
        again = ("--index", own, "--alias", "all-notes", "--texts", file, "--json")
        told = json.loads(trivet_run(*took, *again).out)
        assert (told["documents"], "textless" in told) == (3, False)
        at = ("--index", f"{server.url}/collections/all-notes")
        plan = json.loads(trivet_run("upgrade", "plan", *at, "--to", newer, "--json").out)
        assert (plan["documents"], plan["state"]) == (3, "planned")
        nowhere = trivet_run("upgrade", "take-over", "notes", "--model", "m", "--index", tmp_path)
        assert (nowhere.code, "expected URL/collections/NAME" in nowhere.err) == (1, True)


def test_a_step_without_an_upgrade_says_where_to_begin(trivet_run, stored):
    result = trivet_run("upgrade", "fit", "--index", stored[0])
    assert result.code == 1
    assert "trivet upgrade plan --to MODEL" in result.err


def test_without_an_upgrade_the_state_is_stable(trivet_run, indexed, tiny_model):
    told = trivet_run("upgrade", "status", "--index", indexed, "--json")
    assert told.code == 0
    assert json.loads(told.out) == {"state": "stable", "model": str(tiny_model), "documents": 3}


def test_what_a_forced_end_leaves_is_told_and_migrated(trivet_run, tiny_model, newer, tmp_path):
    folder, texts = tmp_path / "index", [" ".join(WORDS[i : i + 9]) for i in range(60)]
    with trivet.open(folder, model=tiny_model, modes=["dense", "sparse"]) as index:
        index.add(texts, on_error="raise")
        upgrade = index.upgrade(newer)
        upgrade.plan()
        upgrade.fit("keep")
        upgrade.verify()
        upgrade.cutover("translate", force=True)
        upgrade.finish(force=True)
    at = ("--index", folder)
    status = json.loads(trivet_run("upgrade", "status", *at, "--json").out)
    assert (status["state"], status["documents"], status["translated"]) == ("stable", 60, 60)
    assert "translated" in trivet_run("info", *at).out
    told = trivet_run("doctor", *at)
    assert "60 documents have dense vectors that an upgrade carried over" in told.out
    # With the model named, as in the steps before, or without.
    stopped = trivet_run("upgrade", "migrate", *at, "--to", newer, "--budget", 1e-9)
    assert (stopped.code, "translated: 60" in stopped.out) == (0, True)
    migrated = json.loads(trivet_run("upgrade", "migrate", *at, "--json").out)
    assert migrated == {"state": "stable", "model": str(newer), "documents": 60}
    assert "carried over" not in trivet_run("doctor", *at).out


def test_what_cannot_be_done_is_said_in_one_line(trivet_run, indexed, tiny_model, tmp_path):
    def fails(*arguments: object) -> str:
        result = trivet_run("upgrade", *arguments)
        assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
        return result.err

    at = ("--index", indexed)
    assert "got no such folder" in fails("status", "--index", tmp_path / "none")
    assert "none-such" in fails("plan", *at, "--to", tmp_path / "none-such")
    assert "nothing to upgrade" in fails("plan", *at, "--to", tiny_model)
    for step in ("verify", "migrate", "finish", "rollback"):
        assert "trivet upgrade plan --to MODEL" in fails(step, *at)
    wrong = tmp_path / "file"
    wrong.write_bytes(b"\xff\xfe")
    assert "UTF-8" in fails("fit", *at, "--queries", wrong)
    assert "grade" in fails("verify", *at, "--judged", wrong)
    wrong.write_text("\n\n")
    assert "queries, one a line" in fails("fit", *at, "--queries", wrong)
    assert '"id" and "text"' in fails("plan", *at, "--texts", wrong)
    assert trivet_run("upgrade", "plan", *at, "--texts", tmp_path / "gone").code == 2
    assert trivet_run("upgrade", "turn", *at).code == 2


def test_the_model_under_way_is_not_looked_for_again(trivet_run, indexed, newer, tmp_path):
    gone = shutil.copytree(newer, tmp_path / "gone")
    at = ("--index", indexed, "--to", gone)
    assert trivet_run("upgrade", "plan", *at).code == 0
    shutil.rmtree(gone)
    assert trivet_run("upgrade", "status", *at).code == 0
    assert trivet_run("upgrade", "rollback", *at).out == "state: over\n"


def test_texts_are_found_by_id_and_tenant(tmp_path):
    file = tmp_path / "texts.jsonl"
    rows = ['{"id": "a", "text": "old"}', "", '{"id": "b", "text": "t\u00fc", "page": 3}',
            '{"id": "a", "text": "new", "tenant": "x"}', '{"id": "a", "text": "new"}']  # fmt: skip
    file.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode())
    with TextsFile(file) as texts:
        assert [texts(key) for key in ("a", "b", "x\x1fa", "c")] == ["new", "tü", "new", None]
    file.write_text('{"id": "a", "text": "first"}')
    with TextsFile(file) as texts:
        assert texts("a") == texts("a") == "first"
    for line in ("[1]", '{"id": 3, "text": ""}', '{"id": "a"}', "{"):
        file.write_text('{"id": "a", "text": "first"}\n' + line)
        with pytest.raises(errors.InvalidInputError, match=r"texts\.jsonl:2, got"):
            TextsFile(file)


def test_a_migration_is_counted_on_a_terminal_alone(monkeypatch):
    shown = io.StringIO()
    for is_terminal in (False, True):
        console = Console(file=shown, force_terminal=is_terminal, width=80)
        monkeypatch.setattr("trivet.cli.progress.remarks", lambda console=console: console)
        with counting("chunk") as count:
            count(1234)  # drawn ten times a second, and once more at the end
        assert ("1,234 chunks" in shown.getvalue()) == is_terminal
