"""What the docstrings of the public names say: of every parameter, and of every error."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import pydantic

from trivet import errors

CORE = (
    "trivet", "trivet.drift", "trivet.evaluation", "trivet.thinking", "trivet.training",
    "trivet.index.upgrade",
)  # fmt: skip
PLUG_INS = (
    "langchain_trivet",
    *(
        f"llama_index.{part}.trivet"
        for part in ("embeddings", "postprocessor", "retrievers", "tools", "vector_stores")
    ),
)
# "As `search`", "as in `Thinker.think`": the same parameters, documented there.
ELSEWHERE = re.compile(r"\bas (?:in |for )?`([\w.]+)`", re.IGNORECASE)


def public(module: str) -> Iterator[tuple[str, Any]]:
    """The functions, classes and methods of ours that a module shows, by their full names."""
    package = importlib.import_module(module)
    for name in package.__all__:
        value = getattr(package, name)
        if inspect.isfunction(value):
            yield f"{module}.{name}", inspect.unwrap(value)
        elif inspect.isclass(value) and is_ours(value):
            yield f"{module}.{name}", value
            for part in dir(value):
                method = inspect.getattr_static(value, part)
                method = getattr(method, "fget", None) or getattr(method, "__func__", method)
                if not part.startswith("_") and inspect.isfunction(method) and is_ours(method):
                    yield f"{module}.{name}.{part}", inspect.unwrap(method)


def is_ours(value: Any) -> bool:
    return "trivet" in value.__module__.split(".")[0] or ".trivet" in value.__module__


def parameters(value: Any) -> set[str]:
    """What a caller passes by name or place; of a value's class, its fields."""
    if inspect.isclass(value):
        if dataclasses.is_dataclass(value):
            return {field.name for field in dataclasses.fields(value) if field.init}
        if issubclass(value, pydantic.BaseModel) and "__init__" not in vars(value):
            return {name for name in value.model_fields if name in value.__annotations__}
        if "__init__" not in vars(value):
            return set()
        value = value.__init__
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    every = inspect.signature(value).parameters.values()
    return {each.name for each in every if each.kind not in kinds} - {"self", "cls"}


def documented(value: Any, known: dict[str, Any], seen: frozenset[str] = frozenset()) -> set[str]:
    """The parameters that a docstring explains, itself or by naming another that does."""
    text = inspect.getdoc(value) or ""
    told = re.findall(
        r"(?m)^ {4}(\w+(?:(?:, | / )\w+)*):(?: |$)", section(text, "Args", "Attributes")
    )
    names = {name for listed in told for name in re.split(r", | / ", listed)}
    for other in ELSEWHERE.findall(text):
        tail = other.rpartition(".")[2]
        if tail in seen:
            continue
        named = [v for name, v in known.items() if name.endswith(f".{other}")]
        for each in named:
            names |= documented(each, known, seen | {tail})
    return names


def section(text: str, *heads: str) -> str:
    """The indented lines under a docstring's headings."""
    found = []
    for head in heads:
        match = re.search(rf"(?m)^{head}:\n((?:(?: .*)?\n?)*)", text)
        found.append("" if match is None else match[1])
    return "\n".join(found)


def raised(value: Any) -> set[str]:
    """The errors of ours that a function raises by name; of a class, as it is made."""
    sources = [value]
    if inspect.isclass(value):
        made_by = "__post_init__" if dataclasses.is_dataclass(value) else "__init__"
        sources = [vars(value)[made_by]] if made_by in vars(value) else []
    names = set()
    for function in sources:
        if not inspect.isfunction(function) or not is_ours(function):
            continue
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                names.add(ast.unparse(node.exc.func).rpartition(".")[2])
    return {name for name in names if hasattr(errors, name)}


def test_every_parameter_and_error_of_a_public_call_is_documented() -> None:
    known = {name: value for module in (*CORE, *PLUG_INS) for name, value in public(module)}
    assert len(known) > 250
    missing = {}
    for name, value in known.items():
        text = inspect.getdoc(value) or ""
        untold = parameters(value) - documented(value, known)
        unsaid = raised(value) - set(re.findall(r"\w+", section(text, "Raises")))
        if untold or unsaid or not text:
            missing[name] = (untold, unsaid)
    assert missing == {}
