"""The settings of an index, and of a connection to a server, checked by pydantic."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Settings(BaseModel):
    """Choices for an index; the defaults are what we would use ourselves.

    `chunk_tokens` is fixed when the index is made and stored with it; opening it with another
    value raises `SettingsMismatchError`. The others may differ from one opening to the next.

    Attributes:
        chunk_tokens: the most tokens of a chunk, markers and title included; None = as many as
            the model reads.
        depth: candidates that each leg of a hybrid search brings (more if k asks for more).
        batch_chunks: chunks that are embedded, written and committed together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    chunk_tokens: int | None = Field(default=None, ge=16)
    # Depth 30 gave the same nDCG@10 on fifteen collections; 100 keeps deep recall.
    depth: int = Field(default=100, ge=1, le=10_000)
    batch_chunks: int = Field(default=256, ge=1, le=4096)


class ServerSettings(BaseModel):
    """How to reach a Qdrant server, and how it keeps a new index.

    `shards`, `replication` and `write_consistency` are fixed when the index is made and ignored
    when it is opened. None = as the server does by default.

    Attributes:
        api_key: sent with every request; never shown. It is refused over plain http to another
            host than this one.
        allow_insecure: send the key over plain http all the same.
        timeout_s: how long one request may take, in whole seconds (rounded up).
        grpc: speak gRPC, which is faster for large batches.
        grpc_port: where gRPC listens.
        shards: parts that the index is split into.
        replication: copies of each part.
        write_consistency: copies that must hold a write before it counts; None = more than half
            of them, where `replication` is given.
        consistency: copies that must agree on what a search reads.
        retry_attempts: times that a request is sent before it has failed for good.
        retry_s: how long that may go on for one request. Other machines leave the documents that
            a dead one was writing alone for four times this and `timeout_s`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_key: SecretStr | None = None
    allow_insecure: bool = False
    timeout_s: float = Field(default=10.0, gt=0, le=3600)
    grpc: bool = False
    grpc_port: int = Field(default=6334, ge=1, le=65535)
    shards: int | None = Field(default=None, ge=1)
    replication: int | None = Field(default=None, ge=1)
    write_consistency: int | None = Field(default=None, ge=1)
    consistency: int | Literal["majority", "quorum", "all"] | None = None
    retry_attempts: int = Field(default=10, ge=1)
    retry_s: float = Field(default=60.0, ge=0, le=3600)
