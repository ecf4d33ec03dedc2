"""What a checkpoint is: everything that the runner needs to know before it loads weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from trivet.types import Mode

POOLING_MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")

Kept: TypeAlias = Literal["text", "after_first", "all"]


@dataclass(frozen=True)
class Projection:
    """A trained linear layer, after the pooling or over token states.

    Attributes:
        weights_file: holds the layer's weight and, with a bias, its bias.
        in_features: length of the vectors that come.
        out_features: length of the vectors that go.
        bias: whether it adds one.
        activation: the `torch.nn` class applied after it.
        prefix: of the layer's names in the file, "linear." in sentence-transformers.
    """

    weights_file: Path
    in_features: int
    out_features: int
    bias: bool
    activation: str
    prefix: str = "linear."


@dataclass(frozen=True)
class TokenWeights:
    """A sparse leg that weighs the tokens of the text itself, as BGE-M3's.

    Attributes:
        projection: token state to weight, one number.
        dropped_ids: tokens without a weight, such as the special ones.
    """

    projection: Projection
    dropped_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class VocabularyWeights:
    """A sparse leg that weighs all words of the vocabulary by a language model's head: SPLADE.

    Attributes:
        vocabulary: entries of the vocabulary.
        pooling: "max" or "sum" over a text's tokens.
        activation: "relu", or "log1p_relu" for a second logarithm.
        max_active: the most weights of a text, the largest; None = all.
        query_folder: holds a tokenizer and one weight for each entry, where a query is the set of
            its tokens and needs no model; None = queries go the way of documents.
    """

    vocabulary: int
    pooling: str = "max"
    activation: str = "relu"
    max_active: int | None = None
    query_folder: Path | None = None


@dataclass(frozen=True)
class Expansion:
    """The tokens that a query is filled up with, which are scored as if they were text.

    Attributes:
        token_id: the token, usually [MASK].
        length: the tokens of a filled query.
        attend: whether the query's own tokens see them.
    """

    token_id: int
    length: int
    attend: bool = False


@dataclass(frozen=True)
class TokenPooling:
    """How the token vectors of a text become fewer.

    Attributes:
        factor: how many become one, on average.
        protected: vectors at the start that stay as they are, such as that of [CLS].
        unit: whether the means are scaled to length 1.
        roles: of the texts that it holds for.
    """

    factor: float
    protected: int = 0
    unit: bool = True
    roles: tuple[str, ...] = ("document",)


@dataclass(frozen=True)
class TokenVectors:
    """A multi-vector leg: token states, projected or as they are.

    Attributes:
        dims: length of a vector.
        projections: layers over token states, in order.
        kept: which tokens have a vector: those of the text, all after the first, or all.
        skipped_ids: tokens that have none.
        skipping: the roles that `skipped_ids` holds for.
        markers: a token put after the tokenizer's own first ones, by role.
        expansion: what fills up a query; None = nothing.
        normalise: whether vectors are scaled to length 1.
        pooling: how they become fewer; None = each token has its own.
    """

    dims: int
    projections: tuple[Projection, ...] = ()
    kept: Kept = "text"
    skipped_ids: tuple[int, ...] = ()
    skipping: tuple[str, ...] = ("document",)
    markers: Mapping[str, int] = field(default_factory=dict)
    expansion: Expansion | None = None
    normalise: bool = True
    pooling: TokenPooling | None = None


@dataclass(frozen=True)
class Loading:
    """What transformers must be told about a backbone beyond its folder.

    Attributes:
        causal: whether tokens see only those before them; None = as the checkpoint's config says.
        architecture: the model type that runs the weights; None = the config's own.
        weights_prefix: of the backbone's names in its files.
        remote_code: whether code that the checkpoint brings along runs them.
    """

    causal: bool | None = None
    architecture: str | None = None
    weights_prefix: str = ""
    remote_code: bool = False


@dataclass(frozen=True)
class LatentAttention:
    """A trained layer between token states and their mean: NV-Embed's.

    Attributes:
        weights_files: one of them holds the layer, or each a part.
        prefix: of the layer's names in the files.
        heads: of its attention.
        hidden: length of a token state.
    """

    weights_files: tuple[Path, ...]
    prefix: str
    heads: int
    hidden: int


@dataclass(frozen=True)
class ModuleChain:
    """Modules that sentence-transformers runs, because this library does not know them.

    Attributes:
        trusted: whether code that is not sentence-transformers' own may run.
    """

    trusted: bool


@dataclass(frozen=True)
class EncoderSpec:
    """What a checkpoint folder holds, read from its JSON files alone.

    Attributes:
        folder: holds the backbone's config.json and tokenizer.json.
        weights_files: the backbone's weights, one file or its shards.
        dims: length of the dense vector, after projections and the checkpoint's own cut.
        max_tokens: the most tokens of one document, special tokens included.
        query_tokens: the most tokens of one query; None = as of a document.
        pooling: the pooling modes; the vectors of several are concatenated in this order; none =
            no dense leg.
        include_prompt: whether the prompt's tokens take part in the pooling.
        projections: the layers after the pooling, in order.
        normalise: whether vectors are scaled to length 1.
        cut_first: whether vectors are cut to `dims` before they are scaled, not after.
        lower_case: whether texts are lower-cased before the tokenizer sees them.
        pad_id: the token id of padding.
        prompts: prompt texts by name.
        default_prompt: the name of the prompt for a role that has none of its own.
        layers: transformer layers of the backbone that are used, the first.
        backbone: the settings of the backbone that its weights do not show, as canonical JSON.
        sparse: the head of the sparse leg; None = there is none.
        multi: the head of the multi-vector leg; None = there is none.
        loading: what transformers must be told beyond the folder.
        eos: the token that ends every text; None = as the tokenizer does it.
        latent: the layer before the pooling; None = there is none.
        chain: its modules, where sentence-transformers runs them; None = we run it ourselves.
    """

    folder: Path
    weights_files: tuple[Path, ...]
    dims: int
    max_tokens: int
    query_tokens: int | None = None
    pooling: tuple[str, ...] = ("mean",)
    include_prompt: bool = True
    projections: tuple[Projection, ...] = ()
    normalise: bool = False
    cut_first: bool = False
    lower_case: bool = False
    pad_id: int = 0
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    layers: int = 0
    backbone: str = "{}"
    sparse: TokenWeights | VocabularyWeights | None = None
    multi: TokenVectors | None = None
    loading: Loading = Loading()
    eos: str | None = None
    latent: LatentAttention | None = None
    chain: ModuleChain | None = None

    @property
    def tokenizer_file(self) -> Path:
        """The tokenizer's file."""
        return self.folder / "tokenizer.json"

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are read when the weights are loaded."""
        layers = [*self.projections, *(() if self.multi is None else self.multi.projections)]
        if isinstance(self.sparse, TokenWeights):
            layers.append(self.sparse.projection)
        heads = (layer.weights_file for layer in layers)
        return (self.folder / "config.json", *self.weights_files, *heads)

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The legs that the checkpoint holds heads for."""
        held: dict[Mode, bool] = {
            "dense": bool(self.pooling),
            "sparse": self.sparse is not None,
            "multi": self.multi is not None,
        }
        return tuple(mode for mode, is_held in held.items() if is_held)
