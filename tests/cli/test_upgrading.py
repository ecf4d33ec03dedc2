"""`trivet upgrade …`: what each step prints, and the code it exits with."""

from __future__ import annotations

import json

import numpy as np
import pytest
from checkpoints import WORDS, Recipe, build_checkpoint
from stub_server import StubServer

import trivet


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


def test_an_upgrade_from_the_shell(trivet_run, stored, newer, tmp_path):
    folder, texts = stored
    at = ("--index", folder)
    plan = json.loads(trivet_run("upgrade", "plan", *at, "--to", newer, "--json").out)
    assert (plan["documents"], plan["aim"], plan["state"]) == (200, "gain", "planned")
    assert trivet_run("upgrade", "fit", *at, "--aim", "keep").out.endswith(
        "native: 0\ntextless: 0\n"
    )
    # Another model, whose rankings are not the old ones.
    page = tmp_path / "report.html"
    assert trivet_run("upgrade", "verify", *at, "--report", page).code == 3
    assert page.read_text().startswith("<!doctype html>")
    refused = trivet_run("upgrade", "cutover", "query", *at)
    assert refused.code == 3
    assert refused.err.startswith("refused: expected the verdict PASS")
    assert trivet_run("upgrade", "fit", *at, "--aim", "gain").code == 0
    assert trivet_run("upgrade", "verify", *at).code in (2, 3)
    judged = tmp_path / "judged.json"
    judged.write_text(json.dumps({texts[i]: {f"d{i}": 1} for i in range(50)}))
    verified = trivet_run("upgrade", "verify", *at, "--judged", judged, "--json")
    assert json.loads(verified.out)["judged"]["reembedded"]["value"] == 1.0
    assert trivet_run("upgrade", "cutover", "translate", *at, "--force").code == 0
    unfinished = trivet_run("upgrade", "finish", *at)
    assert unfinished.code == 1
    assert "got them of 0" in unfinished.err
    assert trivet_run("upgrade", "migrate", *at).code == 0
    status = json.loads(trivet_run("upgrade", "status", *at, "--json").out)
    assert (status["native"], status["state"]) == (200, "migrating")
    assert trivet_run("upgrade", "finish", *at, "--grace", "60").code == 0
    assert json.loads(trivet_run("upgrade", "rollback", *at, "--json").out) == {"state": "over"}


@pytest.mark.loopback
def test_an_index_on_a_server_is_named_by_its_url(trivet_run, tiny_model, newer):
    with StubServer() as server:
        with trivet.open(server.url, collection="notes", model=tiny_model) as index:
            index.add(["kedge anchor", "ship sail"], ids=["a", "b"], on_error="raise")
        at = ("--index", f"{server.url}/collections/notes")
        plan = json.loads(trivet_run("upgrade", "plan", *at, "--to", newer, "--json").out)
        assert (plan["documents"], plan["state"]) == (2, "planned")
        assert json.loads(trivet_run("upgrade", "rollback", *at, "--json").out) == {"state": "over"}
        missing = trivet_run("upgrade", "status", "--index", f"{server.url}/collections/others")
        assert (missing.code, server.local.collection_exists("others")) == (1, False)


def test_a_step_without_an_upgrade_says_where_to_begin(trivet_run, stored):
    result = trivet_run("upgrade", "fit", "--index", stored[0])
    assert result.code == 1
    assert "trivet upgrade plan --to MODEL" in result.err
