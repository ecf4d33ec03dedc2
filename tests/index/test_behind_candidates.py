"""What an explanation says of a document that is none of the plan's candidates."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import trivet
from trivet import Plan

# BM25 and the cosine order them otherwise, and no two scores are equal.
TEXTS = [f"{'kedge ' * (i % 4 + 1)} bread {'milk sails ' * i} in storm {i}" for i in range(12)]
IDS = [f"d{i:02}" for i in range(len(TEXTS))]
QUERY = "kedge bread storm"
DEPTH = 4
SUM = Plan({"dense": DEPTH, "sparse": DEPTH}, {"dense": 0.3, "sparse": 0.2, "multi": 0.5})
SAYS = "none of the plan's candidates"


def filled(open_index: Callable[..., trivet.Index]) -> trivet.Index:
    index = open_index(modes=["dense", "sparse", "multi"])
    index.add(TEXTS, ids=IDS)
    return index


def best(index: trivet.Index, **asked: object) -> list[str]:
    """The four best, in pages of two: of so few hits, a leg brings no more than its depth."""
    plan = asked.pop("plan", None)
    if plan is None:
        return [hit.id for hit in index.search(QUERY, k=DEPTH, **asked)]
    pages = [index.search(QUERY, k=2, plan=replace(plan, offset=n)) for n in range(0, DEPTH, 2)]
    return [hit.id for page in pages for hit in page]


def explained(index: trivet.Index, plan: Plan) -> dict[str, trivet.index.explanation.Explanation]:
    return {id: index.explain(QUERY, id, k=1, plan=plan) for id in IDS}


def candidates(whys: dict[str, trivet.index.explanation.Explanation]) -> set[str]:
    return {id for id, why in whys.items() if why.is_candidate}


def test_a_sum_is_said_to_be_what_a_document_behind_the_candidates_would_have(open_index) -> None:
    index = filled(open_index)
    union = {*best(index, modes=["dense"]), *best(index, modes=["sparse"])}
    assert DEPTH <= len(union) < len(IDS)
    whys = explained(index, SUM)
    assert candidates(whys) == union
    for id, why in whys.items():
        assert why.score > 0.3  # whether it is one or not
        assert (SAYS in str(why)) == (SAYS in why._repr_html_()) == (id not in union)


def test_what_is_not_rescored_is_said_to_be_behind(open_index) -> None:
    index = filled(open_index)
    rescored = best(index, plan=SUM)
    assert candidates(explained(index, replace(SUM, rescore=DEPTH))) == set(rescored)


def test_lists_hold_no_others_and_one_leg_ranks_all(open_index) -> None:
    index = filled(open_index)
    union = {*best(index, modes=["dense"]), *best(index, modes=["sparse"])}
    ranks = explained(index, Plan({"dense": DEPTH, "sparse": DEPTH}, fuse="rrf"))
    assert candidates(ranks) == union
    # Nothing is said twice: such a plan gives the others no score at all.
    assert {id for id, why in ranks.items() if "does not find it" in str(why)} >= set(IDS) - union
    assert not any(SAYS in str(why) for why in ranks.values())
    assert candidates(explained(index, Plan({"dense": DEPTH}))) == set(IDS)
    missing = index.explain("zebra", "d00", k=1, modes=["sparse"])
    assert (missing.is_candidate, missing.score) == (False, 0.0)


def test_the_command_says_it_too(
    tmp_path: Path, tiny_embedder: trivet.Embedder, trivet_run: Callable[..., Sequence]
) -> None:
    long = [f"milk sails bread number {i}" for i in range(130)]
    with trivet.open(tmp_path / "i", model=tiny_embedder, modes=["dense", "sparse"]) as index:
        index.add([*long, "kedge"], ids=[*map(str, range(130)), "kedge"])
        whys = {id: index.explain("milk sails bread number 7", id) for id in ("7", "kedge")}
        assert [why.is_candidate for why in whys.values()] == [True, False]
    for id, why in whys.items():
        asked = ("explain", "milk sails bread number 7", id, "--index", tmp_path / "i")
        code, out, _ = trivet_run(*asked, "--json")
        assert (code, json.loads(out)["is_candidate"]) == (0, why.is_candidate)
        code, out, _ = trivet_run(*asked)
        assert (code, SAYS in out) == (0, not why.is_candidate)
