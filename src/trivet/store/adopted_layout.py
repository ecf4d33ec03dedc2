"""How other Qdrant integrations lay out payloads, in the terms of our own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qdrant_client import models

from trivet.store.points import (
    PAYLOAD_METADATA,
    PAYLOAD_OWN,
    Chunk,
)

LLAMA_NODE = "_node_content"
LLAMA_TYPE = "_node_type"
LLAMA_SOURCE = "ref_doc_id"
# What LlamaIndex's store writes into a payload beside the node's metadata.
LLAMA_FIELDS = (LLAMA_NODE, LLAMA_TYPE, "document_id", "doc_id", LLAMA_SOURCE)
# The field of metadata in which a node stands whole, as our own store for LlamaIndex has it.
NODE_FIELD = "_llama_index"

_DOCUMENT_PATH = f"{PAYLOAD_OWN}.document"
_METADATA_PATH = f"{PAYLOAD_METADATA}."
_SOURCE_PATH = f"{_METADATA_PATH}{NODE_FIELD}.{LLAMA_SOURCE}"
_CLAUSES = ("must", "should", "must_not")


@dataclass(frozen=True)
class Layout:
    """Where a payload holds text and metadata.

    Attributes:
        content: the key of the text; "" in a collection of LlamaIndex's, which has nodes.
        metadata: the key of the metadata; "" if they are the payload itself.
    """

    content: str
    metadata: str

    @property
    def is_llama_index(self) -> bool:
        """Whether payloads hold nodes of LlamaIndex's."""
        return not self.content

    def payload(self, id: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """A payload as it would be, had we written it: of a document that is one chunk."""
        text, metadata = self._node(payload) if self.is_llama_index else self._document(payload)
        return Chunk(
            document=id,
            sequence=0,
            text=text,
            span=(0, len(text)),
            title="",
            metadata=metadata,
            digest="",
            revision=1,
            chunks=1,
        ).payload()

    def embedded_texts(self, payload: Mapping[str, Any]) -> list[str]:
        """What may have been embedded of a point: its text; of a node, that after its metadata."""
        if not self.is_llama_index:
            return [self._document(payload)[0]]
        node = _node_of(payload) or {}
        text, _ = self._node(payload)
        hidden = node.get("excluded_embed_metadata_keys") or []
        shown = {k: v for k, v in (node.get("metadata") or {}).items() if k not in hidden}
        lines = "\n".join(f"{name}: {value}" for name, value in shown.items())
        return [text, f"{lines}\n\n{text}"] if lines else [text]

    def filter(self, filter: models.Filter | None) -> models.Filter | None:
        """A filter on our payloads as one on theirs; paths that are not ours stay as they are."""
        if filter is None:
            return None
        changed: dict[str, Any] = {}
        for name in _CLAUSES:
            clause = getattr(filter, name)
            if clause is not None:
                listed = clause if isinstance(clause, list) else [clause]
                changed[name] = [self._condition(each) for each in listed]
        if filter.min_should is not None:
            conditions = [self._condition(each) for each in filter.min_should.conditions]
            changed["min_should"] = filter.min_should.model_copy(update={"conditions": conditions})
        return filter.model_copy(update=changed)

    def _condition(self, condition: models.Condition) -> models.Condition:
        if isinstance(condition, models.Filter):
            return self.filter(condition) or condition
        if isinstance(condition, models.FieldCondition):
            if condition.key == _DOCUMENT_PATH:
                return _has_id(condition)
            return condition.model_copy(update={"key": self._path(condition.key)})
        if isinstance(condition, models.NestedCondition):
            nested = condition.nested.model_copy(update={"key": self._path(condition.nested.key)})
            return models.NestedCondition(nested=nested)
        if isinstance(condition, models.IsEmptyCondition):
            field = models.PayloadField(key=self._path(condition.is_empty.key))
            return models.IsEmptyCondition(is_empty=field)
        if isinstance(condition, models.IsNullCondition):
            field = models.PayloadField(key=self._path(condition.is_null.key))
            return models.IsNullCondition(is_null=field)
        return condition

    def _path(self, path: str) -> str:
        if self.is_llama_index and path == _SOURCE_PATH:
            return LLAMA_SOURCE
        if not path.startswith(_METADATA_PATH):
            return path
        field = path.removeprefix(_METADATA_PATH)
        return f"{self.metadata}.{field}" if self.metadata else field

    def _document(self, payload: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        text = payload.get(self.content)
        metadata = payload.get(self.metadata)
        return (
            text if isinstance(text, str) else "",
            dict(metadata) if isinstance(metadata, Mapping) else {},
        )

    def _node(self, payload: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        node = _node_of(payload)
        if node is None:  # a point that something else has put there
            text = payload.get("text")
            return text if isinstance(text, str) else "", dict(payload)
        resource = node.get("text_resource") or {}
        text = node.get("text") or resource.get("text") or ""
        metadata = {name: v for name, v in payload.items() if name not in LLAMA_FIELDS}
        source = payload.get(LLAMA_SOURCE)
        own = {"type": payload.get(LLAMA_TYPE), "node": payload[LLAMA_NODE], "length": len(text)}
        if source not in (None, "None"):  # as LlamaIndex writes that there is none
            own[LLAMA_SOURCE] = source
        return text, {**metadata, NODE_FIELD: own}


def with_text_length(metadata: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Metadata of a point whose text came from elsewhere: a node of LlamaIndex's tells its length.

    Args:
        metadata: as `Layout.payload` gave it.
        text: of the point.
    """
    own = metadata.get(NODE_FIELD)
    if not isinstance(own, Mapping):
        return dict(metadata)
    return {**metadata, NODE_FIELD: {**own, "length": len(text)}}


def _node_of(payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """The node that a payload holds as JSON; None if it holds none."""
    try:
        node = json.loads(payload[LLAMA_NODE])
    except (KeyError, TypeError, ValueError):
        return None
    return node if isinstance(node, dict) else None


def point_id(id: str) -> int | str:
    """The id of a point as Qdrant has it."""
    return int(id) if id.isascii() and id.isdigit() else id


def _has_id(condition: models.FieldCondition) -> models.Condition:
    """Points by their ids, where we would find documents by theirs."""
    match = condition.match
    if isinstance(match, models.MatchAny):
        return models.HasIdCondition(has_id=[point_id(str(id)) for id in match.any])
    if isinstance(match, models.MatchValue):
        return models.HasIdCondition(has_id=[point_id(str(match.value))])
    return condition
