"""Several models as one embedder: the legs of each, made in as few passes as there are models."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from layouts import build_m3, build_splade, build_stanford

import trivet
from trivet import Embedder, Query
from trivet.errors import (
    CheckpointError,
    InstructionError,
    InvalidInputError,
    MissingHeadError,
    ModelNotFoundError,
    SpaceMismatchError,
    TextTooLongError,
    UnknownModeError,
    UnknownTaskError,
)

TEXTS = [
    "a kedge is a light anchor",
    "leeway",
    "wind and water " * 15,
    "what keeps a ship in place?",
]
MODES = ("dense", "sparse", "multi")


@pytest.fixture(scope="module")
def m3(tmp_path_factory):
    return build_m3(tmp_path_factory.mktemp("m3") / "m3")


@pytest.fixture(scope="module")
def splade(tmp_path_factory):
    return build_splade(tmp_path_factory.mktemp("splade") / "splade")


@pytest.fixture(scope="module")
def stanford(tmp_path_factory):
    return build_stanford(tmp_path_factory.mktemp("stanford") / "stanford")


@pytest.fixture
def work(monkeypatch):
    """Counts backbones that are loaded, and passes through them."""
    from trivet.embedding import runner
    from trivet.embedding.runner import Runner

    done = {"loads": 0, "passes": 0}
    load_fastest, forward = runner.load_fastest, Runner._forward

    def loading(*args):
        done["loads"] += 1
        return load_fastest(*args)

    def passing(*args, **options):
        done["passes"] += 1
        return forward(*args, **options)

    monkeypatch.setattr(runner, "load_fastest", loading)
    monkeypatch.setattr(Runner, "_forward", passing)
    return done


def hosted(**changes):
    def documents(texts):
        return [[float(len(text)), 1.0, 2.0] for text in texts]

    return Embedder.wrap(**{"name": "vendor/m", "dims": 3, "documents": documents, **changes})


def assert_same(made, expected, modes):
    """To the last bit."""
    assert tuple(made.legs) == tuple(modes)
    for mode in modes:
        one, other = made.legs[mode], expected.legs[mode]
        assert one.space == other.space
        if mode == "dense":
            np.testing.assert_array_equal(one.values, other.values)
        for row, wanted in zip(one.values, other.values, strict=True):
            if mode == "sparse":
                np.testing.assert_array_equal(row.indices, wanted.indices)
                np.testing.assert_array_equal(row.values, wanted.values)
            if mode == "multi":
                np.testing.assert_array_equal(row, wanted)


def test_each_leg_is_the_one_of_its_part_alone(tiny_model, splade, stanford):
    composed = Embedder.compose(dense=tiny_model, sparse=splade, multi=stanford)
    parts = {
        "dense": Embedder.load(tiny_model, modes=["dense"]),
        "sparse": Embedder.load(splade),
        "multi": Embedder.load(stanford),
    }
    assert composed.modes == MODES
    assert composed.spaces == {mode: part.spaces[mode] for mode, part in parts.items()}
    documents, queries = composed.embed_documents(TEXTS[:2]), composed.embed_queries(TEXTS[:2])
    for mode, part in parts.items():
        assert_same(part.embed_documents(TEXTS[:2]), documents, [mode])
        assert_same(part.embed_queries(TEXTS[:2]), queries, [mode])


@pytest.mark.parametrize("modes", [("dense", "sparse"), ("sparse", "multi"), MODES])
def test_legs_of_one_checkpoint_are_made_in_one_pass_over_weights_loaded_once(m3, work, modes):
    composed = Embedder.compose(**dict.fromkeys(modes, m3))
    assert not composed.is_loaded
    made = composed.embed_documents(TEXTS[:2])
    assert work == {"loads": 1, "passes": 1}
    assert composed.is_loaded
    assert_same(made, Embedder.load(m3).embed_documents(TEXTS[:2]), modes)


def test_the_same_weights_in_another_folder_are_the_same_checkpoint(m3, work, tmp_path):
    other = shutil.copytree(m3, tmp_path / "copy")
    composed = Embedder.compose(dense=m3, sparse=other, multi=Embedder.load(other))
    made = composed.embed_queries(TEXTS[:2])
    assert work == {"loads": 1, "passes": 1}
    assert_same(made, Embedder.load(m3).embed_queries(TEXTS[:2]), MODES)


def test_heads_are_those_of_their_own_parts(m3, work, tmp_path):
    """One backbone under heads of two trainings: the dense one cut, another for token vectors."""
    import torch

    other = shutil.copytree(m3, tmp_path / "copy")
    head = torch.load(other / "colbert_linear.pt", weights_only=True)
    torch.save({name: -2 * tensor for name, tensor in head.items()}, other / "colbert_linear.pt")
    dense = Embedder.load(m3, modes=["dense"], dims=8)
    composed = Embedder.compose(dense=dense, sparse=m3, multi=other)
    made = composed.embed_documents(TEXTS[:2])
    assert work == {"loads": 1, "passes": 1}
    assert composed.spaces["dense"].dims == 8
    assert composed.spaces["multi"] != Embedder.load(m3).spaces["multi"]
    assert_same(dense.embed_documents(TEXTS[:2]), made, ["dense"])
    assert_same(Embedder.load(m3, modes=["sparse"]).embed_documents(TEXTS[:2]), made, ["sparse"])
    assert_same(Embedder.load(other, modes=["multi"]).embed_documents(TEXTS[:2]), made, ["multi"])


@pytest.mark.parametrize(
    "options",
    [
        {"precision": "bfloat16"},
        {"layers": 1},
        {"prompts": {"document": "text: {text}"}},
        {"prompts": {"query": "query: {text}"}},
    ],
)
def test_a_checkpoint_that_is_loaded_otherwise_has_a_pass_of_its_own(m3, work, options):
    sparse = Embedder.load(m3, modes=["sparse"], **options)
    composed = Embedder.compose(dense=m3, sparse=sparse)
    queries, documents = composed.embed_queries(TEXTS[:2]), composed.embed_documents(TEXTS[:2])
    assert work == {"loads": 2, "passes": 4}
    assert_same(sparse.embed_queries(TEXTS[:2]), queries, ["sparse"])
    assert_same(sparse.embed_documents(TEXTS[:2]), documents, ["sparse"])


def test_other_weights_have_a_pass_of_their_own(tiny_model, tiny_model_other, work):
    composed = Embedder.compose(dense=tiny_model, multi=tiny_model_other)
    composed.embed_documents(TEXTS[:2])
    assert work == {"loads": 2, "passes": 2}


def test_a_backbone_that_is_loaded_is_taken_as_it_is(m3, work, tmp_path):
    other = shutil.copytree(m3, tmp_path / "copy")
    dense, sparse = Embedder.load(m3, modes=["dense"]), Embedder.load(other, modes=["sparse"])
    sparse.load_weights()
    composed = Embedder.compose(dense=dense, sparse=sparse)
    composed.load_weights()
    assert work["loads"] == 1
    assert composed.is_loaded
    assert not dense.is_loaded


def test_what_is_composed_can_be_composed_again_and_shares_its_weights(m3, splade, work):
    first = Embedder.compose(dense=m3, sparse=splade)
    second = Embedder.compose(dense=first, sparse=m3, multi=m3)
    made = second.embed_documents(TEXTS[:2])
    assert work == {"loads": 1, "passes": 1}
    assert_same(made, Embedder.load(m3).embed_documents(TEXTS[:2]), MODES)


def test_fewer_legs_share_the_weights_of_all(m3, splade, work):
    composed = Embedder.compose(dense=m3, sparse=splade, multi=m3)
    composed.load_weights()
    some = composed.only(["dense", "multi"])
    assert some.is_loaded
    assert some.modes == ("dense", "multi")
    made = some.embed_documents(TEXTS[:2])
    assert work == {"loads": 2, "passes": 1}
    assert_same(made, Embedder.load(m3).embed_documents(TEXTS[:2]), ["dense", "multi"])
    assert some.name == str(m3)
    with pytest.raises(MissingHeadError):
        some.only(["sparse"])


def test_a_wrapped_model_is_a_part_like_any_other(splade):
    composed = Embedder.compose(dense=hosted(), sparse=splade)
    made = composed.embed_documents(TEXTS[:2])
    assert_same(hosted().embed_documents(TEXTS[:2]), made, ["dense"])
    assert_same(Embedder.load(splade).embed_documents(TEXTS[:2]), made, ["sparse"])


def test_no_text_gives_no_row_of_any_leg(tiny_model, splade):
    made = Embedder.compose(dense=tiny_model, sparse=splade).embed_documents([])
    assert list(made.legs) == ["dense", "sparse"]
    assert len(made) == 0


def test_a_text_that_one_part_cannot_read_is_refused(tiny_model, splade):
    short = hosted(max_tokens=5, count_tokens=lambda text: len(text.split()))
    composed = Embedder.compose(dense=short, sparse=splade)
    assert composed.max_tokens == 5
    with pytest.raises(TextTooLongError, match="at most 5 tokens, got 6 at position 1"):
        composed.embed_documents(["anchor", "a b c d e f"])
    assert len(composed.embed_documents(["a b c d e f"], truncate=True)) == 1


def test_tokens_are_those_of_the_part_that_counts_most(tiny_model):
    counts = {"anchor": 9, "a kedge is a light anchor": 2, "": 1}
    part = hosted(count_tokens=lambda text: counts[text])
    composed = Embedder.compose(dense=part, multi=tiny_model)
    alone = Embedder.load(tiny_model).count_tokens(list(counts))
    expected = [max(pair) for pair in zip(alone, counts.values(), strict=True)]
    assert composed.count_tokens(list(counts)) == expected
    assert expected[0] == 9
    assert expected[1:] == alone[1:]
    with pytest.raises(InvalidInputError, match="2 titles, got 1"):
        composed.count_tokens(["a", "b"], titles=["c"])


def test_pieces_of_a_long_text_fit_every_part(checkpoint):
    """One part splits words that the other knows, which writes more around a text."""
    cased = checkpoint("cased", cased=True)
    prompted = checkpoint("prompted", prompts={"document": "the long text is here: "})
    composed = Embedder.compose(dense=cased, multi=prompted)
    text = "Anchor And Kedge ARE light. Ropes hold the SHIP; " * 30
    with trivet.open(
        ":memory:", model=composed, settings=trivet.Settings(chunk_tokens=40)
    ) as index:
        index.add([trivet.Document(text, id="long")])
        assert index.get(["long"])[0].text == text
    (empty,) = composed.count_tokens([""])
    pieces = [piece for _, piece in composed.text_splitter(40 - empty).chunk_indices(text)]
    assert "".join(pieces) == text
    for part in (cased, prompted):
        assert max(Embedder.load(part).count_tokens(pieces)) <= 40


def test_an_instruction_goes_to_the_parts_that_have_a_place_for_it(tiny_model, splade):
    dense = Embedder.load(
        tiny_model, modes=["dense"], prompts={"query": "find {instruction}: {text}"}
    )
    composed = Embedder.compose(dense=dense, sparse=splade)
    query = Query("anchor", instruction="food")
    made = composed.embed_queries([query, "kedge"])
    assert_same(dense.embed_queries([query, "kedge"]), made, ["dense"])
    assert_same(Embedder.load(splade).embed_queries(["anchor", "kedge"]), made, ["sparse"])
    assert composed.render(query) == "dense: find food: anchor\nsparse: anchor"


def test_a_task_goes_to_the_parts_that_know_it(tiny_model, splade):
    dense = Embedder.load(tiny_model, modes=["dense"], profile="llm-embedder", task="tool")
    composed = Embedder.compose(dense=dense, sparse=splade)
    made = composed.embed_queries(["anchor"], task="tool")
    assert_same(dense.embed_queries(["anchor"]), made, ["dense"])
    assert composed.task == "tool"
    assert composed.tasks == ("search",)
    with pytest.raises(SpaceMismatchError, match="written for the task 'tool'"):
        composed.embed_queries(["anchor"], task="qa")


def test_what_no_part_has_a_place_for_is_refused(tiny_model, splade):
    composed = Embedder.compose(dense=tiny_model, sparse=splade)
    with pytest.raises(UnknownTaskError, match="out of search"):
        composed.embed_queries([Query("anchor", task="tool")])
    with pytest.raises(InstructionError, match="no instruction"):
        composed.embed_queries([Query("anchor", instruction="food")])
    with pytest.raises(InstructionError, match="no examples"):
        composed.render(Query("anchor", examples=(trivet.Example("a", "b"),)))
    with pytest.raises(InstructionError, match="no title"):
        composed.embed_documents(["anchor"], titles=["kedge"])
    with pytest.raises(InvalidInputError, match="position 1"):
        composed.embed_documents(["anchor", ""])
    assert not composed.takes_titles


def test_a_title_is_read_before_the_text_where_a_part_has_no_place_for_it(tiny_model, splade):
    dense = Embedder.load(tiny_model, modes=["dense"], prompts={"document": "{title} | {text}"})
    composed = Embedder.compose(dense=dense, sparse=splade)
    assert composed.takes_titles
    texts, titles = ["a light anchor", "leeway"], ["kedge", ""]
    made = composed.embed_documents(texts, titles=titles)
    assert_same(dense.embed_documents(texts, titles=titles), made, ["dense"])
    joined = Embedder.load(splade).embed_documents(["kedge a light anchor", "leeway"])
    assert_same(joined, made, ["sparse"])
    shown = composed.render_document("a light anchor", title="kedge")
    assert shown == "dense: kedge | a light anchor\nsparse: kedge a light anchor"


def test_one_rendering_is_shown_where_all_parts_read_the_same(tiny_model, splade):
    composed = Embedder.compose(dense=tiny_model, sparse=splade)
    assert composed.render("anchor") == composed.render_document("anchor") == "anchor"


def test_names_and_state_are_shown(tiny_model, splade):
    composed = Embedder.compose(dense=tiny_model, sparse=splade)
    assert composed.name == f"{tiny_model} + {splade}"
    assert repr(composed) == (f"Embedder({composed.name!r}, modes=['dense', 'sparse'], not loaded)")


def test_a_part_must_make_its_leg(tiny_model, splade):
    with pytest.raises(MissingHeadError, match="sparse head"):
        Embedder.compose(dense=tiny_model, sparse=tiny_model)
    with pytest.raises(MissingHeadError, match="makes dense vectors"):
        Embedder.compose(dense=Embedder.load(splade))
    with pytest.raises(MissingHeadError, match="makes multi vectors"):
        Embedder.compose(multi=Embedder.compose(dense=tiny_model))
    with pytest.raises(UnknownModeError, match="got none"):
        Embedder.compose()
    with pytest.raises(InvalidInputError, match="name or folder, got 3"):
        Embedder.compose(dense=3)
    with pytest.raises(ModelNotFoundError):
        Embedder.compose(dense=tiny_model / "nowhere")


def test_damaged_weights_of_a_part_are_refused_when_they_are_loaded(tiny_model, m3, tmp_path):
    damaged = shutil.copytree(m3, tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"no weights")
    composed = Embedder.compose(dense=tiny_model, sparse=damaged)
    with pytest.raises(CheckpointError, match="damaged"):
        composed.embed_documents(TEXTS[:1])
