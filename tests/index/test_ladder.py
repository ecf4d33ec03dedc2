"""The ladder of plans, on a server that refuses formulas or nested requests as Qdrant words it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator

import pytest
from stub_server import Request, StubServer

import trivet
from trivet.errors import PlanRefusedError, ServerRefusedError
from trivet.plan import PRESETS, Plan

pytestmark = pytest.mark.loopback

TEXTS = ["a kedge is a light anchor", "the wind is strong", "bread and milk", "an old harbour"]
IDS = ["kedge", "wind", "bread", "harbour"]
SEARCHES = r"POST /collections/[^/]+/points/query/batch"
FORMAT_ERROR = (
    "Format error in JSON body: data did not match any variant of untagged enum QueryInterface"
)


@pytest.fixture
def server() -> Iterator[StubServer]:
    with StubServer() as server:
        yield server


def refuse(server: StubServer, is_refused: Callable[[dict], bool]) -> list[bool]:
    """Answer 400 to searches with such a request in them; what was refused is noted."""
    seen: list[bool] = []

    def effect(request: Request) -> None:
        seen.append(any(is_refused(each) for each in request.body["searches"]))
        if seen[-1]:
            request.reply(400, {"status": {"error": FORMAT_ERROR}, "time": 0.0})
        else:
            request.reply(*request.result())

    server.fail(SEARCHES, effect, times=10**6)
    return seen


def has_formula(request: dict) -> bool:
    return '"formula"' in json.dumps(request)


def is_nested(request: dict) -> bool:
    """Whether a prefetch of it has a prefetch of its own."""
    return any(each.get("prefetch") for each in request.get("prefetch") or [])


@pytest.fixture
def index(server: StubServer, tiny_embedder: trivet.Embedder) -> Iterator[trivet.Index]:
    with trivet.open(server.url, model=tiny_embedder, modes=["dense", "sparse", "multi"]) as index:
        index.add(TEXTS, ids=IDS)
        yield index


def answers(hits: list[trivet.Hit]) -> list[tuple[str, float]]:
    return [(hit.id, hit.score) for hit in hits]


def test_without_formulas_the_default_is_dbsf_of_every_leg(server, index, caplog) -> None:
    expected = answers(index.search("light anchor", k=4, plan="dbsf"))
    seen = refuse(server, has_formula)
    with caplog.at_level(logging.WARNING, logger="trivet"):
        assert answers(index.search("light anchor", k=4)) == expected
    assert seen == [True, True, False, False]  # it, the same in small, DBSF in small, and DBSF
    [warning] = (record.getMessage() for record in caplog.records)
    assert "searches without a plan go by dbsf of dense, sparse, multi" in warning
    assert FORMAT_ERROR in warning
    assert index.planned() == Plan(
        PRESETS["hybrid3"].depths, dict.fromkeys(("dense", "sparse", "multi"), 1.0), fuse="dbsf"
    )
    del seen[:]
    assert answers(index.search_many(["light anchor"], k=4)[0]) == expected
    assert seen == [False]  # it is known from now on
    assert str(index.explain("light anchor", "kedge", k=4)).startswith(
        f"kedge  {dict(expected)['kedge']:.4f}"
    )


def test_a_named_plan_that_is_refused_says_so_and_names_another(server, index) -> None:
    refuse(server, has_formula)
    for plan in ("hybrid3", Plan(weights={"dense": 0.5, "sparse": 0.5})):
        with pytest.raises(PlanRefusedError, match='leave plan out or search with plan="dbsf"'):
            index.search("anchor", k=4, plan=plan)
    with pytest.raises(PlanRefusedError, match="400 Format error"):
        index.explain("anchor", "kedge", plan="lexical")
    assert len(index.search("anchor", k=4, plan="dbsf")) == 4
    assert len(index.search("anchor", k=4, modes=["dense"])) == 4


def test_without_nesting_the_legs_that_bring_candidates_are_fused(server, index) -> None:
    refuse(server, is_nested)
    hits = index.search("light anchor", k=4)
    plain = Plan({"dense": 30, "sparse": 30}, fuse="dbsf")
    assert index.planned() == plain
    assert answers(hits) == answers(index.search("light anchor", k=4, plan=plain))


def test_without_any_score_fusion_ranks_are_summed(server, index) -> None:
    refuse(server, lambda each: has_formula(each) or '"dbsf"' in json.dumps(each))
    index.search("light anchor", k=4)
    assert index.planned() == Plan({"dense": 30, "sparse": 30}, fuse="rrf")
    with pytest.raises(PlanRefusedError, match='or search with plan="rrf"') as refused:
        index.search("anchor", k=4, plan=Plan({"dense": 30, "sparse": 30}, fuse="dbsf"))
    assert isinstance(refused.value, ServerRefusedError)


def test_what_is_refused_for_another_reason_stays_refused(server, index, caplog) -> None:
    """Such as more hits than the server's strict mode allows: the plan is not to blame."""
    refuse(server, lambda each: each["limit"] > 100)
    with pytest.raises(ServerRefusedError, match="400") as refused:
        index.search("anchor", k=40)
    assert not isinstance(refused.value, PlanRefusedError)
    assert not caplog.records
    assert index.planned() == PRESETS["hybrid3"]
    assert len(index.search("anchor", k=4)) == 4


async def test_searches_that_wait_together_step_down_together(server, index) -> None:
    refuse(server, has_formula)
    hits = await index.asearch("light anchor", k=4)
    assert answers(hits) == answers(index.search("light anchor", k=4, plan="dbsf"))
