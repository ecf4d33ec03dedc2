"""The commands in an index with tenants."""

from __future__ import annotations

import json

import pytest

import trivet


@pytest.fixture
def shared(trivet_run, tmp_path, tiny_model):
    """Two tenants, each with a file of the same name."""
    folder = tmp_path / "index"
    for tenant, text in (("acme", "an anchor of acme"), ("bolt", "an anchor of bolt")):
        file = tmp_path / tenant / "anchor.txt"
        file.parent.mkdir()
        file.write_text(text)
        result = trivet_run(
            "index", file, "--index", folder, "--model", tiny_model, "--tenant", tenant
        )
        assert result.out.startswith("1 document: 1 added"), result
    return folder


def test_a_tenant_finds_its_own_documents(trivet_run, shared):
    for tenant in ("acme", "bolt"):
        found = trivet_run("search", "anchor", "--index", shared, "--tenant", tenant, "--json")
        assert [(hit["id"], hit["text"]) for hit in json.loads(found.out)] == [
            ("anchor.txt", f"an anchor of {tenant}")
        ]
        info = trivet_run("info", "--index", shared, "--tenant", tenant)
        assert f"tenant     {tenant}" in info.out
        assert "documents  1" in info.out
    everybody = trivet_run("info", "--index", shared)
    assert "tenant     all" in everybody.out
    assert "documents  2" in everybody.out


def test_without_a_tenant_the_way_out_is_named(trivet_run, shared, tmp_path):
    for command in (("search", "anchor"), ("index", tmp_path / "acme")):
        result = trivet_run(*command, "--index", shared)
        assert result.code == 1
        assert "--tenant NAME" in result.err


def test_an_index_without_tenants_takes_none(trivet_run, library, indexed, tmp_path):
    for command in (("search", "anchor"), ("info",), ("index", library)):
        result = trivet_run(*command, "--index", indexed, "--tenant", "acme")
        assert result.code == 1
        assert "without" in result.err
    refused = trivet_run("index", library, "--index", tmp_path / "new", "--tenant", "a\x1fb")
    assert refused.code == 1
    assert not (tmp_path / "new").exists()


def test_upkeep_is_of_all_tenants(trivet_run, shared, tmp_path):
    assert trivet_run("verify", "--index", shared).code == 0
    backed_up = trivet_run("backup", tmp_path / "backup", "--index", shared)
    assert backed_up.out.startswith("2 documents backed up")
    restored = trivet_run("restore", tmp_path / "backup", "--index", tmp_path / "restored")
    assert restored.out.startswith("2 documents restored")
    with trivet.open(shared) as index:
        (page,) = index._store.engine.pages()
        lost = next(id for id, own in page.items() if own["_trivet"]["tenant"] == "bolt")
        index._store.engine.delete([lost])
    assert "broken: bolt: anchor.txt\n" in trivet_run("verify", "--index", shared).out
    repaired = trivet_run("repair", "--index", shared)
    assert repaired.err.startswith("failed: bolt: anchor.txt: was not stored whole")
