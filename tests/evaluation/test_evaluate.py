"""Plans judged on an index: which are asked, what they reach, and what is recommended."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from judged import WORDS

import trivet
from trivet.errors import InvalidInputError, InvalidPlanError, JudgementsError, TextTooLongError
from trivet.evaluation import evaluate
from trivet.plan import PRESETS, Plan, best_plan


def test_every_leg_and_every_preset_is_judged_once_with_the_default_first(found):
    names = [plan.name for plan in found.plans]
    assert names[0] == found.default == "hybrid3"
    assert sorted(names) == sorted(["dense", "sparse", "multi", *PRESETS])


def test_an_index_is_judged_by_the_legs_that_it_has_with_one_call_for_each_plan(
    tiny_embedder, queries, qrels, monkeypatch
):
    calls, asked = [], []
    search_many = trivet.Index.search_many

    def counted(self, texts, **options):
        calls.append(len(texts))
        return search_many(self, texts, **options)

    monkeypatch.setattr(trivet.Index, "search_many", counted)
    with trivet.open(":memory:", model=tiny_embedder, modes=["dense", "sparse"]) as two:
        two.add(WORDS, ids=WORDS)
        found = evaluate(two, queries, qrels, progress=asked.append)
    assert asked == [plan.name for plan in found.plans]
    assert asked == ["hybrid2", "dense", "sparse", "dbsf", "rrf"]
    assert calls == [len(queries)] * 5
    with trivet.open(":memory:", modes=["sparse"]) as one:
        one.add(WORDS, ids=WORDS)
        assert [plan.name for plan in evaluate(one, queries, qrels).plans] == ["sparse"]


def test_scores_are_those_of_the_searches_that_a_user_makes(index, queries, qrels):
    queries = {id: queries[id] for id in list(queries)[:5]}
    found = evaluate(index, queries, qrels, metrics=["RR@10"])
    for result in found.plans:
        how = {"modes": [result.name]} if result.name not in PRESETS else {"plan": result.name}
        ranks = []
        for id, text in queries.items():
            hits = [hit.id for hit in index.search(text, k=10, **how)]
            (wanted,) = qrels[id]
            ranks.append(1 / (hits.index(wanted) + 1) if wanted in hits else 0)
        np.testing.assert_allclose(result.scores[:, 0], ranks, atol=1e-6)
        assert result.means["RR@10"].mean == pytest.approx(np.mean(ranks))


def test_gains_are_over_the_default_plan_pair_by_pair(found):
    default = found.plans[0]
    for result in found.plans:
        difference = (result.scores - default.scores).mean(axis=0)
        for column, metric in enumerate(found.metrics):
            gain = result.gains[metric]
            assert gain.mean == pytest.approx(difference[column], abs=1e-9)
            assert gain.low <= gain.mean + 1e-9
            assert gain.high >= gain.mean - 1e-9
    assert default.gains["nDCG@10"].error == 0


def test_a_better_plan_is_recommended_past_two_standard_errors_and_no_other(index, queries, qrels):
    found = evaluate(trivet_with_default(index, Plan({"dense": 100})), queries, qrels)
    assert found.default == "dense"
    recommended = next(plan for plan in found.plans if plan.name == found.recommended)
    gain = recommended.gains["nDCG@10"]
    assert gain.mean > 2 * gain.error
    assert all(
        plan.gains["nDCG@10"].mean <= gain.mean
        for plan in found.plans
        if plan.gains["nDCG@10"].mean > 2 * plan.gains["nDCG@10"].error
    )
    assert found.reason.startswith(f"take {found.recommended}: +")


def test_the_best_plan_is_kept(index, queries, qrels, found):
    best = max(found.plans, key=lambda plan: plan.means["nDCG@10"].mean)
    plan = PRESETS.get(best.name) or best_plan([best.name])
    kept = evaluate(trivet_with_default(index, plan), queries, qrels)
    assert (kept.default, kept.recommended) == (best.name, None)
    assert kept.reason.startswith(f"keep {best.name}: no plan is better")


def test_few_queries_recommend_nothing(index, queries, qrels):
    few = {id: queries[id] for id in list(queries)[:19]}
    found = evaluate(trivet_with_default(index, Plan({"dense": 100})), few, qrels)
    assert found.recommended is None
    assert "19 judged queries can't tell plans apart" in found.reason


def trivet_with_default(index: trivet.Index, plan: Plan) -> trivet.Index:
    """The index, as if this were its default plan."""

    class Other(trivet.Index):
        def __init__(self) -> None:
            self.__dict__ = index.__dict__

        def planned(self, **wanted: object) -> Plan:
            return super().planned(**wanted) if wanted else plan

    return Other()


def test_plans_of_ones_own_are_judged_as_they_are(index, queries, qrels):
    own = Plan({"sparse": 5}, {"sparse": 1.0, "multi": 1.0})
    found = evaluate(index, queries, qrels, metrics=["P@5"], plans={"mine": own})
    assert "mine" in {plan.name for plan in found.plans}
    with pytest.raises(InvalidPlanError, match="depth"):
        evaluate(index, queries, qrels, metrics=["P@6"], plans={"mine": own})
    with pytest.raises(InvalidInputError, match="'rrf'"):
        evaluate(index, queries, qrels, plans={"rrf": own})


def test_the_first_metric_decides_and_the_deepest_sets_the_depth(index, queries, qrels):
    found = evaluate(index, queries, qrels, metrics=["P@3", "Success@200"])
    assert (found.metrics, found.depth) == (("P@3", "Success@200"), 200)
    # Deeper than the index is everything that it holds.
    assert all(plan.means["Success@200"].mean == 1 for plan in found.plans if plan.name != "sparse")


def test_what_cannot_be_judged_is_left_out_and_counted(index, queries, qrels):
    queries = {**queries, "unjudged": "what", "blind": "gale"}
    relevant = {"blind": {"gale": 0}, "gone": {"kedge": 1}, "q-kedge": {"kedge": 1, "lost": 1}}
    qrels = {**qrels, **relevant}
    found = evaluate(index, queries, qrels)
    assert len(found.queries) == len(WORDS)
    assert found.left == replace(
        found.left, unjudged=1, without_relevant=1, without_text=1, unknown_documents=1
    )
    row = list(found.queries).index("q-kedge")
    recall = found.metrics.index("R@100")
    assert found.plans[0].scores[row, recall] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("queries", "qrels", "said"),
    [
        ({}, {"q": {"kedge": 1}}, "expected one query or more"),
        ({"q": "kedge"}, {"other": {"kedge": 1}}, "whether the ids are the same"),
        ({"q": "kedge"}, {}, "whether the ids are the same"),
        ({"q": "kedge"}, {"q": {"kedge": 0}}, "a grade above 0"),
        ({"q": "kedge"}, {"q": {"kedge": 0.5}}, "a whole number as grade, got 0.5"),
        ({"q": "kedge"}, {"q": {"kedge": 2**31}}, "a grade from -10,000 to 10,000"),
        ({"q": "kedge"}, {"q": {"lost": 1}}, "documents that the index holds, got 1 others"),
        (["kedge"], {"q": {"kedge": 1}}, "expected queries by the queries' ids, got \\['kedge'\\]"),
        ({"q": "kedge"}, None, "expected qrels by the queries' ids, got None"),
        ({"q": "kedge"}, {"q": ["kedge"]}, "expected grades of 'q' by the documents' ids"),
        ({1: "kedge"}, {1: {"kedge": 1}}, "an id of a query in queries, got int"),
        # By which pytrec_eval ends the process.
        ({"\ud800": "kedge"}, {"\ud800": {"kedge": 1}}, "a query in queries, got a lone surrogate"),
        ({"q": "kedge"}, {"q": {"\ud800": 1, "kedge": 1}}, "for 'q', got a lone surrogate"),
        ({"q": "kedge"}, {"q": {"a\x00b": 1, "kedge": 1}}, "for 'q', got a NUL character"),
        ({"q": "kedge"}, {"q": {7: 1}}, "an id of a document judged for 'q', got int"),
    ],
)
def test_judgements_by_which_nothing_can_be_judged_are_refused(index, queries, qrels, said):
    with pytest.raises(JudgementsError, match=said):
        evaluate(index, queries, qrels)


def test_grades_are_whole_numbers_of_any_kind(index, queries, qrels, found):
    kinds = [np.int64, np.float32, int, str]
    other = {
        query: {document: kinds[i % 4](grade) for document, grade in judged.items()}
        for i, (query, judged) in enumerate(qrels.items())
    }
    assert evaluate(index, queries, other).to_json() == found.to_json()


def test_a_query_that_is_too_long_is_named(index, queries, qrels):
    queries = {**queries, "q-long": "the boat and the wind " * 100}
    with pytest.raises(TextTooLongError, match=r"^query 'q-long': expected .*: shorten it$"):
        evaluate(index, queries, {**qrels, "q-long": {"kedge": 1}})


def test_the_table_of_queries_starts_with_the_worst(found, queries):
    table = found.table("nDCG@10")
    assert set(table) == set(queries)
    scores = [row["hybrid3"] for row in table.values()]
    assert scores == sorted(scores)
    assert list(table["q-kedge"]) == [plan.name for plan in found.plans]


def test_an_evaluation_is_json_and_the_same_again_by_its_seed(index, queries, qrels, found):
    first = found.to_json()
    assert list(first) == [
        "metrics", "depth", "judged_queries", "default", "recommended", "reason", "left", "refused", "seed",
        "plans", "per_query",
    ]  # fmt: skip
    assert [list(plan) for plan in first["plans"][:1]] == [["name", "means", "gains"]]
    assert list(first["plans"][0]["gains"]["nDCG@10"]) == ["mean", "error", "low", "high"]
    assert json.loads(json.dumps(first)) == first
    assert first == evaluate(index, queries, qrels, seed=0).to_json()
    other = evaluate(index, queries, qrels, seed=4).to_json()
    assert first["plans"] != other["plans"]
    assert first["per_query"] == other["per_query"]
