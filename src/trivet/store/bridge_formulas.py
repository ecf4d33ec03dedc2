"""Score formulas of `qdrant_client.models`, said to Qdrant Edge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import qdrant_edge

from trivet.store.bridge_filters import edge_condition, edge_point, stated

OfOne: TypeAlias = Callable[[qdrant_edge.Expression], qdrant_edge.Expression]
OfMany: TypeAlias = Callable[[list[qdrant_edge.Expression]], qdrant_edge.Expression]


def edge_expression(expression: object) -> qdrant_edge.Expression:
    """One node of a formula for Qdrant Edge.

    Args:
        expression: a constant, a variable (`"$score[0]"`, a payload key), an expression of
            `qdrant_client.models`, or a condition, which is worth 1 or 0.

    Raises:
        InvalidInputError: none of these, or one that Edge does not have.
    """
    if isinstance(expression, str):
        return qdrant_edge.Expression.Variable(expression)
    if isinstance(expression, (int, float)) and not isinstance(expression, bool):
        return qdrant_edge.Expression.Constant(float(expression))
    fields = stated(expression)
    name = next(iter(fields), "")
    if len(fields) == 1 and name in _EXPRESSIONS:
        return _EXPRESSIONS[name](fields[name])
    return qdrant_edge.Expression.Condition(edge_condition(expression))


def _of_one(make: OfOne) -> Callable[[object], qdrant_edge.Expression]:
    return lambda part: make(edge_expression(part))


def _of_many(make: OfMany) -> Callable[[list[object]], qdrant_edge.Expression]:
    return lambda parts: make([edge_expression(part) for part in parts])


def _quotient(params: object) -> qdrant_edge.Expression:
    fields = stated(params, "left", "right", "by_zero_default")
    left, right = edge_expression(fields["left"]), edge_expression(fields["right"])
    return qdrant_edge.Expression.Div(left, right, fields.get("by_zero_default"))


def _power(params: object) -> qdrant_edge.Expression:
    fields = stated(params, "base", "exponent")
    return qdrant_edge.Expression.Pow(
        edge_expression(fields["base"]), edge_expression(fields["exponent"])
    )


def _decay(kind: qdrant_edge.DecayKind) -> Callable[[object], qdrant_edge.Expression]:
    def translate(params: object) -> qdrant_edge.Expression:
        fields = stated(params, "x", "target", "midpoint", "scale")
        target = edge_expression(fields["target"]) if "target" in fields else None
        return qdrant_edge.Expression.Decay(
            kind, edge_expression(fields["x"]), target, fields.get("midpoint"), fields.get("scale")
        )

    return translate


def _geo_distance(params: object) -> qdrant_edge.Expression:
    fields = stated(params, "origin", "to")
    return qdrant_edge.Expression.GeoDistance(edge_point(fields["origin"]), fields["to"])


_EXPRESSIONS: dict[str, Callable[[Any], qdrant_edge.Expression]] = {
    "mult": _of_many(qdrant_edge.Expression.Mult),
    "sum": _of_many(qdrant_edge.Expression.Sum),
    "max": _of_many(qdrant_edge.Expression.Max),
    "min": _of_many(qdrant_edge.Expression.Min),
    "neg": _of_one(qdrant_edge.Expression.Neg),
    "abs": _of_one(qdrant_edge.Expression.Abs),
    "sqrt": _of_one(qdrant_edge.Expression.Sqrt),
    "exp": _of_one(qdrant_edge.Expression.Exp),
    "log10": _of_one(qdrant_edge.Expression.Log10),
    "ln": _of_one(qdrant_edge.Expression.Ln),
    "acosh": _of_one(qdrant_edge.Expression.Acosh),
    "div": _quotient,
    "pow": _power,
    "lin_decay": _decay(qdrant_edge.DecayKind.Lin),
    "exp_decay": _decay(qdrant_edge.DecayKind.Exp),
    "gauss_decay": _decay(qdrant_edge.DecayKind.Gauss),
    "geo_distance": _geo_distance,
    "datetime": qdrant_edge.Expression.Datetime,
    "datetime_key": qdrant_edge.Expression.DatetimeKey,
}
