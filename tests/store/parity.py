"""Random filters and query requests over the collection beside this file."""

from datetime import timedelta

from qdrant_client import models

from .collection import DENSE, GENRES, START, WORDS, N, multi, numbers, point_id, sparse


def random_match(rng):
    words = " ".join(rng.sample(WORDS, rng.randint(1, 2)))
    return rng.choice(
        [
            ("n", models.MatchValue(value=rng.randint(0, 9))),
            ("flag", models.MatchValue(value=rng.random() < 0.5)),
            ("genre", models.MatchValue(value=rng.choice(GENRES))),
            ("tags", models.MatchValue(value=rng.choice(GENRES))),
            ("tags[]", models.MatchAny(any=rng.sample(GENRES, 2))),
            ("genre", models.MatchAny(any=rng.sample(GENRES, 2))),
            ("n", models.MatchAny(any=rng.sample(range(10), 3))),
            ("genre", models.MatchExcept(**{"except": rng.sample(GENRES, 2)})),
            ("n", models.MatchExcept(**{"except": rng.sample(range(10), 3)})),
            ("deep.er", models.MatchValue(value=rng.randint(0, 9))),
            ("parts[].kind", models.MatchValue(value=rng.choice(GENRES))),
            ("text", models.MatchText(text=words)),
            ("text", models.MatchTextAny(text_any=words)),
            ("text", models.MatchPhrase(phrase=words)),
            ("genre", models.MatchPrefix(prefix=rng.choice(["d", "wa", "x"]))),
            ("genre", models.MatchSubstring(substring=rng.choice(["ra", "oi", "x"]))),
        ]
    )


def random_range(rng):
    low = rng.uniform(0, 9)
    hours = timedelta(hours=rng.randint(0, 9999))
    moment = rng.choice(
        [START + hours, (START + hours).replace(tzinfo=None), (START + hours).date()]
    )
    return rng.choice(
        [
            ("n", models.Range(gte=low, lt=low + 3)),
            ("f", models.Range(gt=low / 2)),
            ("deep.er", models.Range(lte=int(low))),
            ("parts[].size", models.Range(gt=low, lte=low + 2)),
            ("when", models.DatetimeRange(gte=moment)),
            ("when", models.DatetimeRange(lt=moment, gt=START + timedelta(hours=99))),
        ]
    )  # fmt: skip


def random_place(rng):
    west, south = rng.uniform(-20, 10), rng.uniform(-20, 10)
    corners = [(west, south), (west + 15, south), (west + 15, south + 12), (west, south + 9)]
    ring = models.GeoLineString(
        points=[models.GeoPoint(lon=x, lat=y) for x, y in [*corners, corners[0]]]
    )
    hole = models.GeoLineString(
        points=[
            models.GeoPoint(lon=west + x, lat=south + y)
            for x, y in [(1, 1), (6, 1), (6, 6), (1, 1)]
        ]
    )
    north_west = models.GeoPoint(lon=west, lat=south + 10)
    south_east = models.GeoPoint(lon=west + 10, lat=south)
    return rng.choice(
        [
            {
                "geo_bounding_box": models.GeoBoundingBox(
                    top_left=north_west, bottom_right=south_east
                )
            },
            {"geo_radius": models.GeoRadius(center=north_west, radius=rng.uniform(1e5, 2e6))},
            {"geo_polygon": models.GeoPolygon(exterior=ring)},
            {"geo_polygon": models.GeoPolygon(exterior=ring, interiors=[hole])},
        ]
    )


KINDS = ["match", "match", "range", "range", "place", "count", "empty", "id", "vector", "nested"]
KINDS += ["slice"]


def random_condition(rng, depth):
    kind = rng.choice(KINDS + ["filter"] * 3 * (depth > 0))
    if kind == "match":
        key, match = random_match(rng)
        return models.FieldCondition(key=key, match=match)
    if kind == "range":
        key, bounds = random_range(rng)
        return models.FieldCondition(key=key, range=bounds)
    if kind == "place":
        return models.FieldCondition(key="place", **random_place(rng))
    if kind == "count":
        count = models.ValuesCount(gte=rng.randint(0, 2), lt=rng.randint(1, 4))
        return models.FieldCondition(key=rng.choice(["tags", "parts", "n"]), values_count=count)
    if kind == "empty":
        field = models.PayloadField(key=rng.choice(["tags", "n", "deep.er", "absent"]))
        return rng.choice(
            [
                models.IsEmptyCondition(is_empty=field),
                models.IsNullCondition(is_null=field),
                models.FieldCondition(key=field.key, is_empty=rng.random() < 0.5),
                models.FieldCondition(key=field.key, is_null=rng.random() < 0.5),
            ]
        )
    if kind == "id":
        return models.HasIdCondition(has_id=[point_id(i) for i in rng.sample(range(N), 80)])
    if kind == "vector":
        return models.HasVectorCondition(has_vector=rng.choice(["sparse", "multi"]))
    if kind == "slice":
        return models.SliceCondition(slice=models.Slice(total=3, index=rng.randint(0, 2)))
    if kind == "nested":
        size = models.FieldCondition(key="size", range=models.Range(gte=rng.randint(0, 9)))
        match = models.FieldCondition(key="kind", match=models.MatchValue(value=rng.choice(GENRES)))
        inner = models.Filter(must=rng.choice([[size], [match], [size, match]]))
        return models.NestedCondition(nested=models.Nested(key="parts", filter=inner))
    return random_filter(rng, depth - 1)


def random_filter(rng, depth=2):
    def conditions():
        return [random_condition(rng, depth) for _ in range(rng.randint(1, 3))]

    clauses = {}
    for name in rng.sample(["must", "should", "must_not"], rng.randint(0, 2)):
        clauses[name] = rng.choice([conditions(), random_condition(rng, depth)])
    if not clauses or rng.random() < 0.2:
        clauses["min_should"] = models.MinShould(
            conditions=conditions(), min_count=rng.randint(1, 2)
        )
    return models.Filter(**clauses)


def random_vector(rng, modes=("dense", "sparse", "multi")):
    using = rng.choice(modes)
    vector = {
        "dense": lambda: numbers(rng, DENSE),
        "sparse": lambda: sparse(rng),
        "multi": lambda: multi(rng),
    }[using]()
    return using, vector


def random_nearest(rng):
    using, vector = random_vector(rng)
    return {"using": using, "query": rng.choice([vector, models.NearestQuery(nearest=vector)])}


def random_mmr(rng, limit):
    using, vector = random_vector(rng, modes=["dense", "multi"])
    spread = models.Mmr(
        diversity=rng.choice([None, 0.1, 0.9]), candidates_limit=rng.choice([None, limit + 20])
    )
    return {"using": using, "query": models.NearestQuery(nearest=vector, mmr=spread)}


def random_fusion(rng, sources, tied):
    """RRF or DBSF; where a tie could matter, only RRF with weights that make none."""
    weights = [rng.uniform(0.5, 3) for _ in range(sources)]
    weighted = models.RrfQuery(rrf=models.Rrf(k=rng.choice([None, 1, 60]), weights=weights))
    dbsf = models.FusionQuery(fusion=models.Fusion.DBSF)
    if not tied:
        return rng.choice([weighted, dbsf])
    rrf = models.FusionQuery(fusion=models.Fusion.RRF)
    return rng.choice([weighted, dbsf, rrf, models.RrfQuery(rrf=models.Rrf(k=60))])


def random_expression(rng, depth):
    def part():
        return random_expression(rng, depth - 1)

    def positive():
        return models.SumExpression(sum=[1.0, models.AbsExpression(abs=part())])

    leaves = [
        lambda: rng.uniform(-2, 2),
        lambda: rng.choice(["$score", "$score[0]", "$score[1]", "f", "absent"]),
        lambda: random_condition(rng, 1),
        lambda: models.ExpDecayExpression(exp_decay=near_date(rng)),
        lambda: models.GaussDecayExpression(gauss_decay=near_place(rng)),
        lambda: models.LinDecayExpression(
            lin_decay=models.DecayParamsExpression(x="f", midpoint=0.4)
        ),
    ]
    if depth == 0:
        return rng.choice(leaves)()
    nodes = [
        lambda: models.SumExpression(sum=[part(), part()]),
        lambda: models.MultExpression(mult=[part(), part()]),
        lambda: models.MaxExpression(max=[part(), 0.35]),
        lambda: models.MinExpression(min=[part(), part()]),
        lambda: models.NegExpression(neg=part()),
        lambda: models.SqrtExpression(sqrt=positive()),
        lambda: models.PowExpression(pow=models.PowParams(base=positive(), exponent=0.5)),
        lambda: models.ExpExpression(exp=models.NegExpression(neg=positive())),
        lambda: models.LnExpression(ln=positive()),
        lambda: models.Log10Expression(log10=positive()),
        lambda: models.AcoshExpression(acosh=positive()),
        lambda: models.DivExpression(div=models.DivParams(left=part(), right=positive())),
        lambda: models.DivExpression(
            div=models.DivParams(left="$score[1]", right="$score[0]", by_zero_default=-1.0)
        ),
    ]
    return rng.choice(nodes)()


def near_date(rng):
    day = (START + timedelta(days=rng.randint(0, 400))).date().isoformat()
    target = models.DatetimeExpression(datetime=day)
    x = models.DatetimeKeyExpression(datetime_key="at")
    return models.DecayParamsExpression(x=x, target=target, scale=86400.0 * 100)


def near_place(rng):
    origin = models.GeoPoint(lon=rng.uniform(-20, 20), lat=rng.uniform(-20, 20))
    distance = models.GeoDistance(geo_distance=models.GeoDistanceParams(origin=origin, to="here"))
    return models.DecayParamsExpression(x=distance, scale=1e6, midpoint=0.6)


def random_formula(rng):
    # "f" differs from point to point, so that scores do.
    formula = models.SumExpression(sum=["$score", "f", random_expression(rng, rng.randint(0, 3))])
    return models.FormulaQuery(formula=formula, defaults={"absent": 0.5, "$score[1]": 0.25})


def random_stage(rng, depth, *, inner=True):
    limit = rng.randint(2, 40)
    stage = {"limit": limit}
    if rng.random() < 0.3:
        # Under `must`, since the reference joins the filters of all stages clause by clause.
        stage["filter"] = models.Filter(must=[random_filter(rng, depth=1)])
    if rng.random() < 0.15:
        stage["score_threshold"] = rng.uniform(-0.5, 0.5)
    if depth == 0:
        return stage | (
            random_nearest(rng) if inner or rng.random() < 0.7 else random_mmr(rng, limit)
        )
    sources = [
        models.Prefetch(**random_stage(rng, rng.randint(0, depth - 1)))
        for _ in range(rng.randint(1, 3))
    ]
    stage["prefetch"] = sources if len(sources) > 1 or rng.random() < 0.5 else sources[0]
    kind = rng.choice(["fusion", "fusion", "formula", "formula", "nearest", "mmr"])
    if kind == "mmr" and not inner:
        return stage | random_mmr(rng, limit)
    if kind in ("nearest", "mmr"):
        return stage | random_nearest(rng)
    if kind == "formula":
        return stage | {"query": random_formula(rng)}
    return stage | {"query": random_fusion(rng, len(sources), tied=not inner)}
