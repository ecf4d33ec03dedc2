"""A fine-tuning from pairs to a folder, on a tiny checkpoint."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from checkpoints import WORDS
from sentence_transformers import SentenceTransformer

import trivet
from trivet.drift import DriftMap
from trivet.training import TrainingPair, fine_tune
from trivet.training.student import teach, trainable

ASKED = ["the anchor of a boat", "wind and water"]


@pytest.fixture(scope="module")
def made(tiny_model, make_pairs, tmp_path_factory, quick):
    folder = tmp_path_factory.mktemp("made") / "new"
    return fine_tune(tiny_model, make_pairs(), folder, settings=quick)


def weights_of(folder):
    return (folder / "model.safetensors").read_bytes()


def test_both_libraries_load_the_new_checkpoint_alike(made, tiny_model):
    embedder = trivet.Embedder.load(made.folder, modes=["dense"])
    library = SentenceTransformer(str(made.folder))
    assert weights_of(made.folder) != weights_of(tiny_model)
    ours = embedder.embed_queries(ASKED).dense.values
    np.testing.assert_allclose(ours, library.encode_query(ASKED), atol=1e-5)
    # The window of the training is no part of the checkpoint.
    assert embedder.max_tokens == trivet.Embedder.load(tiny_model).max_tokens == 64


def test_the_map_leads_from_the_new_model_to_the_old_one(made, tiny_model):
    old = trivet.Embedder.load(tiny_model, modes=["dense"]).spaces["dense"]
    new = trivet.Embedder.load(made.folder, modes=["dense"])
    kept = DriftMap.load(made.folder / "training")
    assert (kept.source, kept.target) == (new.spaces["dense"], old)
    assert kept.source.model == str(made.folder)
    assert set(kept.provenance.sources) == {"query"}
    mapped = kept.apply(new.embed_queries(ASKED).dense)
    np.testing.assert_allclose(
        mapped.values, made.drift.apply(new.embed_queries(ASKED).dense).values, atol=1e-6
    )


def test_the_report_says_what_was_measured(made, tiny_model, make_pairs):
    report = json.loads((made.folder / "training" / "report.json").read_text())
    assert report == json.loads(json.dumps(made.report.to_json()))
    assert made.report.pairs == 48  # six batches of eight: the others were not read
    assert len(made.report.losses) == 6
    for step in made.report.losses:
        assert step.total == pytest.approx(step.contrastive + step.queries + step.documents)
    held = made.report.held_out
    assert (held.queries, held.documents) == (27, 27)
    assert 0 < held.query_cosine < 1
    text = (made.folder / "training" / "report.txt").read_text()
    assert f"{held.compensated:.4f}  the same, with the drift map" in text
    assert "steps 6-6: total" in text


def test_held_out_numbers_are_those_of_an_exact_search(tiny_model, make_pairs, tmp_path, quick):
    pairs, dev = make_pairs(), make_pairs(20, seed=9)
    made = fine_tune(tiny_model, pairs, tmp_path / "new", settings=quick, dev=dev)
    held = made.report.held_out
    sides = {}
    for name, folder in (("old", tiny_model), ("new", made.folder)):
        model = SentenceTransformer(str(folder))
        sides[name] = [
            model.encode([getattr(p, part) for p in dev]) for part in ("query", "positive")
        ]

    def reached(queries, documents):
        ranks = [(row > row[i]).sum() + 1 for i, row in enumerate(queries @ documents.T)]
        return np.mean([1 / np.log2(1 + rank) if rank <= 10 else 0 for rank in ranks])

    (old_q, old_d), (new_q, new_d) = sides["old"], sides["new"]
    assert held.old == pytest.approx(reached(old_q, old_d), abs=1e-5)
    assert held.new == pytest.approx(reached(new_q, new_d), abs=1e-5)
    assert held.uncompensated == pytest.approx(reached(new_q, old_d), abs=1e-5)
    mapped = made.drift.apply_rows(new_q)
    assert held.compensated == pytest.approx(reached(mapped, old_d), abs=1e-5)
    assert held.query_cosine == pytest.approx((old_q * new_q).sum(axis=1).mean(), abs=1e-5)


def test_distillation_keeps_vectors_nearer_to_the_old_ones(tiny_model, make_pairs, tmp_path, quick):
    held = []
    for weight in (0.0, 5.0):
        settings = replace(quick, query_weight=weight, document_weight=weight)
        place = tmp_path / str(weight)
        held.append(fine_tune(tiny_model, make_pairs(), place, settings=settings).report.held_out)
    without, with_it = held
    assert with_it.query_cosine > without.query_cosine + 0.01
    assert with_it.document_cosine > without.document_cosine + 0.01


def test_one_seed_gives_one_checkpoint_and_leaves_chance_alone(
    made, tiny_model, make_pairs, tmp_path, quick
):
    before = random.getstate(), torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    again = fine_tune(tiny_model, make_pairs(), tmp_path / "again", settings=quick)
    assert weights_of(again.folder) == weights_of(made.folder)
    assert again.report.losses == made.report.losses
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    assert (np.random.get_state()[1] == before[2]).all()  # noqa: NPY002
    settings = replace(quick, seed=1)
    other = fine_tune(tiny_model, make_pairs(), tmp_path / "other", settings=settings)
    assert other.report.losses != made.report.losses


def test_wordings_go_before_the_texts_and_into_the_checkpoint(
    checkpoint, make_pairs, tmp_path, quick
):
    prompts = {"query": "find: ", "document": "read: ", "clustering": "sort: "}
    folder = checkpoint(prompts=prompts, include_prompt=False)
    old = trivet.Embedder.load(folder, prompts={"query": "ask: {text}"})
    long = " ".join(WORDS[:100])
    taught = teach(trainable(old), [ASKED, [long, ASKED[1]], [ASKED[0]] * 2], 16)
    library = SentenceTransformer(str(folder))
    library.max_seq_length = 16
    right = library.encode(ASKED, prompt="ask: ", normalize_embeddings=True)
    np.testing.assert_allclose(taught[0], right, atol=1e-5)
    right = library.encode([long, *ASKED], prompt="read: ", normalize_embeddings=True)
    np.testing.assert_allclose(taught[1], right[[0, 2]], atol=1e-5)
    np.testing.assert_allclose(taught[2], right[[1, 1]], atol=1e-5)
    pairs = make_pairs(60, negatives=True)
    made = fine_tune(old, pairs, tmp_path / "new", settings=replace(quick, steps=2))
    new = trivet.Embedder.load(made.folder, modes=["dense"])
    assert (new.render("x"), new.render_document("x")) == ("ask: x", "read: x")
    library = SentenceTransformer(str(made.folder))
    # The wordings of other tasks are still there.
    assert library.prompts == {"query": "ask: ", "document": "read: ", "clustering": "sort: "}
    ours = new.embed_documents(ASKED).dense.values
    np.testing.assert_allclose(ours, library.encode_document(ASKED), atol=1e-5)


def test_ctrl_c_leaves_nothing_behind(tiny_model, make_pairs, tmp_path, quick):
    steps = []

    def stop(loss, step, steps_in_all):
        steps.append((step, steps_in_all))
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fine_tune(tiny_model, make_pairs(), tmp_path / "new", settings=quick, progress=stop)
    assert steps == [(1, 6), (2, 6)]
    assert list(tmp_path.iterdir()) == []


def test_an_index_is_upgraded_to_the_new_checkpoint(made, tiny_model, make_pairs):
    pairs: list[TrainingPair] = make_pairs(40)
    with trivet.open(":memory:", model=tiny_model) as index:
        index.add([p.positive for p in pairs], ids=[str(i) for i in range(40)])
        upgrade = index.upgrade(str(made.folder))
        upgrade.plan()
        upgrade.fit("keep")
        upgrade.verify()
        upgrade.cutover("query", force=True)
        assert len(index.search(pairs[0].query, k=3)) == 3
        upgrade.rollback()
