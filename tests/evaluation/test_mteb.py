"""The search model and the local task, run by mteb itself without a network."""

from __future__ import annotations

import gzip
import json
import logging
import math
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from trivet.config import Lexical, Settings
from trivet.embedding import Embedder
from trivet.errors import InvalidInputError, JudgementsError, MissingExtraError
from trivet.evaluation.collection import read_collection
from trivet.evaluation.mteb_search import MtebSearch
from trivet.evaluation.mteb_task import mteb_task
from trivet.plan import Plan

mteb = pytest.importorskip("mteb")

ROWS = [
    {"_id": "kedge", "title": "Kedge", "text": "A light anchor."},
    {"_id": "leeway", "title": "", "text": "Sideways drift of a ship."},
    {"_id": "title", "title": "Nothing but a capstan", "text": ""},
    {"_id": "tide", "title": "", "text": "The sea rises and falls."},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "two-words"
    (folder / "qrels").mkdir(parents=True)
    with gzip.open(folder / "corpus.jsonl.gz", "wt") as corpus:
        corpus.writelines(json.dumps(row) + "\n" for row in ROWS)
    queries = ("q1\tlight anchor", "q2\tcapstan", "q3\tdrift of the sea", "q4\tnot judged")
    (folder / "queries.tsv").write_text("\n".join(queries))
    (folder / "qrels" / "test.tsv").write_text("q1\tkedge\t1\nq2\ttitle\t1\nq3\ttide\t1\n")
    return folder


def scores(model: MtebSearch, task: object) -> dict[str, float]:
    found = mteb.evaluate(model, task, cache=None, co2_tracker=False, show_progress_bar=False)
    (row,) = found.task_results[0].scores["test"]
    return row


def test_mteb_judges_a_local_folder_by_the_whole_pipeline(folder):
    task = mteb_task(folder)
    assert task.metadata.name == "TwoWordsRetrieval"
    model = MtebSearch(modes=["sparse"])
    row = scores(model, task)
    model.close()
    # Each word of q3 stands in another document, so that the wanted one is among two.
    assert row["recall_at_2"] == 1
    assert row["recall_at_1"] >= 2 / 3
    assert row["main_score"] == row["ndcg_at_10"]


def test_hits_are_those_of_the_index_and_reranking_keeps_to_its_documents():
    rows = [{"id": row["_id"], "title": row["title"], "text": row["text"]} for row in ROWS]
    model = MtebSearch(modes=["sparse"], plan=Plan({"sparse": 1}))
    with pytest.raises(InvalidInputError, match="call index first"):
        model.search([], top_k=5)
    model.index(rows, task_metadata=None, hf_split="test", num_proc=None)
    asked = [{"id": "q", "text": "light anchor drift"}, {"id": "z", "text": "zeppelin"}]
    found = model.search(asked, top_k=5, encode_kwargs={})
    assert set(found["q"]) == {"kedge", "leeway"}
    assert found["z"] == {}
    among = model.search(asked, top_k=5, top_ranked={"q": ["leeway", "tide"]})
    assert set(among["q"]) == {"leeway"}
    instructed = [{"id": "q", "text": "light", "instruction": "capstan"}]
    assert set(model.search(instructed, top_k=5)["q"]) == {"kedge", "title"}
    model.close()


def test_hits_of_one_score_are_judged_in_the_order_of_the_corpus(folder):
    ids = ["m", "c", "z", "a", "k"]
    model = MtebSearch(modes=["sparse"], lexical=Lexical(language="none"))
    model.index([{"id": id, "text": "a light anchor"} for id in ids] + [{"id": "b", "text": "sea"}])
    for top_ranked in (None, {"q": ids[::-1]}):
        found = model.search([{"id": "q", "text": "anchor"}], top_k=9, top_ranked=top_ranked)["q"]
        assert list(found) == ids
        # As trec_eval reads them.
        falling = np.array(list(found.values()), np.float32)
        assert np.all(np.diff(falling) < 0)
        assert np.allclose(falling, falling[0], rtol=1e-6)
    model.close()


def test_an_index_is_made_for_each_corpus_and_deleted_after_it(caplog):
    model = MtebSearch(modes=["sparse"])
    model.index([{"id": "a", "text": "anchor"}, {"id": "blank", "text": " "}])
    first = Path(model._folder.name)
    assert first.is_dir()
    assert "1 documents were left out" in caplog.text
    with caplog.at_level(logging.ERROR):
        model.index([{"id": "b", "text": "anchor"}])
    assert not first.exists()
    assert set(model.search([{"id": "q", "text": "anchor"}], top_k=3)["q"]) == {"b"}
    second = Path(model._folder.name)
    model.close()
    model.close()
    assert not second.exists()


def test_a_query_without_a_text_finds_nothing_and_the_others_what_they_find(caplog):
    model = MtebSearch(modes=["sparse"])
    model.index([{"id": "kedge", "text": "a light anchor"}])
    queries = [{"id": "blank", "text": " "}, {"id": "q", "text": "anchor"}]
    with caplog.at_level(logging.WARNING):
        found = model.search(queries, top_k=3)
    among = model.search(queries, top_k=3, top_ranked={"blank": ["kedge"], "q": ["kedge"]})
    model.close()
    assert {id: list(scores) for id, scores in found.items()} == {"blank": [], "q": ["kedge"]}
    assert among == found
    assert "1 queries find nothing, such as 'blank': expected a text, got an empty" in caplog.text


def test_queries_that_are_too_long_are_cut_to_what_the_model_reads(tiny_embedder):
    model = MtebSearch(tiny_embedder, modes=["dense"])
    model.index([{"id": "a", "text": "a light anchor"}, {"id": "b", "text": "the boat"}])
    long = "the boat and the wind " * 100
    found = model.search([{"id": "q", "text": long}, {"id": "s", "text": "anchor"}], top_k=2)
    assert {len(hits) for hits in found.values()} == {2}
    cut = model._cut(long)
    assert long.startswith(cut)
    (count,) = tiny_embedder.count_tokens([cut])
    assert tiny_embedder.max_tokens - 2 <= count <= tiny_embedder.max_tokens
    model.close()


def test_results_are_kept_apart_by_all_that_changes_them(tiny_embedder):
    models = [
        MtebSearch(tiny_embedder),
        MtebSearch(tiny_embedder, plan="rrf"),
        MtebSearch(tiny_embedder, modes=["dense"]),
        MtebSearch(tiny_embedder, settings=Settings(chunk_tokens=32)),
        MtebSearch(tiny_embedder, lexical=Lexical(language="none")),
    ]
    revisions = [model.mteb_model_meta.revision for model in models]
    assert len(set(revisions)) == 5
    assert MtebSearch(tiny_embedder).mteb_model_meta.revision == revisions[0]
    assert models[0].mteb_model_meta.name.startswith("trivet/")


def test_what_a_folder_lacks_is_named(folder):
    collection = read_collection(folder)
    assert (collection.name, len(collection.texts)) == ("two-words", 4)
    assert set(collection.queries) == {"q1", "q2", "q3"}
    (folder / "qrels" / "test.tsv").rename(folder / "qrels" / "dev.tsv")
    with pytest.raises(JudgementsError, match=r"expected qrels.tsv \(or .gz\)"):
        mteb_task(folder)
    assert read_collection(folder, split="dev").qrels == collection.qrels
    (folder / "corpus.jsonl.gz").unlink()
    (folder / "corpus.jsonl").write_text('{"_id": "a", "text": "x"}\n{"_id": "a", "text": "y"}\n')
    with pytest.raises(JudgementsError, match=r"corpus.jsonl:2: expected an id of its own"):
        read_collection(folder, split="dev")
    (folder / "corpus.jsonl").write_text('{"_id": "a", "title": "x"}\n')
    with pytest.raises(JudgementsError, match=r'corpus.jsonl:1: expected a text under "text"'):
        read_collection(folder, split="dev")


def test_without_the_extra_the_error_names_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "mteb", None)
    with pytest.raises(MissingExtraError, match=r"trivet\[eval\]"):
        MtebSearch()
    with pytest.raises(MissingExtraError, match=r"trivet\[eval\]"):
        mteb_task(folder)


@pytest.mark.data
def test_bm25_on_limit_small_is_that_of_its_formula_for_every_query(data_dir):
    """Words as they are, and documents of one score in the order of the collection."""
    collection = read_collection(data_dir / "limit-small")
    texts = [re.findall(r"\w+", text.lower()) for text in collection.texts.values()]
    length = round(sum(map(len, texts)) / len(texts), 2)  # as it is stored
    counts = [Counter(words) for words in texts]
    holding = Counter(word for count in counts for word in count)
    rarity = {w: math.log(1 + (len(texts) - n + 0.5) / (n + 0.5)) for w, n in holding.items()}

    def score(query: str, count: Counter[str]) -> float:
        norm = 1.2 * (0.25 + 0.75 * count.total() / length)
        words = set(re.findall(r"\w+", query.lower())) & set(count)
        return sum(rarity[w] * count[w] * 2.2 / (count[w] + norm) for w in words)

    model = MtebSearch(modes=["sparse"], lexical=Lexical(language="none"))
    model.index([{"id": id, "text": text} for id, text in collection.texts.items()])
    asked = [{"id": id, "text": text} for id, text in collection.queries.items()]
    found = model.search(asked, top_k=100)
    model.close()
    ids = list(collection.texts)
    in_top_2 = 0
    for id, text in collection.queries.items():
        scores = np.round([score(text, count) for count in counts], 9)
        order = [ids[row] for row in np.argsort(-scores, kind="stable") if scores[row] > 0]
        assert list(found[id]) == order
        in_top_2 += len(set(list(found[id])[:2]) & set(collection.qrels[id]))
    assert in_top_2 / 2000 == 0.9915


@pytest.mark.data
@pytest.mark.model
def test_limit_small_gives_its_known_rows_to_three_digits(data_dir):
    task = mteb_task(data_dir / "limit-small")
    embedder = Embedder.load("sentence-transformers/all-MiniLM-L6-v2", modes=["dense", "multi"])
    dense = MtebSearch(embedder, modes=["dense"])
    assert scores(dense, task)["recall_at_2"] == pytest.approx(0.162, abs=5e-4)
    dense.close()
    # Without approximation of any kind: the compact ones cost .02 here.
    tokens = MtebSearch(embedder, modes=["multi"], settings=Settings(tokens="full"))
    assert scores(tokens, task)["recall_at_2"] == pytest.approx(0.9745, abs=5e-4)
    tokens.close()
