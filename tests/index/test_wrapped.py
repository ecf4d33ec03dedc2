"""An index over models that are not checkpoints: wrapped ones, and several as one."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from layouts import build_splade

import trivet
from trivet import errors

from .hits import assert_same

DIMS = 64
DOCUMENTS = [
    trivet.Document("a kedge is a light anchor", id="kedge"),
    trivet.Document("leeway is sideways drift", id="leeway"),
    trivet.Document("bread and milk are food", id="bread"),
]


def bag_of_words(texts):
    """The hosted model: like words, near vectors."""
    vectors = np.full((len(texts), DIMS), 0.01)
    for vector, text in zip(vectors, texts, strict=True):
        for word in text.lower().split():
            vector[sum(word.encode()) % DIMS] += 1
    return vectors


def shifted(texts):
    """A model of the same name and dims that somebody trained on."""
    return np.roll(bag_of_words(texts), 1, axis=1)


def words(text):
    return len(text.split())


def wrapped(documents=bag_of_words, **changes):
    return trivet.Embedder.wrap(
        **{"name": "vendor/m", "dims": DIMS, "documents": documents, **changes}
    )


def test_documents_are_found_by_a_wrapped_model():
    with trivet.open(":memory:", model=wrapped(), modes=["dense"]) as index:
        assert index.add(DOCUMENTS).added == 3
        hit = index.search("sideways drift", k=1)[0]
    asked, found = bag_of_words(["sideways drift", DOCUMENTS[1].text])
    cosine = asked @ found / np.linalg.norm(asked) / np.linalg.norm(found)
    assert (hit.id, hit.score) == ("leeway", pytest.approx(cosine, abs=1e-3))


LONG = "The crew hauls the anchor up. " * 60 + "\n\n" + "Sails are set, and wind fills them! " * 50


@pytest.mark.parametrize("counter", [words, None])
@pytest.mark.parametrize("title", ["", "On ships"])
def test_long_documents_become_chunks_that_the_model_reads_whole(counter, title):
    sent = []

    def documents(texts):
        sent.extend(texts)
        return bag_of_words(texts)

    model = wrapped(documents, max_tokens=40, count_tokens=counter)
    with trivet.open(":memory:", model=model) as index:
        report = index.add([trivet.Document(LONG, id="long", title=title)])
        assert report.added == 1
        assert index.get(["long"])[0].text == LONG
        chunks = index.search("anchor", k=100, chunks=True)
    assert len(chunks) == report.chunks > 10
    spans = sorted(chunk.span for chunk in chunks)
    assert "".join(LONG[slice(*span)] for span in spans) == LONG
    pieces = [
        text for text in sent if text.startswith(title) and text.removeprefix(title)[1:] in LONG
    ]
    assert len(pieces) >= report.chunks
    assert max(model.count_tokens(pieces)) <= 40


def test_a_counter_of_another_kind_than_tokens_of_text_cuts_too():
    # Every text costs three more than its words: pieces are filled to the last token all the same.
    model = wrapped(max_tokens=20, count_tokens=lambda text: words(text) + 3)
    with trivet.open(":memory:", model=model) as index:
        index.add(["anchor " * 100])
        sizes = sorted(words(hit.text) for hit in index.search("anchor", k=50, chunks=True))
    assert sum(sizes) == 100
    assert sizes[1:] == [17] * (len(sizes) - 1)


@pytest.fixture
def folder(tmp_path):
    with trivet.open(tmp_path / "index", model=wrapped(revision="1")) as index:
        index.add(DOCUMENTS)
    return tmp_path / "index"


def test_without_its_calls_an_index_still_counts_gets_deletes_and_searches_words(folder):
    with trivet.open(folder) as index:
        assert index.count() == 3
        assert index.get(["kedge"])[0].text == DOCUMENTS[0].text
        assert index.search("anchor", modes=["sparse"], k=1)[0].id == "kedge"
        assert index.delete(["bread"]) == 1
        assert index.describe().model == "wrapped:vendor/m"


def test_without_its_calls_what_needs_a_vector_is_refused_with_the_way_out(folder):
    hint = r"model=Embedder\.wrap\(name='vendor/m', dims=64, revision='1', …\)"
    with trivet.open(folder) as index:
        for call in (lambda: index.search("anchor"), lambda: index.add(["a sail"])):
            with pytest.raises(errors.ModelNotFoundError, match=hint):
                call()
        assert index.count() == 3


def test_with_its_calls_an_index_goes_on(folder):
    with trivet.open(folder, model=wrapped(revision="1")) as index:
        assert index.search("light anchor", k=1)[0].id == "kedge"
        assert index.add([*DOCUMENTS, "a sail"]).added == 1


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"revision": "2"}, "revision"),
        ({"revision": "1", "dims": 65}, "dims"),
        ({"revision": "1", "name": "vendor/n"}, "service"),
        ({"revision": "1", "queries": bag_of_words}, "role_blind"),
        ({"revision": "1", "prompts": {"document": "text: {text}"}}, "document_prompt"),
    ],
)
def test_another_wrapped_model_is_refused(folder, change, differs):
    with pytest.raises(errors.SpaceMismatchError, match=f"they differ in .*{differs}"):
        trivet.open(folder, model=wrapped(**change))


def test_a_service_that_changed_under_its_name_is_refused(folder):
    with (
        trivet.open(folder, model=wrapped(shifted, revision="1")) as index,
        pytest.raises(errors.SpaceMismatchError, match="'vendor/m'"),
    ):
        index.search("anchor")


def test_a_composed_model_is_made_again_from_the_folder(tmp_path, tiny_model):
    model = trivet.Embedder.compose(
        dense=trivet.Embedder.load(tiny_model, prompts={"query": "find: {text}"}), multi=tiny_model
    )
    with trivet.open(tmp_path / "index", model=model) as index:
        index.add(DOCUMENTS)
        expected = index.search("anchor", k=3)
    with trivet.open(tmp_path / "index") as index:
        assert_same(index.search("anchor", k=3), expected)
    manifest = json.loads((tmp_path / "index" / "store.json").read_text())
    assert manifest["model"] == "composed"


def test_every_leg_of_a_composed_model_is_searched(tmp_path, tiny_model):
    splade = build_splade(tmp_path / "splade")
    model = trivet.Embedder.compose(dense=tiny_model, sparse=splade, multi=tiny_model)
    with trivet.open(tmp_path / "index", model=model, modes=["dense", "sparse", "multi"]) as index:
        index.add(DOCUMENTS)
        assert [space.model for space in index.describe().spaces] == [
            str(tiny_model),
            str(splade),
            str(tiny_model),
        ]
    with trivet.open(tmp_path / "index") as index:
        hit = index.search("a kedge is a light anchor", k=1)[0]
    assert (hit.id, set(hit.scores)) == ("kedge", {"dense", "sparse", "multi"})


def test_a_leg_whose_part_no_name_loads_hinders_no_other(tmp_path, tiny_model):
    model = trivet.Embedder.compose(dense=wrapped(), multi=tiny_model)
    with trivet.open(tmp_path / "index", model=model, modes=["multi"]) as index:
        index.add(DOCUMENTS)
        expected = index.search("light anchor", k=3)
    with trivet.open(tmp_path / "index") as index:
        assert_same(index.search("light anchor", k=3), expected)


def test_a_part_that_is_gone_is_missed_at_the_first_embed_only(tmp_path, tiny_model):
    part = shutil.copytree(tiny_model, tmp_path / "part")
    with trivet.open(tmp_path / "index", model=trivet.Embedder.compose(dense=part)) as index:
        index.add(DOCUMENTS)
    shutil.rmtree(part)
    with trivet.open(tmp_path / "index") as index:
        assert index.count() == 3
        with pytest.raises(errors.ModelNotFoundError):
            index.search("anchor")
