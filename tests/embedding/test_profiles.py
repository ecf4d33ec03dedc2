"""The exact text that each family of models reads, and what a profile may hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trivet.embedding import Embedder
from trivet.embedding.profile import Profile, find_profile, shipped_profiles
from trivet.embedding.prompts import Prompts, Task, Template
from trivet.embedding.resolving import resolve_prompts
from trivet.embedding.spec import EncoderSpec
from trivet.errors import InstructionError, InvalidInputError, SpaceMismatchError, UnknownTaskError
from trivet.query import Example, Query

WEB = "Given a web search query, retrieve relevant passages that answer the query"
INSTRUCT = f"Instruct: {WEB}\nQuery: q"
BGE = "Represent this sentence for searching relevant passages: q"
# Model: query "q", document "d", each without title, instruction or examples.
EXACT = {
    "intfloat/e5-base-v2": ("query: q", "passage: d"),
    "intfloat/multilingual-e5-small": ("query: q", "passage: d"),
    "intfloat/multilingual-e5-large-instruct": (INSTRUCT, "d"),
    "intfloat/e5-mistral-7b-instruct": (INSTRUCT, "d"),
    "Salesforce/SFR-Embedding-Mistral": (INSTRUCT, "d"),
    "Linq-AI-Research/Linq-Embed-Mistral": (INSTRUCT, "d"),
    "BAAI/bge-small-en-v1.5": (BGE, "d"),
    "BAAI/bge-large-zh-v1.5": ("为这个句子生成表示以用于检索相关文章：q", "d"),
    "BAAI/bge-m3": ("q", "d"),
    "BAAI/bge-en-icl": (f"<instruct>{WEB}\n<query>q\n<response>", "d"),
    "BAAI/bge-multilingual-gemma2": (f"<instruct>{WEB}\n<query>q", "d"),
    "BAAI/bge-reasoner-embed-qwen3-8b-0923": (INSTRUCT, "d"),
    "Qwen/Qwen3-Embedding-0.6B": (f"Instruct: {WEB}\nQuery:q", "d"),
    "Kingsoft-LLM/QZhou-Embedding": (f"Instruct: {WEB}\nQuery:q", "d"),
    "nvidia/NV-Embed-v2": (INSTRUCT, "d"),
    "nvidia/llama-embed-nemotron-8b": (INSTRUCT, "d"),
    "HIT-TMG/KaLM-embedding-multilingual-mini-instruct-v2": (
        f"Instruct: {WEB} \n Query: q",
        "d",
    ),
    "reasonir/ReasonIR-8B": (
        "<|user|>\nGiven a question, retrieve relevant passages that help answer the question\n"
        "<|embed|>\nq",
        "<|embed|>\nd",
    ),
    "Snowflake/snowflake-arctic-embed-m": (BGE, "d"),
    "Snowflake/snowflake-arctic-embed-l-v2.0": ("query: q", "d"),
    "nomic-ai/nomic-embed-text-v1.5": ("search_query: q", "search_document: d"),
    "google/embeddinggemma-300m": ("task: search result | query: q", "title: none | text: d"),
    "BAAI/llm-embedder": (
        "Represent this query for retrieving relevant documents: q",
        "Represent this document for retrieval: d",
    ),
    "jinaai/jina-embeddings-v3": (
        "Represent the query for retrieving evidence documents: q",
        "Represent the document for retrieval: d",
    ),
    "thenlper/gte-base": ("q", "d"),
    "ibm-granite/granite-embedding-30m-english": ("q", "d"),
}
LLM_EMBEDDER = {
    "qa": (
        "Represent this query for retrieving relevant documents: q",
        "Represent this document for retrieval: d",
    ),
    "icl": (
        "Convert this example into vector to look for useful examples: q",
        "Convert this example into vector for retrieval: d",
    ),
    "chat": (
        "Embed this dialogue to find useful historical dialogues: q",
        "Embed this historical dialogue for retrieval: d",
    ),
    "lrlm": (
        "Embed this text chunk for finding useful historical chunks: q",
        "Embed this historical text chunk for retrieval: d",
    ),
    "tool": (
        "Transform this user request for fetching helpful tool descriptions: q",
        "Transform this tool description for retrieval: d",
    ),
    "convsearch": (
        "Encode this query and context for searching relevant passages: q",
        "Encode this passage for retrieval: d",
    ),
}
SPEC = EncoderSpec(Path(), (), 4, 8)


def prompts_of(model: str, **chosen) -> Prompts:
    return resolve_prompts(model, SPEC, profile=find_profile(None, model), **chosen)


@pytest.mark.parametrize("model", EXACT)
def test_a_family_is_written_exactly_so(model):
    assert find_profile(None, model) is not None
    prompts = prompts_of(model)
    assert (prompts.query("q").whole, prompts.document("d").whole) == EXACT[model]


def test_every_shipped_family_is_written_out_above():
    written = {find_profile(None, model).family for model in EXACT}
    assert set(shipped_profiles()) - written == {"kalm", "gte-qwen2"}
    assert prompts_of("Alibaba-NLP/gte-Qwen2-7B-instruct").query("q").whole == INSTRUCT
    kalm = prompts_of("HIT-TMG/KaLM-embedding-multilingual-mini-instruct-v1")
    assert kalm.query("q").whole == f"Instruct: {WEB} \n Query: q"


def test_no_model_has_two_profiles():
    models = [model for profile in shipped_profiles().values() for model in profile.models]
    assert len(models) == len(set(models))


@pytest.mark.parametrize("task", LLM_EMBEDDER)
def test_the_six_tasks_of_llm_embedder_write_both_sides(task):
    prompts = prompts_of("BAAI/llm-embedder", task=task)
    assert (prompts.query("q").whole, prompts.document("d").whole) == LLM_EMBEDDER[task]
    assert prompts.query(Query("q", task=task)) == prompts.query("q")


def test_a_query_for_a_task_of_other_documents_is_refused():
    prompts = prompts_of("BAAI/llm-embedder", task="tool")
    message = r"written for the task 'tool' .* got a query for 'chat'"
    with pytest.raises(SpaceMismatchError, match=message):
        prompts.query(Query("q", task="chat"))
    # search and qa find the same documents
    assert prompts_of("BAAI/llm-embedder").query(Query("q", task="qa")).whole.endswith(": q")


def test_an_unknown_task_is_refused_with_the_known_ones():
    with pytest.raises(UnknownTaskError, match="chat, convsearch, icl, lrlm, qa, search, tool"):
        prompts_of("BAAI/llm-embedder", task="poetry")
    with pytest.raises(UnknownTaskError, match="got 'poetry'; or give an instruction="):
        prompts_of("Qwen/Qwen3-Embedding-0.6B").query(Query("q", task="poetry"))
    with pytest.raises(UnknownTaskError, match="out of search for"):
        prompts_of("no/profile").query(Query("q", task="qa"))


def test_an_instruction_fills_its_place_and_only_that():
    prompts = prompts_of("Qwen/Qwen3-Embedding-0.6B")
    asked = Query("{instruction} {title}", instruction="Find {text} or {title}")
    assert prompts.query(asked).whole == (
        "Instruct: Find {text} or {title}\nQuery:{instruction} {title}"
    )
    assert prompts.query(Query("q", task="qa")).whole == (
        "Instruct: Given a question, retrieve Wikipedia passages that answer the question\nQuery:q"
    )


def test_an_instruction_without_a_place_is_refused():
    with pytest.raises(InstructionError, match="has no place for one, got 'find'"):
        prompts_of("intfloat/e5-base-v2").query(Query("q", instruction="find"))


def test_examples_stand_before_the_query_of_bge_en_icl():
    prompts = prompts_of("BAAI/bge-en-icl")
    shown = (Example("one", "first"), Example("two", "second", instruction="Count"))
    assert prompts.query(Query("three", instruction="Find", examples=shown)).whole == (
        "<instruct>Find\n<query>one\n<response>first\n\n"
        "<instruct>Count\n<query>two\n<response>second\n\n"
        "<instruct>Find\n<query>three\n<response>"
    )
    assert prompts.query(Query("three", instruction="Find")).whole == (
        "<instruct>Find\n<query>three\n<response>"
    )


def test_examples_without_a_format_are_refused():
    with pytest.raises(InstructionError, match="has no format for them, got 1"):
        prompts_of("BAAI/bge-m3").query(Query("q", examples=(Example("a", "b"),)))


def test_a_title_fills_its_field_or_is_refused():
    gemma = prompts_of("google/embeddinggemma-300m")
    assert gemma.document("d", "Anchors").whole == "title: Anchors | text: d"
    assert gemma.query(Query("q", task="fact-check")).whole == "task: fact checking | query: q"
    with pytest.raises(InstructionError, match="no title"):
        prompts_of("BAAI/bge-m3").document("d", "Anchors")


def test_the_callers_wording_goes_before_the_profiles_and_that_before_the_checkpoints(checkpoint):
    folder = checkpoint(prompts={"query": "mine: ", "passage": "text: "})
    plain = Embedder.load(folder)
    assert (plain.render("a"), plain.render_document("b")) == ("mine: a", "text: b")
    profiled = Embedder.load(folder, profile="e5")
    assert (profiled.render("a"), profiled.render_document("b")) == ("query: a", "passage: b")
    prompts = {"document": "the {text} end"}
    changed = Embedder.load(folder, profile="e5", prompts=prompts)
    assert (changed.render("a"), changed.render_document("b")) == ("query: a", "the b end")
    facts = {e.spaces["dense"].facts["document_prompt"] for e in (plain, profiled, changed)}
    assert facts == {"text: ", "passage: ", "the {text} end"}


def test_a_name_that_contains_a_models_name_has_no_profile():
    assert find_profile(None, "someone/bge-m3") is None
    assert find_profile(None, "BAAI/bge-m3-unsupervised") is None
    assert find_profile(None, "/models/BAAI/bge-m3") is None


def test_a_profile_comes_from_a_file_of_the_users(checkpoint, tmp_path):
    file = tmp_path / "mine.json"
    tasks = {"search": {"query": "find: {text}"}, "chat": {"document": "said: {text}"}}
    file.write_text(json.dumps({"family": "mine", "tasks": tasks, "pooling": "cls"}))
    embedder = Embedder.load(checkpoint(), profile=file)
    assert embedder.render("a") == "find: a"
    assert embedder.tasks == ("chat", "search")
    assert embedder.spaces["dense"].facts["pooling"] == "cls"
    chat = Embedder.load(checkpoint("again"), profile=Profile.read(file), task="chat")
    assert (chat.task, chat.render_document("b")) == ("chat", "said: b")
    assert chat.spaces["dense"] != embedder.spaces["dense"]


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ([], '"family"'),
        ({"family": "x", "poling": "cls"}, "got poling"),
        ({"family": "x", "normalise": "yes"}, "got normalise"),
        ({"family": "x", "attention": "both"}, "got 'both'"),
        ({"family": "x", "tasks": {"search": {"query": 3}}}, "got {'query': 3}"),
        ({"family": "x", "tasks": {"search": {"query": "q: "}}}, '"{text}" once'),
        ({"family": "x", "tasks": {"search": {"query": "{text} {instruction}"}}}, "before it"),
        ({"family": "x", "few_shot": {"exmaple": ""}}, "exmaple"),
        ({"family": "x", "few_shot": {"example": 5}}, "texts as few_shot"),
        ({"family": "x", "models": [5]}, "texts as models"),
        ({"family": "x", "pooling": "average"}, "as pooling one of cls, .* got 'average'"),
    ],
)
def test_a_profile_with_a_mistake_is_refused(tmp_path, stored, message):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(stored))
    with pytest.raises(InvalidInputError, match=message):
        Profile.read(file)


def test_a_profile_that_is_not_there_is_refused(tiny_model, tmp_path):
    for absent in ("no-family", tmp_path / "none.json", 3):
        with pytest.raises(InvalidInputError, match="a family out of arctic-v1, "):
            Embedder.load(tiny_model, profile=absent)


def test_a_task_that_a_query_may_name_may_be_the_embedders(tiny_model):
    asked = Embedder.load(tiny_model, profile="e5-instruct")
    loaded = Embedder.load(tiny_model, profile="e5-instruct", task="qa")
    assert loaded.task == "qa"
    assert loaded.render("who?") == asked.render(Query("who?", task="qa"))
    assert loaded.render(Query("who?", task="search")) == asked.render("who?")
    assert loaded.spaces == asked.spaces


@pytest.mark.parametrize("family", sorted(shipped_profiles()))
def test_a_profile_is_read_again_from_its_own_json(family: str) -> None:
    profile = shipped_profiles()[family]
    assert Profile.from_json(json.loads(json.dumps(profile.to_json())), "here") == profile


def test_a_task_that_no_file_can_hold_is_refused() -> None:
    asks = Template("{instruction} ", instruction="Ask")
    holds = Template("{instruction} ", instruction="Hold")
    with pytest.raises(InvalidInputError, match="same instruction"):
        Profile("odd", tasks={"search": Task(asks, holds)}).to_json()
