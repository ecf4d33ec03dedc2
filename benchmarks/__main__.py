"""All benchmarks, one after another: `python -m benchmarks [--only NAME]`."""

from __future__ import annotations

import argparse

from benchmarks import (
    drift,
    drift_training,
    embedding_speed,
    engine_speed,
    frameworks,
    frameworks_llama_index,
    languages,
    limit,
    modes,
    mteb_limit,
    plan_speed,
    plans,
    precision,
    quality,
    storage,
    store,
    thoughts,
    token_pooling,
)

ALL = {
    "engine_speed": engine_speed,
    "frameworks": frameworks,
    "frameworks_llama_index": frameworks_llama_index,
    "embedding_speed": embedding_speed,
    "precision": precision,
    "modes": modes,
    "limit": limit,
    "mteb_limit": mteb_limit,
    "languages": languages,
    "token_pooling": token_pooling,
    "thoughts": thoughts,
    "store": store,
    "quality": quality,
    "drift": drift,
    "drift_training": drift_training,
    "plans": plans,
    "plan_speed": plan_speed,
    "storage": storage,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=ALL, action="append", help="may be given several times")
    for name in parser.parse_args().only or ALL:
        print(f"{name}: {ALL[name].__doc__}", flush=True)
        ALL[name].main([])


if __name__ == "__main__":
    main()
