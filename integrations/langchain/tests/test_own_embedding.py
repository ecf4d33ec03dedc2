"""A store that is made of texts or documents needs no embedding."""

from __future__ import annotations

from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_trivet import TrivetVectorStore

from trivet.errors import InvalidInputError


@pytest.mark.model
def test_texts_and_documents_are_embedded_by_the_index_itself(tmp_path: Path) -> None:
    documents = [Document(id="kedge", page_content="A kedge is a light anchor.")]
    store = TrivetVectorStore.from_documents(documents, location=tmp_path / "index")
    assert store.embeddings is None
    assert store.similarity_search("anchor", k=1)[0].id == "kedge"
    store.close()
    made = TrivetVectorStore.from_texts(["Leeway is drift."], ids=["lee"], location=":memory:")
    assert made.get_by_ids(["lee"])[0].page_content == "Leeway is drift."
    made.close()


def test_a_store_without_a_place_says_which_to_give() -> None:
    with pytest.raises(InvalidInputError, match='location=":memory:"'):
        TrivetVectorStore.from_texts(["a"])
