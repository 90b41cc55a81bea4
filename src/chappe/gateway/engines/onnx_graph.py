"""A computation graph in the ONNX format, written node by node.

Field numbers are those of `onnx.proto` (ONNX 1.x); operators of the domain `com.microsoft` are
documented with ONNX Runtime ("Contrib Operators").
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from chappe.gateway.engines.protobuf import integer, message, real

MICROSOFT = "com.microsoft"

_IR_VERSION, _OPSET, _MICROSOFT_OPSET = 8, 17, 1
_FLOAT_TYPE, _INT_TYPE, _INTS_TYPE = 1, 2, 7
_ELEMENT = {np.dtype("float32"): 1, np.dtype("int8"): 3, np.dtype("int64"): 7}


class Graph:
    """Collects nodes and constants. Values are named by strings; each method gives its output."""

    def __init__(self) -> None:
        self._nodes = bytearray()
        self._constants = bytearray()
        self._count = 0

    def constant(self, array: npt.NDArray[Any]) -> str:
        """A constant of float32, int8 or int64."""
        name = self._name("c")
        tensor = b"".join(integer(1, size) for size in array.shape)
        tensor += integer(2, _ELEMENT[array.dtype]) + message(8, name)
        tensor += message(9, np.ascontiguousarray(array).tobytes())
        self._constants += message(5, tensor)
        return name

    def node(
        self, operator: str, inputs: Sequence[str], domain: str = "", **attributes: Any
    ) -> str:
        """A node with one output; attributes are integers, floats, or lists of integers."""
        return self.nodes(operator, inputs, 1, domain, **attributes)[0]

    def nodes(
        self, operator: str, inputs: Sequence[str], outputs: int, domain: str = "", **given: Any
    ) -> list[str]:
        """A node with several outputs."""
        names = [self._name("v") for _ in range(outputs)]
        body = b"".join(message(1, name) for name in inputs)
        body += b"".join(message(2, name) for name in names)
        body += message(4, operator)
        body += b"".join(message(5, _attribute(name, value)) for name, value in given.items())
        body += message(7, domain)
        self._nodes += message(1, body)
        return names

    def model(self, given: str, taken: str, shape: Sequence[int | str]) -> bytes:
        """The whole as a model file with one float32 input and one output of the same shape.

        A dimension is a number, or a name where it isn't known beforehand. The output is named
        ``output``.
        """
        self._nodes += message(
            1, message(1, taken) + message(2, "output") + message(4, "Identity") + message(7, "")
        )
        graph = bytes(self._nodes) + message(2, "graph") + bytes(self._constants)
        graph += message(11, _value(given, shape)) + message(12, _value("output", shape))
        opsets = message(8, message(1, "") + integer(2, _OPSET))
        opsets += message(8, message(1, MICROSOFT) + integer(2, _MICROSOFT_OPSET))
        return integer(1, _IR_VERSION) + message(2, "chappe") + message(7, graph) + opsets

    def _name(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"


def _attribute(name: str, value: int | float | Sequence[int]) -> bytes:
    head = message(1, name)
    if isinstance(value, float):
        return head + real(2, value) + integer(20, _FLOAT_TYPE)
    if isinstance(value, int):
        # A negative number takes ten bytes: two's complement over 64 bits.
        return head + integer(3, value % 2**64) + integer(20, _INT_TYPE)
    items = b"".join(integer(8, item % 2**64) for item in value)
    return head + items + integer(20, _INTS_TYPE)


def _value(name: str, shape: Sequence[int | str]) -> bytes:
    dimensions = b"".join(
        message(1, message(2, size) if isinstance(size, str) else integer(1, size))
        for size in shape
    )
    tensor = integer(1, _ELEMENT[np.dtype("float32")]) + message(2, dimensions)
    return message(1, name) + message(2, message(1, tensor))
