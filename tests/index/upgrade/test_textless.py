"""Documents whose texts are kept elsewhere: the caller finds them, or they stay translated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import trivet
from trivet import Embedder, errors
from trivet.store.points import point_id

from .stages import stored, translated

GONE = ("d0", "d1", "d2")


@pytest.fixture
def location() -> str:
    return ":memory:"


def take_out(index: trivet.Index, ids: list[str]) -> None:
    """Take the texts of documents out of their payloads, as their owner may."""
    store = index._store
    points = [point_id(store.manifest.namespace, id, 0) for id in ids]
    with store.engine._using() as client:
        client.delete_payload("trivet", ["page_content"], points)


def test_documents_without_texts_stay_translated_and_are_counted(
    index: trivet.Index, drifted_model: Path
) -> None:
    take_out(index, list(GONE))
    upgrade = translated(index, drifted_model)
    assert upgrade.migrate() == 237
    status = upgrade.status()
    assert (status.documents, status.native, status.textless) == (240, 237, 3)
    assert upgrade.migrate() == 0
    with pytest.raises(errors.UpgradeStateError, match=r"got them of 237.*of which 3 have no text"):
        upgrade.finish()
    upgrade.finish(force=True)
    assert index.current_upgrade is None


def test_an_edit_makes_what_was_left_translated_native(
    index: trivet.Index, drifted_model: Path, texts: dict[str, str]
) -> None:
    upgrade = translated(index, drifted_model)
    upgrade.finish(force=True)
    name = index._store.manifest.spaces["dense"].vector_name
    index.upsert([trivet.Document(texts["d0"], "d0", metadata={"edited": True})])
    native = Embedder.load(drifted_model).only(["dense"]).embed_documents([texts["d0"]])
    cosine = float(stored(index, ["d0"], name)["d0"] @ native.dense.values[0])
    assert cosine == pytest.approx(1.0, abs=1e-7)


def test_a_resolver_finds_the_texts_that_the_index_lacks(
    index: trivet.Index, drifted_model: Path, texts: dict[str, str]
) -> None:
    take_out(index, list(GONE))
    upgrade = translated(index, drifted_model)
    known = {"d0": texts["d0"], "d1": "another text than was added, of other words", "d2": None}
    asked: list[str] = []

    def resolver(id: str) -> str | None:
        asked.append(id)
        return known[id]

    assert upgrade.migrate(text_resolver=resolver) == 238
    assert set(asked) == set(GONE)  # of no other document
    assert upgrade.status().native == 238
    name = upgrade.generation.spaces["dense"].vector_name
    made = Embedder.load(drifted_model, modes=["dense"]).embed_documents([texts["d0"]]).dense
    assert made is not None
    np.testing.assert_allclose(stored(index, ["d0"], name)["d0"], made.values[0], atol=1e-5)
    with pytest.raises(errors.InvalidInputError, match=r"a text or None of 'd[12]', got int"):
        upgrade.migrate(text_resolver=lambda _: 7)


def test_an_index_without_any_text_is_upgraded_by_a_resolver_alone(
    index: trivet.Index, drifted_model: Path, texts: dict[str, str]
) -> None:
    take_out(index, list(texts))
    upgrade = index.upgrade(drifted_model)
    with pytest.raises(errors.PairsError, match="text_resolver"):
        upgrade.plan()
    assert upgrade.plan(text_resolver=texts.get).tokens == 240 * 14
    upgrade.fit(text_resolver=texts.get)
    with pytest.raises(errors.PairsError):
        upgrade.verify()
    assert upgrade.verify(text_resolver=texts.get).verdicts["query"].verdict == "PASS"
    upgrade.cutover("translate")
    assert upgrade.status().textless == 240
    assert upgrade.migrate(text_resolver=texts.get) == 240
    upgrade.finish()
