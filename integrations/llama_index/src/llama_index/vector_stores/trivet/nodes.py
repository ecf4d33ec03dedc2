"""Nodes of LlamaIndex's as documents of Trivet's, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from llama_index.core.schema import (
    BaseNode,
    ImageNode,
    IndexNode,
    MetadataMode,
    Node,
    NodeWithScore,
    TextNode,
)
from llama_index.core.schema import Document as LlamaDocument

from trivet import Document, Hit, Index
from trivet.errors import InvalidDocumentError, InvalidInputError, SpaceMismatchError

# The one field of a document's metadata that is not the node's: what else there is of a node.
OWN = "_llama_index"
SOURCE = "ref_doc_id"
LENGTH = "length"
TYPES: dict[str, type[BaseNode]] = {
    kind.class_name(): kind for kind in (TextNode, IndexNode, ImageNode, Node, LlamaDocument)
}

VECTORS_UNUSED = (
    "nodes come with vectors of their own, which are not used: pass store.embed_model in place of "
    "the embedding, and texts are embedded once"
)


def to_document(node: BaseNode) -> Document:
    """The document that stores a node.

    Its text is the node's; the metadata that the node wants to be embedded is its title, which is
    embedded before the text. What else there is of a node stands in the metadata's field `OWN`.

    Raises:
        InvalidDocumentError: metadata with a field of that name, a template that does not end with
            the text, or a node that is no JSON.
    """
    if OWN in node.metadata:
        raise InvalidDocumentError(
            f"node {node.node_id!r}: expected metadata without {OWN!r}, got one: it is ours"
        )
    text = node.get_content(MetadataMode.NONE)
    embedded = node.get_content(MetadataMode.EMBED)
    if not embedded.strip().endswith(text.strip()):
        raise InvalidDocumentError(
            f"node {node.node_id!r}: expected a text_template that ends with {{content}}, got one "
            "that writes after it: metadata is embedded before the text"
        )
    is_blank = not text.strip()
    own = {
        "type": node.class_name(),
        "node": _rest(node, keep_text=is_blank),
        LENGTH: len(embedded if is_blank else text),
        **({SOURCE: node.ref_doc_id} if node.ref_doc_id else {}),
    }
    title = embedded.strip()[: len(embedded.strip()) - len(text.strip())].strip()
    return Document(
        text=embedded if is_blank else text,
        id=node.node_id,
        title="" if is_blank else title,
        metadata={**node.metadata, OWN: own},
    )


def from_document(document: Document) -> BaseNode:
    """The node that a document stores; of one that stores none, a `TextNode` of its own."""
    return _node(document.id or "", document.text, document.metadata)


def from_hit(hit: Hit) -> BaseNode:
    """The node that was found; of a document that stores none, the passage that was found.

    Args:
        hit: whose text is the whole document, or a passage of one that stores no node.
    """
    node = _node(hit.id, hit.text, hit.metadata)
    if isinstance(node, TextNode) and OWN not in hit.metadata:
        node.start_char_idx, node.end_char_idx = hit.span
    return node


def whole_nodes(index: Index, hits: Sequence[Hit]) -> list[NodeWithScore]:
    """The nodes of hits; those that are stored in several chunks are put together again."""
    cut = [hit.id for hit in hits if is_part(hit)]
    whole = {document.id: document.text for document in index.get(cut)} if cut else {}
    return [
        NodeWithScore(
            node=from_hit(replace(hit, text=whole[hit.id]) if hit.id in whole else hit),
            score=hit.score,
        )
        for hit in hits
    ]


def is_part(hit: Hit) -> bool:
    """Whether a hit is a passage of a node that is longer."""
    own = hit.metadata.get(OWN)
    return own is not None and len(hit.text) != own[LENGTH]


def refuse_foreign_vectors(nodes: Sequence[BaseNode], dims: int | None) -> bool:
    """Refuse nodes whose vectors another model must have made.

    Args:
        nodes: those without a vector, or with one of that length, are fine: the store embeds.
        dims: of the index's dense vectors; None where it has none.

    Returns:
        Whether a node brings a vector, which is not used.

    Raises:
        SpaceMismatchError: a vector of another length.
        InvalidInputError: something that is no node.
    """
    for node in nodes:
        if not isinstance(node, BaseNode):
            raise InvalidInputError(f"expected a list of nodes, got {type(node).__name__} in it")
        if node.embedding and len(node.embedding) != dims:
            raise SpaceMismatchError(
                f"node {node.node_id!r}: expected no embedding, or one of {dims} numbers, got "
                f"{len(node.embedding)}: the store embeds by itself; pass embed_model="
                "store.embed_model to VectorStoreIndex or IngestionPipeline"
            )
    return any(node.embedding for node in nodes)


def _rest(node: BaseNode, *, keep_text: bool) -> str:
    """The JSON of a node without what its document holds as it is."""
    try:
        content: dict[str, Any] = node.model_dump(mode="json", exclude={"embedding"})
        if not keep_text:
            content.pop("text", None)
            if content.get("text_resource"):
                content["text_resource"].pop("text", None)
        if not _holds_float(content["metadata"]):
            del content["metadata"]
        return json.dumps(content, ensure_ascii=False)
    except (TypeError, ValueError) as error:  # an IndexNode's object
        raise InvalidDocumentError(
            f"node {node.node_id!r}: expected one that is JSON, got {error}"
        ) from error


def _holds_float(value: object) -> bool:
    """Whether an engine may give it back with another last digit."""
    if isinstance(value, Mapping):
        return any(_holds_float(item) for item in value.values())
    if isinstance(value, list):
        return any(_holds_float(item) for item in value)
    return isinstance(value, float)


def _node(id: str, text: str, metadata: Mapping[str, Any]) -> BaseNode:
    own = metadata.get(OWN)
    if own is None:
        return TextNode(id_=id, text=text, metadata=dict(metadata))
    content = json.loads(own["node"])
    rest = {name: value for name, value in metadata.items() if name != OWN}
    content.setdefault("metadata", rest)
    kind = TYPES.get(own["type"], TextNode)
    if issubclass(kind, TextNode):
        content.setdefault("text", text)
    elif content.get("text_resource") is not None:
        content["text_resource"].setdefault("text", text)
    return kind.from_dict(content)
