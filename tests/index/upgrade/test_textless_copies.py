"""Points of an adopted collection whose texts are kept elsewhere: the caller finds them."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

import trivet
from trivet import errors

from .services import DIMS, of_words, service, taken_to, texts_of
from .stages import found

TEXTS = list(texts_of(60).values())
ROWS = of_words(0)(TEXTS)
OLD, NEW = service("old", of_words(0)), service("new", of_words(1))
GONE = (0, 8, 9)


def payload(maker: str, number: int) -> dict[str, object]:
    """As langchain-qdrant or LlamaIndex's store writes it, in some without the text."""
    metadata = {"number": number}
    text = None if number in GONE else TEXTS[number]
    if maker == "langchain":
        return {"metadata": metadata, **({"page_content": text} if text else {})}
    node = json.dumps({"id_": str(number), "text": text or "", "metadata": metadata})
    return {**metadata, "_node_content": node, "_node_type": "TextNode", "ref_doc_id": "None"}


@pytest.fixture(params=["langchain", "llama_index"])
def maker(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def adopted(maker: str) -> trivet.Index:
    client = QdrantClient(":memory:")
    client.create_collection(
        "notes",
        models.VectorParams(size=DIMS, distance=models.Distance.COSINE),
        sparse_vectors_config={"words": models.SparseVectorParams(modifier=models.Modifier.IDF)},
    )
    client.upsert("notes", [
        models.PointStruct(id=i, vector={"": row.tolist()}, payload=payload(maker, i))
        for i, row in enumerate(ROWS)
    ])  # fmt: skip
    return trivet.adopt(client, "notes", model=OLD, lexical=trivet.Lexical("en"))


def test_a_resolver_finds_the_texts_that_a_collection_lacks(
    adopted: trivet.Index, maker: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(errors.UpgradeError, match=r"point '0'.* hand in text_resolver"):
        adopted.take_over(tmp_path / "index")
    asked = []

    def resolver(id: str) -> str | None:
        asked.append(id)
        return TEXTS[int(id)]

    with adopted.take_over(tmp_path / "index", text_resolver=resolver) as own:
        assert set(asked) == set(map(str, GONE))  # of no other point
        assert {d.id: d.text for d in own.documents()} == dict(
            zip(map(str, range(60)), TEXTS, strict=True)
        )
        made = own.vectors(list(map(str, GONE))).dense
        assert made is not None
        np.testing.assert_allclose(made.values, ROWS[list(GONE)], atol=1e-6)
        # BM25 knows their words, and LlamaIndex how long its node is.
        assert own.search(TEXTS[8], k=1, modes=["sparse"])[0].id == "8"
        [document] = own.get(["8"])
        if maker == "llama_index":
            assert document.metadata["_llama_index"]["length"] == len(TEXTS[8])
        upgrade = taken_to(own, NEW, "translate")
        assert upgrade.migrate() == 60
        upgrade.finish()
        assert own.verify().is_clean
    assert "no text" not in caplog.text


def test_what_nobody_has_the_text_of_is_copied_without_and_counted(
    adopted: trivet.Index, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known = {"0": TEXTS[0], "8": " "}  # a blank text is none
    with (
        caplog.at_level(logging.WARNING),
        adopted.take_over(tmp_path / "index", text_resolver=known.get) as own,
    ):
        assert "2 documents have no text" in caplog.text
        assert own.count() == 60
        assert own.verify().is_clean
        assert found(own, TEXTS[8], k=1) == ["8"]  # by its vector
        assert [d.text for d in own.get(["0", "8"])] == [TEXTS[0], ""]
        upgrade = taken_to(own, NEW, "translate")
        assert upgrade.migrate() == 58
        status = upgrade.status()
        assert (status.documents, status.native, status.textless) == (60, 58, 2)
        with pytest.raises(errors.UpgradeStateError, match="2 have no text here"):
            upgrade.finish()
        upgrade.rollback()
    # Once the texts are known, the same call brings them.
    with adopted.take_over(tmp_path / "index", text_resolver=lambda id: TEXTS[int(id)]) as own:
        assert [d.text for d in own.get(["8", "9"])] == [TEXTS[8], TEXTS[9]]
        assert own.verify().is_clean


def test_an_index_with_textless_documents_is_weighted_anew(
    adopted: trivet.Index, tmp_path: Path
) -> None:
    with adopted.take_over(tmp_path / "index", text_resolver=lambda _: None) as own:
        name = own.spaces[1].vector_name
        own.add([" ".join(TEXTS[i : i + 20]) for i in range(9, 40)], on_error="raise")
        assert own.spaces[1].vector_name != name
        assert own.search(TEXTS[20], k=1, modes=["sparse"])[0].id == "20"
        assert own.verify().is_clean


def test_a_resolver_that_gives_no_text_is_named(adopted: trivet.Index, tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidInputError, match="a text or None of '0', got bytes"):
        adopted.take_over(tmp_path / "index", text_resolver=lambda _: b"text")  # type: ignore[arg-type, return-value]
