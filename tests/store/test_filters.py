"""A dict of metadata fields finds what a plain reading of it finds, in every engine."""

import random
import subprocess
import sys
from datetime import date, datetime, timedelta, timezone
from enum import Enum

import pytest
import qdrant_edge
from plain_filters import holds
from qdrant_client import QdrantClient, models

from trivet.errors import InvalidFilterError
from trivet.store.bridge_filters import edge_filter
from trivet.store.filters import payload_filter

N, NAME = 200, "filters"
LANGUAGES = ["en", "de", "fr"]
TAGS = ["red", "green", "blue", "grey"]
START = datetime(2020, 1, 1, tzinfo=timezone.utc)
BERLIN = timezone(timedelta(hours=1))


def moment(rng):
    return START + timedelta(hours=12 * rng.randint(0, 100))


def metadata(rng):
    when = moment(rng)
    full = {
        "year": rng.choice([rng.randint(1985, 2005), float(rng.randint(1985, 2005))]),
        "rating": rng.choice([0.5, 1.5, 2, 2.0, 3.25]),
        "lang": rng.choice(LANGUAGES),
        "draft": rng.choice([True, False, True, False, 1, 0, "true"]),
        "tags": rng.sample(TAGS, rng.randint(0, 3)),
        "pages": [rng.randint(0, 20) for _ in range(rng.randint(0, 3))],
        "when": rng.choice(
            [when.isoformat(), when.astimezone(BERLIN).isoformat(), str(when.date())]
        ),
        "author": {"name": rng.choice(TAGS), "deep": {"born": rng.randint(1900, 1910)}},
        "a b": rng.randint(0, 3),
        "weiß-1": rng.choice(LANGUAGES),
        "x[0]": rng.choice(LANGUAGES),
    }
    kept = {key: value for key, value in full.items() if rng.random() < 0.85}
    kept |= {key: None for key in full if rng.random() < 0.05}
    if rng.random() < 0.1:
        kept["author"] = [full["author"]]  # a list of objects: not addressed by dotted names
    kept["file.name"] = full["lang"]  # and another of the same path, nested
    kept["file"] = {"name": "nested", "e.mail": full["lang"]}
    return kept


@pytest.fixture(scope="module")
def documents():
    rng = random.Random(3)
    return {i: metadata(rng) for i in range(N)}


@pytest.fixture(scope="module")
def engines(documents, tmp_path_factory):
    """One function per engine: a filter of Qdrant's to the ids that it finds."""
    client = QdrantClient(":memory:")
    client.create_collection(NAME, vectors_config={})
    stored = [(i, {"metadata": fields, "year": -1}) for i, fields in documents.items()]
    client.upsert(NAME, [models.PointStruct(id=i, vector={}, payload=p) for i, p in stored])
    folder = tmp_path_factory.mktemp("edge") / "shard"
    folder.mkdir()
    params = qdrant_edge.EdgeVectorParams(1, qdrant_edge.Distance.Dot)
    shard = qdrant_edge.EdgeShard.create(str(folder), qdrant_edge.EdgeConfig(vectors={"v": params}))
    batch = [qdrant_edge.Point(i, {"v": [1.0]}, payload) for i, payload in stored]
    shard.update(qdrant_edge.UpdateOperation.upsert_points(batch))

    def in_memory(asked):
        return {point.id for point in client.scroll(NAME, scroll_filter=asked, limit=N)[0]}

    def in_folder(asked):
        scroll = qdrant_edge.ScrollRequest(limit=N, filter=edge_filter(asked))
        return {point.id for point in shard.scroll(scroll)[0]}

    yield [in_memory, in_folder]
    client.close()
    shard.close()


def random_bounds(rng, draw):
    low, high = rng.choice(["gt", "gte"]), rng.choice(["lt", "lte"])
    return rng.choice([{low: draw()}, {high: draw()}, {low: draw(), high: draw()}])


def random_time(rng):
    when = moment(rng)
    texts = [when.isoformat(), when.isoformat().replace("+00:00", "Z"), str(when.date())]
    return rng.choice(
        [*texts, when, when.astimezone(BERLIN), when.replace(tzinfo=None), when.date()]
    )


def random_wanted(rng, name):
    if rng.random() < 0.1:
        return {"exists": rng.random() < 0.5}
    draws = {
        "year": lambda: rng.randint(1985, 2005),
        "rating": lambda: rng.choice([0.5, 1.5, 2.0, 9.5]),
        "draft": lambda: rng.random() < 0.5,
        "pages": lambda: rng.randint(0, 20),
        "when": lambda: rng.choice([moment(rng), moment(rng).astimezone(BERLIN)]),
        "author.deep.born": lambda: rng.randint(1900, 1910),
        "a b": lambda: rng.randint(0, 3),
        "tags": lambda: rng.choice(TAGS),
        "author.name": lambda: rng.choice(TAGS),
    }
    draw = draws.get(name, lambda: rng.choice(LANGUAGES))
    if name in ("year", "rating", "pages", "author.deep.born") and rng.random() < 0.5:
        return random_bounds(rng, lambda: rng.choice([draw(), draw() + 0.5]))
    if name == "when" and rng.random() < 0.7:
        return random_bounds(rng, lambda: random_time(rng))
    several = [draw() for _ in range(rng.randint(1, 8))]
    forms = [draw(), several, tuple(several), set(several), {"eq": draw()}, {"in": several}]
    return rng.choice([*forms, {"ne": draw()}, {"nin": several}, {"nin": several, "ne": draw()}])


NAMES = ["year", "rating", "lang", "draft", "tags", "pages", "when", "author.name", "absent"]
NAMES += ["author.deep.born", "a b", "weiß-1", "x[0]"]


def test_random_filters_find_what_a_plain_reading_finds(documents, engines):
    rng, sizes = random.Random(5), []
    for _ in range(300):
        names = rng.sample(NAMES, rng.choice([1, 1, 1, 2, 3]))
        asked = {name: random_wanted(rng, name) for name in names}
        expected = {
            i
            for i, fields in documents.items()
            if all(holds(fields, name, wanted) for name, wanted in asked.items())
        }
        for found in engines:
            assert found(payload_filter(asked)) == expected, asked
        sizes.append(len(expected))
    assert sum(0 < size < N for size in sizes) > 200  # most of them do filter


class Language(str, Enum):
    GERMAN = "de"


@pytest.mark.parametrize(
    "asked",
    [
        {"lang": Language.GERMAN},
        {"when": date(2020, 1, 9)},
        {"when": [date(2020, 1, 9), date(2020, 1, 10)]},
        {"draft": [True, False]},
        {"rating": [0.5, 2.0]},
        {"draft": {"exists": True}, "lang": {"ne": "en", "nin": ["fr"]}},
    ],
)
def test_filters_of_other_types_find_the_same_too(documents, engines, asked):
    plain = {key: "de" if wanted is Language.GERMAN else wanted for key, wanted in asked.items()}
    expected = {i for i, m in documents.items() if all(holds(m, *item) for item in plain.items())}
    assert expected
    for found in engines:
        assert found(payload_filter(asked)) == expected


def test_a_name_that_holds_dots_is_asked_for_in_quotes(engines, documents):
    german = {i for i, fields in documents.items() if fields["file.name"] == "de"}
    for find in engines:
        assert find(payload_filter({'"file.name"': "de"})) == german
        assert find(payload_filter({'file."e.mail"': ["de"]})) == german
        assert find(payload_filter({"file.name": "nested"})) == set(documents)
        assert find(payload_filter({"file.name": "de"})) == set()


def test_a_filter_of_qdrants_is_taken_as_it_is():
    condition = models.FieldCondition(key="metadata.year", match=models.MatchValue(value=1990))
    for given in (models.Filter(must=[condition]), models.Filter(), None):
        assert payload_filter(given) is given


def test_the_callers_filter_stays_as_it_was():
    asked = {"year": {"gte": 1990, "ne": 1995}, "lang": ["en"]}
    payload_filter(asked)
    assert asked == {"year": {"gte": 1990, "ne": 1995}, "lang": ["en"]}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("year", "metadata.year"),
        ("author.name", "metadata.author.name"),
        ("a b.c", 'metadata."a b".c'),
        ("größe_1-x", "metadata.größe_1-x"),
        ("tags[]", 'metadata."tags[]"'),
        ("$score", 'metadata."$score"'),
        ('"file.name"', 'metadata."file.name"'),
        ('file."e.mail".x y', 'metadata.file."e.mail"."x y"'),
    ],
)
def test_names_become_payload_paths(name, path):
    assert payload_filter({name: 1}).must[0].key == path


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, "pass None"),
        ([("year", 1990)], "dict of metadata fields"),
        ("year = 1990", "dict of metadata fields"),
        (qdrant_edge.Filter(), "dict of metadata fields"),
        ({1990: "year"}, "name"),
        ({"": 1}, "name"),
        ({"author..name": 1}, "name"),
        ({'a"b': 1}, "quotes"),
        ({'"a': 1}, "quotes"),
        ({'a.""': 1}, "quotes"),
        ({'"a"b': 1}, "quotes"),
        ({"year": {}}, "eq, ne, in, nin, gt, gte, lt, lte, exists"),
        ({"year": {"$gte": 1990}}, "gte.*got '\\$gte'"),
        ({"author": {"name": "Ann"}}, "author.name"),
        ({"year": None}, "'year'.*exists"),
        ({"year": {"ne": None}}, "exists"),
        ({"year": [None]}, "exists"),
        ({"year": []}, "'year'.*one or more"),
        ({"year": {"in": 1990}}, "a list"),
        ({"year": {"nin": "abc"}}, "a list"),
        ({"year": {"nin": []}}, "one or more"),
        ({"year": [1990, "1991"]}, "one type, got int, str"),
        ({"year": [1, True]}, "one type, got bool, int"),
        ({"year": [[1990]]}, "got \\[1990\\]"),
        ({"year": float("nan")}, "finite"),
        ({"year": {"gt": float("inf")}}, "finite"),
        ({"year": 2**63}, "64 bits"),
        ({"year": {"gt": 10**400}}, "finite"),
        ({"year": {"gt": True}}, "got True"),
        ({"year": {"gt": "1990"}}, "got '1990'"),
        ({"year": {"gt": 1990, "lt": "2020-01-01"}}, "2020-01-01"),
        ({"year": {"gt": None}}, "got None"),
        ({"when": {"gt": "2020-13-01"}}, "'when'.*month"),
        ({"when": {"gt": "2020-01-01 or so"}}, "'when'"),
        ({"draft": {"exists": 1}}, "True or False"),
        ({"year": object()}, "convert"),
    ],
)
def test_what_cannot_be_understood_is_refused(asked, names):
    with pytest.raises(InvalidFilterError, match=names):
        payload_filter(asked)


def test_qdrant_client_is_loaded_with_the_first_filter_only():
    code = "import sys, trivet.store.filters; sys.exit('qdrant_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
