"""Search requests: what is asked of an engine for one query, and how its answer is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from qdrant_client import models

from trivet.plan import Plan
from trivet.store.formula import floor_of, stretch, sum_of_scores, tie_weight
from trivet.store.leg_query import LegQuery
from trivet.store.points import FoundPoint
from trivet.store.rank_fusion import fuses_ranks, ranks_in_lists, reciprocal_rank
from trivet.store.stages import Wanted, limited, prefetch, stated
from trivet.store.storage import exact_params, search_params
from trivet.types import Mode

# Candidates of maximal marginal relevance, of which it chooses.
SPREAD_FACTOR = 4
# More of them Qdrant refuses.
MAX_SPREAD = 16_384
# Candidates of the next ranking, where the chunks of one are of too few documents.
GROWTH = 4

# The share of all weights from which on a leg's score is deduced from the sum, whose 24 bits then
# give it to 1e-5; of the dense leg, that is the part that counts below the floor.
LEAST_DEDUCED = 0.005


@dataclass(frozen=True)
class RankedChunk:
    """A point with the plan's score and what each leg gave; legs that did not find it are out.

    Of a plan that fuses ranks, also with its ranks in the lists that hold it.
    """

    point: FoundPoint
    scores: dict[Mode, float]
    ranks: dict[Mode, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PlannedQuery:
    """A plan with the vectors of one query.

    Attributes:
        plan: of legs that all are there.
        legs: one for each leg of the plan.
        limit: chunks wanted.
        filter: reaches every leg.
        page: chunks of one page, if `limit` are those of several: so many make a ranking what it
            is, candidates or lists, so that it is the same for every page; 0 = as `limit`.
    """

    plan: Plan
    legs: Mapping[Mode, LegQuery]
    limit: int
    filter: models.Filter | None
    page: int = 0

    def requests(self) -> list[models.QueryRequest]:
        """The requests of this query, to be sent together: the plan first, then single legs."""
        wanted = Wanted(self.limit, with_payload=True)
        if self.plan.is_single:
            leg = self.legs[self.plan.fused[0]]
            ranked = self._best(leg)
        else:
            ranked = self._fused()
        if self.plan.rescore is not None:
            ranked = self._over([limited(ranked, self._rescored)], self.legs["multi"])
        if self.plan.relevance is not None:
            ranked = self._spread(limited(ranked, min(self._spread_over, MAX_SPREAD)))
        return [wanted.of(ranked), *(self._alone_request(mode) for mode in self._told_apart)]

    def list_requests(self) -> dict[Mode, models.QueryRequest]:
        """Each leg's own list, as a plan that fuses ranks or lists has it."""
        return {
            mode: Wanted(each.limit or 0, with_payload=False).of(each)
            for mode, each in self._lists().items()
        }

    def deeper(self, found: int) -> PlannedQuery | None:
        """What to ask for more chunks than were found; None if there are no more.

        First for the rest of the same ranking, then for one of more candidates.
        """
        if self.is_plain:
            is_all = found < self.limit
            return None if is_all else replace(self, limit=GROWTH * self.limit, page=self._page)
        pools, whole = self._pools, self._whole
        if found >= self.limit and self.limit < whole:
            return replace(self, limit=whole, page=self._page)
        if found < min(*pools, whole):
            return None
        page = GROWTH * max(*pools, self._page)
        return replace(self, limit=max(self.limit, len(pools) * page), page=page)

    def longer(self, found: int, most: int) -> PlannedQuery | None:
        """What to ask for more of the same ranking; None if there is no more, or enough came."""
        limit = most if self.is_plain else min(most, self._whole)
        if found < self.limit or limit <= self.limit:
            return None
        return replace(self, limit=limit, page=self._page)

    def in_full(self) -> PlannedQuery:
        """The same ranking to its end; a leg's own list has none, and stays as it is."""
        return self if self.is_plain else replace(self, limit=self._whole, page=self._page)

    def read(self, answers: Sequence[Sequence[FoundPoint]]) -> list[RankedChunk]:
        """What the engine answered to `requests`, best first."""
        found: dict[Mode, dict[str, float]] = {
            mode: {point.id: self.legs[mode].score(point.score) for point in answer}
            for mode, answer in zip(self._told_apart, answers[1:], strict=True)
        }
        if fuses_ranks(self.plan):
            return self._ranked_by_places(answers[0], found)
        return [self._ranked(point, found) for point in answers[0]]

    @cached_property
    def _is_one_score(self) -> bool:
        """Whether the plan's score is a leg's own, and no other leg is asked."""
        plain = self.plan.is_single or self.plan.rescore is not None
        return len(self.legs) == 1 and plain and self.plan.relevance is None

    @cached_property
    def _told_apart(self) -> tuple[Mode, ...]:
        """The legs whose scores another request tells."""
        if self._is_one_score:
            return ()  # the plan's own score
        return tuple(mode for mode in self.legs if mode != self._deduced)

    @cached_property
    def _deduced(self) -> Mode | None:
        """The leg whose score follows from the plan's and the others': the dearest one that does.

        A leg's own request is as dear as the plan's: it finds the same candidates once more.
        """
        summed = self.plan.fuse == "scores" and self.plan.rescore is None
        if not summed or self.plan.relevance is not None or self.plan.is_single:
            return None
        if stretch(self.plan, self.legs) != 1.0:
            return None  # that a chunk lacks a leg is told by the leg's own answer alone
        # A small part of a float32 sum has too few digits.
        least = LEAST_DEDUCED * sum(self.plan.weights.values())
        shares: dict[Mode, float] = {
            "multi": self.plan.weights.get("multi", 0.0),
            "dense": tie_weight(self.plan),
        }
        return next((mode for mode, share in shares.items() if share > 0 and share >= least), None)

    def _ranked(self, point: FoundPoint, found: Mapping[Mode, Mapping[str, float]]) -> RankedChunk:
        if self._is_one_score:
            [leg] = self.legs.values()
            score = leg.score(point.score)
            return RankedChunk(FoundPoint(point.id, score, point.payload), {leg.mode: score})
        if self.plan.rescore is not None and self.plan.relevance is None:
            point = FoundPoint(point.id, self.legs["multi"].score(point.score), point.payload)
        scores = {mode: of[point.id] for mode, of in found.items() if point.id in of}
        if self._deduced is not None:
            rest = point.score - sum(self.part(mode, s) for mode, s in scores.items())
            scores[self._deduced] = self._of_part(self._deduced, rest)
        return RankedChunk(point, {mode: scores[mode] for mode in self.legs if mode in scores})

    def _ranked_by_places(
        self, candidates: Sequence[FoundPoint], found: Mapping[Mode, Mapping[str, float]]
    ) -> list[RankedChunk]:
        """All candidates, in the order of ranks that are counted here."""
        lengths = {mode: self._pool(mode) for mode in self.plan.depths}
        places = ranks_in_lists(self.plan, candidates, found, lengths)
        ranked = []
        for point in candidates:
            scores = {mode: found[mode][point.id] for mode in self.legs if point.id in found[mode]}
            ranks = places[point.id]
            score = sum(reciprocal_rank(self.plan, mode, rank) for mode, rank in ranks.items())
            fused = FoundPoint(point.id, score, point.payload)
            ranked.append(RankedChunk(fused, scores, ranks))
        return sorted(ranked, key=lambda chunk: -chunk.point.score)

    def part(self, mode: Mode, score: float) -> float:
        """What a leg's score adds to the sum of a plan that fuses scores."""
        weight = self.plan.weights[mode]
        if mode == "dense":
            tie = tie_weight(self.plan)
            return (weight - tie) * max(score, floor_of(self.plan)) + tie * score
        if mode == "sparse":
            return weight * score / (score + self.plan.sparse_half)
        return weight * score

    def stretch_of(self, scores: Mapping[Mode, float]) -> float:
        """What each part of a chunk with these scores is multiplied with."""
        return 1.0 if "multi" in scores else stretch(self.plan, self.legs)

    def _of_part(self, mode: Mode, part: float) -> float:
        """The score of a leg, dense or multi, that adds this to the sum."""
        weight, floor = self.plan.weights[mode], floor_of(self.plan)
        if mode == "dense" and part < weight * floor:
            return (part - (weight - tie_weight(self.plan)) * floor) / tie_weight(self.plan)
        return part / weight

    def _pool(self, mode: Mode) -> int:
        """Candidates of a leg: enough for what is wanted."""
        return max(self.plan.depths[mode], self._page)

    @property
    def _pools(self) -> list[int]:
        return [self._pool(mode) for mode in self.plan.depths]

    @property
    def is_plain(self) -> bool:
        """Whether it is one leg's own list, which goes on as long as there are chunks."""
        return self.plan.is_single and self.plan.rescore is None and self.plan.relevance is None

    @property
    def _whole(self) -> int:
        """Chunks that the ranking of a plan which is not plain can have."""
        whole = sum(self._pools)
        if self.plan.rescore is not None:
            whole = min(whole, self._rescored)
        return whole if self.plan.relevance is None else min(whole, self._spread_over)

    @property
    def _page(self) -> int:
        return self.page or self.limit

    @property
    def _rescored(self) -> int:
        """Chunks that are put in another order: enough for what is wanted, as of a leg."""
        return max(self.plan.rescore or 0, self._page)

    @property
    def _spread_over(self) -> int:
        """Candidates of maximal marginal relevance."""
        return SPREAD_FACTOR * self._page

    @cached_property
    def _candidates(self) -> list[models.Prefetch]:
        """The same objects wherever they stand: an engine may then look for them once."""
        return [self._best(self.legs[mode]) for mode in self.plan.depths]

    def _best(self, leg: LegQuery) -> models.Prefetch:
        """The candidates that a leg brings."""
        return prefetch(
            query=leg.query, using=leg.vector_name, filter=self.filter,
            limit=self._pool(leg.mode), **stated("params", search_params(leg.storage)),
        )  # fmt: skip

    def _over(self, prefetches: list[models.Prefetch], leg: LegQuery) -> models.Prefetch:
        """All that was prefetched, in the order of one leg."""
        return prefetch(
            prefetch=prefetches, query=leg.query, using=leg.vector_name,
            limit=sum(each.limit or 0 for each in prefetches),
            **stated("params", exact_params(leg.storage)),
        )  # fmt: skip

    def _fused(self) -> models.Prefetch:
        if self.plan.fuse == "scores":
            fused = [self.legs[mode] for mode in self.plan.fused]
            prefetches = [self._over(self._candidates, leg) for leg in fused]
            query: models.Query = sum_of_scores(self.plan, self.legs)
        else:
            prefetches = list(self._lists().values())
            query = models.FusionQuery(fusion=models.Fusion.DBSF)
            if self.plan.fuse == "rrf":
                weights = [self.plan.weights.get(mode, 1.0) for mode in self.plan.fused]
                # The paper's k; Qdrant counts ranks from 0.
                query = models.RrfQuery(rrf=models.Rrf(k=self.plan.rrf_k + 1, weights=weights))
        return prefetch(prefetch=prefetches, query=query, limit=self.limit)

    def _lists(self) -> dict[Mode, models.Prefetch]:
        """What ranks or lists are fused of."""
        bringing = dict(zip(self.plan.depths, self._candidates, strict=True))
        return {
            mode: bringing[mode] if mode in bringing else self._over(self._candidates, leg)
            for mode, leg in self.legs.items()
            if mode in self.plan.fused
        }

    def _spread(self, ranked: models.Prefetch) -> models.Prefetch:
        """The best of the plan, put in an order that repeats itself less."""
        leg = self.legs["dense"]
        relevance = self.plan.relevance or 0.0
        mmr = models.Mmr(diversity=1.0 - relevance, candidates_limit=ranked.limit)
        query = models.NearestQuery.model_construct(nearest=leg.query.nearest, mmr=mmr)
        return prefetch(
            prefetch=[ranked], query=query, using=leg.vector_name, limit=self.limit,
            **stated("params", exact_params(leg.storage)),
        )  # fmt: skip

    def _alone_request(self, mode: Mode) -> models.QueryRequest:
        """One leg's scores of all candidates."""
        limit = sum(self._pool(each) for each in self.plan.depths)
        return Wanted(limit, with_payload=False).of(self._over(self._candidates, self.legs[mode]))
