"""A collection in a local folder as a retrieval task of mteb; nothing is asked of a hub."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trivet.evaluation.collection import Collection, read_collection
from trivet.evaluation.extra import of_extra

if TYPE_CHECKING:
    from mteb.abstasks.retrieval import AbsTaskRetrieval

SUBSET = "default"
LANGUAGE = "eng-Latn"
CUTOFFS = (1, 2, 3, 5, 10, 20, 100)


def mteb_task(
    folder: str | os.PathLike[str],
    *,
    split: str = "test",
    cutoffs: Sequence[int] = CUTOFFS,
    language: str = LANGUAGE,
) -> AbsTaskRetrieval:
    """A retrieval task of mteb out of a folder in BEIR's layout.

    The data are read when the task is run.

    Args:
        folder: as in `read_collection`; its name is the task's.
        split: which judgements, where there are several.
        cutoffs: the k of nDCG@k, recall@k and the others; mteb asks for as many hits as the
            largest.
        language: as mteb writes it.

    Raises:
        JudgementsError: a file that is not there or cannot be read; the message names the line.
        MissingExtraError: the extra `eval` is not installed.
    """
    collection = read_collection(folder, split=split)
    mteb = of_extra("mteb")
    base: Any = of_extra("mteb.abstasks.retrieval").AbsTaskRetrieval

    class LocalRetrieval(base):  # type: ignore[misc]
        """The task; mteb reads what it is from the class."""

        k_values = tuple(sorted(cutoffs))
        metadata = mteb.TaskMetadata(
            name=_task_name(collection.name),
            description=f"Documents, queries and judgements of {collection.name}.",
            dataset={"path": "local", "revision": "0"},
            type="Retrieval",
            category="t2t",
            eval_splits=[split],
            eval_langs=[language],
            main_score="ndcg_at_10" if 10 in cutoffs else f"ndcg_at_{max(cutoffs)}",
        )

        def load_data(self, **_: object) -> None:
            """Hand the data over, in mteb's own columns."""
            self.dataset = {SUBSET: {split: _data(collection)}}
            self.data_loaded = True

    task: AbsTaskRetrieval = LocalRetrieval()
    return task


def _task_name(name: str) -> str:
    """A folder's name as mteb names tasks."""
    return "".join(part.capitalize() for part in name.replace("_", "-").split("-")) + "Retrieval"


def _data(collection: Collection) -> dict[str, Any]:
    rows = of_extra("datasets").Dataset.from_list
    return {
        "corpus": rows(
            [
                {"id": id, "title": collection.titles[id], "text": text}
                for id, text in collection.texts.items()
            ]
        ),
        "queries": rows([{"id": id, "text": text} for id, text in collection.queries.items()]),
        "relevant_docs": {id: dict(collection.qrels[id]) for id in collection.queries},
        "top_ranked": None,
    }
