"""A plain reading of filters over metadata fields, as documents have them."""

from datetime import date, datetime, timezone


def read(fields, name):
    """The values of a field: its elements if it is a list, none if it is absent."""
    for part in name.split("."):
        if not isinstance(fields, dict) or part not in fields:
            return []
        fields = fields[part]
    return fields if isinstance(fields, list) else [] if fields is None else [fields]


def as_time(value):
    if not isinstance(value, date):
        value = datetime.fromisoformat(value.replace("Z", "+00:00"))
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return value if value.tzinfo else value.replace(tzinfo=timezone.utc)


def equals(stored, wanted):
    if isinstance(wanted, float):
        return type(stored) in (int, float) and stored == wanted
    if isinstance(wanted, date):
        return isinstance(stored, str) and as_time(stored) == as_time(wanted)
    return type(stored) is type(wanted) and stored == wanted


def within(stored, bounds):
    if all(isinstance(bound, (int, float)) for bound in bounds.values()):
        if type(stored) not in (int, float):
            return False
    elif not isinstance(stored, str):
        return False
    else:
        stored, bounds = as_time(stored), {name: as_time(bound) for name, bound in bounds.items()}
    return (
        ("gt" not in bounds or stored > bounds["gt"])
        and ("gte" not in bounds or stored >= bounds["gte"])
        and ("lt" not in bounds or stored < bounds["lt"])
        and ("lte" not in bounds or stored <= bounds["lte"])
    )


def holds(fields, name, wanted):
    values = read(fields, name)
    if isinstance(wanted, (list, tuple, set)):
        wanted = {"in": wanted}
    if not isinstance(wanted, dict):
        wanted = {"eq": wanted}
    bounds = {key: bound for key, bound in wanted.items() if key[0] in "gl"}
    tests = [not bounds or any(within(value, bounds) for value in values)]
    for operator, operand in wanted.items():
        options = operand if operator in ("in", "nin") else [operand]
        found = any(equals(value, option) for value in values for option in options)
        if operator in ("eq", "in"):
            tests.append(found)
        elif operator in ("ne", "nin"):
            tests.append(not found)
        elif operator == "exists":
            tests.append(bool(values) == operand)
    return all(tests)
