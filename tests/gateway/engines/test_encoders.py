"""The embedded E5: its weights, its graph, and what its vectors say of French."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from chappe.gateway.catalogue.encoding import encoding
from chappe.gateway.engines import e5_weights
from chappe.gateway.engines.e5 import E5, quantise
from chappe.gateway.engines.e5_weights import WeightsError, expand
from chappe.gateway.engines.encoders import E5_NAME, e5_file, installed_encoder
from chappe.gateway.engines.onnx_graph import Graph
from chappe.gateway.engines.protobuf import integer, message, varint


@pytest.fixture(scope="module")
def encoder() -> E5:
    file = e5_file()
    assert file is not None
    return E5(file)


def test_e5_is_the_encoder_where_its_wheels_are() -> None:
    assert installed_encoder() == E5_NAME


def test_numbers_in_base_128() -> None:
    assert [varint(n) for n in (0, 127, 128, 300)] == [b"\0", b"\x7f", b"\x80\x01", b"\xac\x02"]
    assert message(2, integer(1, 150)) == b"\x12\x03\x08\x96\x01"


def test_a_graph_computes_what_it_says() -> None:
    graph = Graph()
    weights = np.array([[1, 2], [3, 4]], np.float32)
    product = graph.node("MatMul", ["input", graph.constant(weights)])
    mean = graph.node("ReduceMean", [product], axes=[-1], keepdims=1)
    session = onnxruntime.InferenceSession(
        graph.model("input", graph.node("Sub", [product, mean]), (1, "rows", 2))
    )
    given = np.array([[[1, 0], [0, 1], [2, 2]]], np.float32)
    expected = given @ weights
    expected -= expected.mean(axis=-1, keepdims=True)
    assert np.allclose(session.run(None, {"input": given})[0], expected)


def test_blocks_of_four_bits() -> None:
    block = np.zeros((1, 1), e5_weights._Q4)
    block["scale"], block["halves"][..., 0], block["halves"][..., 15] = 0.5, 0xF0, 0x9A
    row = expand(block)[0]
    assert row.shape == (32,)
    assert (row[0], row[16], row[15], row[31]) == (-4.0, 3.5, 1.0, 0.5)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.bin"
    for content in (b"E5S1", b"GGUF" + bytes(100), b"E5S1" + bytes(200)):
        file.write_bytes(content)
        with pytest.raises(WeightsError):
            e5_weights.read(file)


def test_rows_keep_their_values_within_half_a_step() -> None:
    matrix = np.random.default_rng(1).normal(size=(5, 64)).astype(np.float32)
    matrix[2] = 0
    whole, scale = quantise(matrix)
    assert np.abs(whole * scale[:, np.newaxis] - matrix).max() <= scale.max() / 2 + 1e-6


def test_tokens_are_those_of_the_model(encoder: E5) -> None:
    # XLM-RoBERTa's own, as `tokenizers` gives them.
    assert encoder.tokens("query: Le RGPD s’applique-t-il à l’école ?")[:5] == [
        0,
        41,
        1294,
        12,
        636,
    ]
    assert len(encoder.tokens("mot " * 2000)) == 512


def test_a_vector_does_not_depend_on_its_company(encoder: E5) -> None:
    texts = [
        "query: Comment refaire ma carte d'identité ?",
        "query: congé",
        "passage: " + "a b " * 300,
    ]
    together, tokens = encoder.encode(texts)
    assert together.shape == (3, 384)
    assert tokens == sum(len(encoder.tokens(text)) for text in texts)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for text, vector in zip(texts, together, strict=True):
        assert np.array_equal(encoder.encode([text])[0][0], vector)


def test_meaning_is_found_without_a_word_in_common(encoder: E5) -> None:
    passages = [
        "passage: La femme enceinte bénéficie d'un congé de maternité de seize semaines.",
        "passage: Le permis de conduire est délivré par le préfet du département.",
        "passage: L'impôt sur le revenu se déclare chaque printemps en ligne.",
    ]
    questions = [
        "query: Je vais avoir un bébé, combien de temps puis-je m'arrêter de travailler ?",
        "query: Qui m'autorise à rouler en voiture ?",
        "query: Quand dois-je dire au fisc ce que j'ai gagné ?",
    ]
    likeness = encoder.encode(questions)[0] @ encoder.encode(passages)[0].T
    assert likeness.argmax(axis=1).tolist() == [0, 1, 2]


def test_prefixes_follow_the_family() -> None:
    assert encoding(E5_NAME).prefix("query") == "query: "
    assert encoding("intfloat/multilingual-e5-large").prefix("passage") == "passage: "
    assert encoding("multilingual-e5-large-instruct").prefix("passage") == ""
    assert encoding("multilingual-e5-large-instruct").prefix("query").startswith("Instruct: ")
    assert encoding("bge-m3").prefix("query") == encoding("une-autre").prefix("passage") == ""
