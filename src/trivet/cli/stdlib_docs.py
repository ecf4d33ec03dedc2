"""The documentation of the Python standard library on this machine, as documents."""

from __future__ import annotations

import ast
import importlib
import inspect
import sysconfig
import warnings
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from types import ModuleType

from trivet.errors import InvalidInputError
from trivet.query import text_problem
from trivet.types import Document

# What nobody would search: tests, windows and turtles, tables of characters, other packages, and
# what newer versions of Python lack.
SKIPPED = frozenset((
    "__phello__", "dist-packages", "distutils", "encodings", "ensurepip", "idlelib",
    "lib-dynload", "lib2to3", "pydoc_data", "site-packages", "test", "tests", "tkinter", "turtle",
    "turtledemo",
))  # fmt: skip

# Written in C, in whole or in part, so that their documentation is in no source file. Importing
# them does nothing else; one that this machine lacks is left out.
C_MODULES = (
    "array", "atexit", "binascii", "bisect", "builtins", "bz2", "cmath", "codecs",
    "collections", "contextvars", "csv", "datetime", "decimal", "fcntl", "functools", "gc",
    "grp", "hashlib", "heapq", "io", "itertools", "json", "locale", "lzma", "marshal", "math",
    "mmap", "operator", "os", "pickle", "pwd", "queue", "random", "re", "resource", "select",
    "signal", "socket", "sqlite3", "ssl", "string", "struct", "sys", "termios", "threading",
    "time", "tracemalloc", "types", "unicodedata", "uuid", "weakref", "zlib", "zoneinfo",
)  # fmt: skip

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def standard_library(modules: Collection[str] = ()) -> list[Document]:
    """Every public module, class, function and method that has a docstring, sorted by id.

    Python sources are parsed and never imported; `C_MODULES` are imported. The id is the
    qualified name, such as `zipfile.ZipFile.namelist`; the title is the name with its parameters,
    the text the docstring, the metadata `module` and `kind`.

    Args:
        modules: the top-level modules and packages that are read; none = all.

    Returns:
        The same documents at every call with the same Python; no id twice.

    Raises:
        InvalidInputError: one of the modules has no documentation here.
    """
    root = Path(sysconfig.get_path("stdlib"))
    documents: dict[str, Document] = {}
    for document in (*source_documents(root, modules), *c_documents(modules)):
        # The first wins where a name is defined twice: once a platform, or property and setter.
        documents.setdefault(str(document.id), document)
    unknown = sorted(set(modules) - {name.split(".")[0] for name in documents})
    if unknown:
        raise InvalidInputError(
            f"expected modules of the standard library that have docstrings, got {unknown[0]!r}: "
            "give a top-level name such as 'zipfile'"
        )
    return [documents[name] for name in sorted(documents)]


def source_documents(root: Path, modules: Collection[str] = ()) -> Iterator[Document]:
    """The docstrings in the Python sources under a folder, file after file in order of name.

    Args:
        root: the folder that holds the top-level modules and packages.
        modules: those that are read; none = all.

    Yields:
        One document for each public docstring; a name defined twice comes twice.
    """
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        if not parts or any(part.startswith("_") or part in SKIPPED for part in parts):
            continue
        if modules and parts[0] not in modules:
            continue
        tree = _parsed(path)
        if tree is not None:
            module = ".".join(parts)
            yield from _document(module, module, ast.get_docstring(tree), module, "module")
            yield from _defined_in(tree, module, module)


def c_documents(modules: Collection[str] = ()) -> Iterator[Document]:
    """The docstrings that C code brings to `C_MODULES`, in the order of their names.

    Args:
        modules: those that are read; none = all.

    Yields:
        One document for each public module, class, function and method with a docstring.
    """
    for name in C_MODULES:
        if modules and name not in modules:
            continue
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        yield from _document(name, name, module.__doc__, name, "module")
        for member_name in _public_names(module):
            member = getattr(module, member_name, None)
            full_name = f"{name}.{member_name}"
            if inspect.isclass(member) and member.__name__ == member_name:
                yield from _document(full_name, full_name, member.__doc__, name, "class")
                yield from _methods(member, full_name, name)
            elif inspect.isroutine(member):
                yield from _routine(member, full_name, name, "function")


def _parsed(path: Path) -> ast.Module | None:
    """The syntax tree of a source file; None if this Python cannot read it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in old sources are not our concern
        try:
            return ast.parse(path.read_bytes())
        except (SyntaxError, ValueError, OSError):
            return None


def _defined_in(parent: ast.Module | ast.ClassDef, name: str, module: str) -> Iterator[Document]:
    """The docstrings of what a module or class defines."""
    for node in _definitions(parent.body):
        if node.name.startswith("_"):
            continue
        full_name = f"{name}.{node.name}"
        docstring = ast.get_docstring(node)
        if isinstance(node, ast.ClassDef):
            yield from _document(full_name, full_name, docstring, module, "class")
            yield from _defined_in(node, full_name, module)
        else:
            kind = "method" if isinstance(parent, ast.ClassDef) else "function"
            title = f"{full_name}({ast.unparse(node.args)})"
            yield from _document(full_name, title, docstring, module, kind)


def _definitions(nodes: Iterable[ast.AST]) -> Iterator[Definition]:
    """The classes and functions of a body, those under `if`, `try` and `with` included."""
    for node in nodes:
        if isinstance(node, Definition):
            yield node
        elif isinstance(node, ast.If | ast.Try | ast.ExceptHandler | ast.With):
            yield from _definitions(ast.iter_child_nodes(node))


def _public_names(module: ModuleType) -> list[str]:
    """What a module offers: its `__all__`, else every name without a leading underscore."""
    names = getattr(module, "__all__", None) or vars(module)
    return sorted(name for name in names if not name.startswith("_"))


def _methods(owner: type, name: str, module: str) -> Iterator[Document]:
    """The docstrings of the methods that a class itself defines."""
    for member_name in sorted(vars(owner)):
        member = getattr(owner, member_name, None)
        if not member_name.startswith("_") and inspect.isroutine(member):
            yield from _routine(member, f"{name}.{member_name}", module, "method")


def _routine(routine: object, name: str, module: str, kind: str) -> Iterator[Document]:
    """The docstring of a function or method written in C."""
    # Not inspect.signature: defaults may print with an address, another one in every process.
    signature = getattr(routine, "__text_signature__", None) or ""
    for marker in ("$self, ", "$module, ", "$self", "$module"):
        signature = signature.replace(marker, "")
    yield from _document(name, name + signature, getattr(routine, "__doc__", None), module, kind)


def _document(
    name: str, title: str, docstring: str | None, module: str, kind: str
) -> Iterator[Document]:
    """The document of one docstring; nothing if there is none that can be embedded."""
    if text_problem(docstring) is None:
        text = inspect.cleandoc(str(docstring))
        yield Document(text, id=name, title=title, metadata={"module": module, "kind": kind})
