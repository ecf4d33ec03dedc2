"""LlamaIndex's metadata filters: what they select, against LlamaIndex's own store."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    SimpleVectorStore,
    VectorStoreQuery,
)
from llama_index.vector_stores.trivet import TrivetVectorStore

from trivet.errors import InvalidFilterError

WORDS = ["north", "South", "sea", "seaside", "Sea level", "", "a b", "North sea"]
DATES = ["1999-12-31", "2001-05-06", "2001-05-07", "2020-02-29"]
FIELDS: dict[str, Callable[[random.Random], object]] = {
    "word": lambda draw: draw.choice(WORDS),
    "year": lambda draw: draw.randint(1, 6),
    "share": lambda draw: draw.choice([0.5, 1.0, 2.0, 2.5, -1.25]),
    "day": lambda draw: draw.choice(DATES),
    "tags": lambda draw: draw.sample(WORDS[:5], draw.randint(0, 3)),
    "marks": lambda draw: draw.sample(range(6), draw.randint(0, 3)),
}
OF_TEXTS = ("==", "!=", "in", "nin", "text_match", "text_match_insensitive", "is_empty")
OF_NUMBERS = ("==", "!=", ">", ">=", "<", "<=", "in", "nin", "is_empty")
OF_DATES = (*OF_NUMBERS, "text_match")
OF_LISTS = ("any", "all", "contains", "is_empty")
OPERATORS = {
    "word": OF_TEXTS,
    "year": OF_NUMBERS,
    "share": OF_NUMBERS,
    "day": OF_DATES,
    "tags": OF_LISTS,
    "marks": OF_LISTS,
}


def some_nodes(draw: random.Random, count: int) -> list[TextNode]:
    """Nodes of which each lacks some fields, or has null in them."""
    nodes = []
    for i in range(count):
        metadata = {name: make(draw) for name, make in FIELDS.items() if draw.random() < 0.8}
        if draw.random() < 0.1:
            metadata[draw.choice(list(FIELDS))] = None
        hidden = list(FIELDS)
        nodes.append(
            TextNode(
                id_=f"n{i}",
                text=f"anchor number {i}",
                metadata=metadata,
                embedding=[1.0],
                excluded_embed_metadata_keys=hidden,
            )
        )
    return nodes


def some_filter(draw: random.Random) -> MetadataFilter:
    name = draw.choice(list(FIELDS))
    operator = draw.choice(OPERATORS[name])
    single = {"tags": "word", "marks": "year"}.get(name, name)
    value: object = FIELDS[single](draw)
    if operator in ("in", "nin", "any", "all"):
        value = [FIELDS[single](draw) for _ in range(draw.randint(1, 3))]
    if operator.startswith("text_match"):
        value = draw.choice(["sea", "Sea", "n", "2001", "SOUTH", " "])
    return MetadataFilter(key=name, value=value, operator=FilterOperator(operator))


def selected_by(store, filters: MetadataFilters) -> set[str]:
    query = VectorStoreQuery(
        query_str="anchor", query_embedding=None, similarity_top_k=100, filters=filters
    )
    if isinstance(store, SimpleVectorStore):
        query.query_embedding = [1.0]
    return set(store.query(query).ids)


@pytest.fixture
def pair(store: TrivetVectorStore) -> tuple[TrivetVectorStore, SimpleVectorStore]:
    nodes = some_nodes(random.Random(7), 60)
    simple = SimpleVectorStore()
    simple.add(nodes)
    for node in nodes:
        node.embedding = None
    store.add(nodes)
    return store, simple


def test_every_operator_is_drawn() -> None:
    drawn = {operator for some in OPERATORS.values() for operator in some}
    assert drawn == {operator.value for operator in FilterOperator}
    assert len(drawn) == 14


def test_filters_select_what_llama_index_selects(pair) -> None:
    store, simple = pair
    draw, seen = random.Random(11), 0
    for _ in range(150):
        filters = MetadataFilters(
            filters=[some_filter(draw) for _ in range(draw.randint(1, 3))],
            condition=draw.choice(list(FilterCondition)),
        )
        expected = selected_by(simple, filters)
        assert selected_by(store, filters) == expected, filters
        seen += 0 < len(expected) < 60
    assert seen > 60  # most of them select something, and not all


def nested_match(filters: MetadataFilters, simple: SimpleVectorStore) -> set[str]:
    """What nested filters select, out of what their parts do; LlamaIndex's store has no nesting."""
    every = set(simple.data.metadata_dict)
    parts = [
        nested_match(one, simple)
        if isinstance(one, MetadataFilters)
        else selected_by(simple, MetadataFilters(filters=[one]))
        for one in filters.filters
    ]
    if filters.condition == FilterCondition.OR:
        return set().union(*parts)
    if filters.condition == FilterCondition.NOT:
        return every - set().union(*parts)
    return every.intersection(*parts)


def some_tree(draw: random.Random, depth: int) -> MetadataFilters:
    parts = [
        some_tree(draw, depth - 1) if depth and draw.random() < 0.5 else some_filter(draw)
        for _ in range(draw.randint(1, 3))
    ]
    return MetadataFilters(filters=parts, condition=draw.choice(list(FilterCondition)))


def test_nested_filters_combine_what_their_parts_select(pair) -> None:
    store, simple = pair
    draw = random.Random(13)
    for _ in range(60):
        tree = some_tree(draw, 2)
        assert {node.node_id for node in store.get_nodes(filters=tree)} == nested_match(
            tree, simple
        ), tree


def one(operator: str, value: object, key: str = "word") -> MetadataFilters:
    made = MetadataFilter(key=key, value=value, operator=FilterOperator(operator))
    return MetadataFilters(filters=[made])


def test_a_source_document_is_a_field_of_every_node(memory_store: TrivetVectorStore) -> None:
    from llama_index.core.schema import NodeRelationship, RelatedNodeInfo

    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id="book")}
    memory_store.add(
        [TextNode(id_="a", text="one", relationships=source), TextNode(id_="b", text="two")]
    )
    for key in ("ref_doc_id", "doc_id", "document_id"):
        assert selected_by(memory_store, one("==", "book", key)) == {"a"}


def test_nested_fields_and_strange_names_are_reached(memory_store: TrivetVectorStore) -> None:
    memory_store.add(
        [
            TextNode(id_="a", text="one", metadata={"by": {"name": "Ada"}, "my field": 1}),
            TextNode(id_="b", text="two", metadata={"by": {"name": "Bob"}, "my field": 2}),
        ]
    )
    assert selected_by(memory_store, one("==", "Ada", "by.name")) == {"a"}
    assert selected_by(memory_store, one("text_match", "ob", "by.name")) == {"b"}
    assert selected_by(memory_store, one(">", 1, "my field")) == {"b"}


BAD = [
    (MetadataFilters(filters=[]), "one or more"),
    (MetadataFilters(filters=[MetadataFilters(filters=[])]), "one or more"),
    (one("in", []), "list"),
    (one("in", "north"), "list"),
    (one("any", "north"), "list"),
    (one("==", ["a"]), "text or a finite number"),
    (one("==", None), "text or a finite number"),
    (one(">", "north"), "ISO"),
    (one(">", "2001-99-99"), "2001-99-99"),
    (one(">", float("nan")), "finite"),
    (one("text_match", 3), "text to look for"),
    (one("text_match", ""), "text to look for"),
    (one("==", 1, "a..b"), "name"),
]


@pytest.mark.parametrize(("filters", "words"), BAD)
def test_a_filter_that_means_nothing_is_refused(
    memory_store: TrivetVectorStore, filters: MetadataFilters, words: str
) -> None:
    memory_store.add([TextNode(id_="a", text="one")])
    for call in (
        lambda: selected_by(memory_store, filters),
        lambda: memory_store.get_nodes(filters=filters),
        lambda: memory_store.delete_nodes(filters=filters),
    ):
        with pytest.raises(InvalidFilterError, match=words):
            call()
    assert memory_store.client.count() == 1
