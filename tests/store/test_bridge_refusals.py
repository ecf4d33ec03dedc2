"""What Qdrant Edge cannot do, or would do wrongly, is refused by name and never dropped."""

from datetime import datetime

import numpy as np
import pytest
import qdrant_edge
from pydantic import BaseModel
from qdrant_client import models

from trivet.errors import InvalidFilterError, InvalidInputError
from trivet.store.bridge import query_requests
from trivet.store.bridge_filters import edge_filter

DENSE = 8
DIRECTION = [1.0, -2.0, 0.5, 0.0, 1.0, 3.0, -1.0, 0.25]


def nearest(**fields):
    return models.QueryRequest(**({"query": DIRECTION, "using": "dense", "limit": 5} | fields))


class NewerPrefetch(models.Prefetch):
    patience: int | None = None


class NewerField(models.FieldCondition):
    near: str


class NewerMatch(BaseModel):
    regex: str


class NewerExpression(BaseModel):
    sinh: float


def formula(expression, **defaults):
    query = models.FormulaQuery.model_construct(formula=expression, defaults=defaults)
    source = models.Prefetch(query=DIRECTION, using="dense")
    return models.QueryRequest.model_construct(prefetch=source, query=query, limit=5)


def spread(diversity=0.5, **fields):
    return models.NearestQuery(
        mmr=models.Mmr(diversity=diversity), **({"nearest": DIRECTION} | fields)
    )


SPARSE = models.SparseVector(indices=[1, 2], values=[1.0, 2.0])
PAIR = models.ContextPair(positive=DIRECTION, negative=DIRECTION)
FEEDBACK = models.RelevanceFeedbackInput(
    target=DIRECTION,
    feedback=[models.FeedbackItem(example=DIRECTION, score=1.0)],
    strategy=models.NaiveFeedbackStrategy(naive=models.NaiveFeedbackStrategyParams(a=1, b=1, c=1)),
)


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        ("a request", "str"),
        (nearest(query=7), "int"),
        (nearest(query="5d1c2f64-0000-4000-8000-000000000000"), "by its id"),
        (nearest(query=models.Document(text="anchor", model="any/model")), "Document"),
        (nearest(query=models.NearestQuery(nearest=models.Document(text="a", model="b"))), "Document"),
        (nearest(query=models.RecommendQuery(recommend={"positive": [DIRECTION]})), "RecommendQuery"),
        (nearest(query=models.DiscoverQuery(discover={"target": DIRECTION, "context": PAIR})), "DiscoverQuery"),
        (nearest(query=models.ContextQuery(context=PAIR)), "ContextQuery"),
        (nearest(query=models.RelevanceFeedbackQuery(relevance_feedback=FEEDBACK)), "RelevanceFeedback"),
        (nearest(query=models.SampleQuery(sample=models.Sample.RANDOM)), "SampleQuery"),
        (nearest(query=models.TextQuery(text="anchor")), "TextQuery"),
        (nearest(shard_key="a"), "shard_key"),
        (nearest(lookup_from=models.LookupLocation(collection="other")), "lookup_from"),
        (nearest(query=models.FusionQuery(fusion=models.Fusion.DBSF)), "using.*dense"),
        (nearest(prefetch=NewerPrefetch(query=DIRECTION, using="dense", patience=1)), "patience"),
        (nearest(prefetch=models.Prefetch(query=spread(), using="dense")), "Mmr at the top"),
        (nearest(query=spread(nearest=SPARSE), using="sparse"), "Mmr.*SparseVector"),
        (nearest(query=spread(diversity=1.5)), "diversity.*1.5"),
        (nearest(query=models.RrfQuery(rrf=models.Rrf(k=0)), using=None), "k of 1 or more, got 0"),
        (nearest(limit=0), "limit of 1 or more"),
        (nearest(offset=-1), "negative"),
        (nearest(query=[]), "expected a vector"),
        (nearest(query=[[1.0, 2.0], [1.0]], using="multi"), "refuses"),
        (nearest(query=[float("nan")] * DENSE), "finite"),
        (nearest(query=[[1.0, float("inf"), 1.0, 1.0]], using="multi"), "finite"),
        (nearest(query=models.SparseVector(indices=[1, 2, 3], values=[1.0])), "3 and 1"),
        (nearest(query=models.SparseVector(indices=[1, 1], values=[1.0, 2.0])), "once"),
        (nearest(query=models.SparseVector(indices=[1], values=[float("nan")])), "finite"),
        (models.QueryRequest.model_construct(query=np.zeros((2, 2, 4))), "refuses"),
        (models.QueryRequest.model_construct(query={"a": 1.0}), "dict"),
        (models.QueryRequest.model_construct(query=models.RrfQuery.model_construct()), "RrfQuery"),
        (models.QueryRequest.model_construct(query=models.FusionQuery.model_construct(fusion="sum")), "sum"),
        (formula("$rank"), "rank"),
        (formula(True), "bool"),
        (formula(NewerExpression(sinh=1.0)), "NewerExpression"),
        (formula(models.DatetimeExpression(datetime="yesterday")), "yesterday"),
        (formula(models.MaxExpression(max=[])), "max"),
        (formula(models.LinDecayExpression(lin_decay={"x": "f", "midpoint": 2.0})), "midpoint"),
        (formula("f", f=datetime(2020, 1, 1)), "refuses"),
        (formula(models.DivExpression.model_construct(div=models.DivParams.model_construct(left=1.0))), "right"),
    ],
)  # fmt: skip
def test_what_a_folder_cannot_do_is_refused_by_name(request_, names):
    with pytest.raises(InvalidInputError, match=names):
        query_requests([request_])


def field(**constraint):
    return models.FieldCondition.model_construct(**({"key": "n"} | constraint))


BROKEN_BOX = models.GeoBoundingBox(
    top_left={"lon": 500, "lat": 0}, bottom_right={"lon": 0, "lat": 0}
)


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        (field(), "exactly one constraint on field 'n'"),
        (field(match=models.MatchValue(value=1), range=models.Range(gt=1)), "match.*range"),
        (NewerField(key="n", near="here"), "near"),
        (field(match=NewerMatch(regex="a.*")), "NewerMatch"),
        (field(match={"value": 1}), "dict"),
        (field(match=models.MatchValue(value=1), key="a..b"), "a..b"),
        (field(match=models.MatchValue.model_construct(value=1.5)), "refuses"),
        (field(range=models.Range()), "at least one of gt"),
        (field(geo_bounding_box=BROKEN_BOX), "lon"),
        (models.HasIdCondition(has_id=["no uuid"]), "no uuid"),
        (models.HasIdCondition(has_id=[-1]), "refuses"),
        (models.SliceCondition(slice=models.Slice(total=2, index=2)), "index"),
        (models.Filter(min_should=models.MinShould(conditions=[], min_count=0)), "min_count"),
        (models.Nested(key="parts", filter=models.Filter()), "filter"),
        (qdrant_edge.Filter(), "qdrant_client.models"),
    ],
)
def test_a_filter_that_a_folder_cannot_evaluate_is_refused_by_name(condition, names):
    with pytest.raises(InvalidFilterError, match=names):
        edge_filter(models.Filter.model_construct(must=[condition]))
    asked = models.Filter.model_construct(should=condition)
    request = nearest().model_copy(update={"filter": asked})
    with pytest.raises(InvalidFilterError, match=names):
        query_requests([request])


@pytest.mark.parametrize(
    ("filter_", "names"),
    [(None, "NoneType"), ({"must": []}, "dict"), (field(is_null=True), "FieldCondition")],
)
def test_only_a_filter_is_a_filter(filter_, names):
    with pytest.raises(InvalidFilterError, match=names):
        edge_filter(filter_)
