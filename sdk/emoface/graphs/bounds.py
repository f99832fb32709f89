"""Runs a graph on bounds instead of tensors: every tensor's largest size for every n, before a session exists."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from emoface.graphs import kernels, movement  # noqa: F401  (their rules)
from emoface.graphs.call import Call, Tensor, constant_tensor
from emoface.graphs.lengths import Lengths
from emoface.graphs.model import OWN, Function, GraphError, Model, Node, Reference
from emoface.graphs.operators import OPERATORS
from emoface.graphs.rules import RULES

MOST_NODES = 20_000
"""Nodes of a graph when its functions are written out."""
MOST_ELEMENTS = 1 << 28
"""Elements of any tensor: 1 GiB of float32."""
MOST_LIVE = 1 << 30
"""Elements of all tensors that exist at one time: 4 GiB of float32."""
MOST_WORK = 1 << 44
"""Elements written and products summed in one call."""
MOST_NUMBERS = 1 << 18
"""Elements that are followed in all: what the check itself may cost."""
_DEEPEST = 16


def check_operators(model: Model) -> int:
    """Refuse operators that are not allowed, and graphs of too many nodes; returns their number."""
    counts: dict[str, int] = {}

    def count(nodes: Iterable[Node], above: tuple[str, ...]) -> int:
        total = 0
        for node in nodes:
            function = model.functions.get(node.op) if node.domain == OWN else None
            if function is None and (node.domain == OWN or (node.domain, node.op) not in OPERATORS):
                expected = "a function in the file" if node.domain == OWN else "an operator of docs/security.md"
                raise GraphError(node.label, f"operator {node.domain or 'ai.onnx'}.{node.op}", expected)
            if function is not None and node.op not in counts:
                if node.op in above or len(above) >= _DEEPEST:
                    raise GraphError(
                        f"function {node.op!r}",
                        "a function that calls itself"
                        if node.op in above
                        else f"calls nested more than {_DEEPEST} deep",
                        "functions without recursion",
                    )
                counts[node.op] = count(function.nodes, (*above, node.op))
            total += 1 if function is None else counts[node.op]
            if total > MOST_NODES:
                raise GraphError(node.label, f"more than {MOST_NODES} nodes", f"at most {MOST_NODES} in all")
        return total

    for function in model.functions.values():
        # A function that nothing calls is read by ONNX Runtime all the same.
        count((Node(OWN, function.name, "", (), (), {}),), ())
    return count(model.nodes, ())


class Bounds:
    """One graph over n from `least` to `most`."""

    def __init__(self, model: Model, least: int, most: int) -> None:
        self.model = model
        self.lengths = Lengths(least, most)
        self.work = 0
        self._numbers = 0
        self.tensors: dict[str, Tensor] = {}
        """Every tensor of the graph itself, once `outputs` was called."""
        self._known_calls: dict[Any, tuple[list[Tensor], int, int]] = {}

    def outputs(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Bounds of the graph's outputs for bounds of its inputs."""
        scope = self.tensors = dict(inputs)
        for name, constant in self.model.initialisers.items():
            if name in scope:
                raise GraphError(f"tensor {name!r}", "the name of an input too", "distinct names")
            scope[name] = constant_tensor(constant, self.lengths)
            self._elements(scope[name], f"tensor {name!r}")
        for name, tensor in inputs.items():
            self._elements(tensor, f"input {name!r}")
        outputs = [value.name for value in self.model.outputs]
        self._run(self.model.nodes, scope, {}, self.model.opset, outputs, 0)
        missing = [name for name in outputs if name not in scope]
        if missing:
            raise GraphError(f"output {missing[0]!r}", "nothing that gives it", "a node's output")
        return {name: scope[name] for name in outputs}

    def _run(
        self,
        nodes: tuple[Node, ...],
        scope: dict[str, Tensor],
        given: dict[str, Any],
        opset: int,
        results: Iterable[str],
        live: int,
    ) -> int:
        """Fill `scope` with what the nodes give; returns the most elements that were live at a time, with `live`."""
        nodes = _in_order(nodes, scope)
        last = {name: index for index, node in enumerate(nodes) for name in node.inputs}
        last.update(dict.fromkeys(results, len(nodes)))
        sizes: dict[str, int] = {}
        peak = live
        for index, node in enumerate(nodes):
            inputs: list[Tensor | None] = []
            for name in node.inputs:
                if name and name not in scope:
                    raise GraphError(node.label, f"input {name!r} that nothing gives", "an input or a node's output")
                inputs.append(scope[name] if name else None)
            while inputs and inputs[-1] is None:
                inputs.pop()
            outputs, inside = self._call(node, inputs, self._attributes(node, given), opset, live)
            peak = max(peak, inside)
            for name, tensor in zip(node.outputs, outputs, strict=False):
                if not name:
                    continue
                if name in scope:
                    raise GraphError(node.label, f"output {name!r} a second time", "a new name for every output")
                scope[name] = tensor
                sizes[name] = self._elements(tensor, node.label)
                live += sizes[name]
            if len([name for name in node.outputs if name]) and len(outputs) < len(node.outputs):
                raise GraphError(node.label, f"{len(node.outputs)} outputs", f"{len(outputs)} of {node.op}")
            peak = max(peak, live)
            if peak > MOST_LIVE:
                raise GraphError(node.label, f"{peak} elements at one time", f"at most {MOST_LIVE}")
            for name in (*node.inputs, *node.outputs):
                if name in sizes and last.get(name, index) <= index:
                    live -= sizes.pop(name)
        return peak

    def _attributes(self, node: Node, given: dict[str, Any]) -> dict[str, Any]:
        """The node's attributes, with those of the function's call put in."""
        if not any(isinstance(value, Reference) for value in node.attributes.values()):
            return node.attributes
        resolved = {
            key: given.get(value.name) if isinstance(value, Reference) else value
            for key, value in node.attributes.items()
        }
        return {key: value for key, value in resolved.items() if value is not None}

    def _call(
        self, node: Node, inputs: list[Tensor | None], attributes: dict[str, Any], opset: int, live: int
    ) -> tuple[list[Tensor], int]:
        call = Call(node, inputs, attributes, self.lengths, opset)
        inside = live
        if node.domain == OWN:
            key = (node.op, tuple(inputs), len(node.outputs), _frozen(attributes))
            if key not in self._known_calls:
                before = self.work
                outputs, peak = self._function(self.model.functions[node.op], inputs, attributes)
                self._known_calls[key] = (outputs, peak, self.work - before)
            else:
                self._add(node, self._known_calls[key][2])
            outputs, inside = self._known_calls[key][0], live + self._known_calls[key][1]
            if (node.domain, node.op) in OPERATORS:
                outputs = _larger(call, outputs, RULES[OPERATORS[node.domain, node.op]](call))
        else:
            outputs = RULES[OPERATORS[node.domain, node.op]](call)
            self._add(node, call.work)
        return outputs, inside

    def _function(
        self, function: Function, inputs: list[Tensor | None], attributes: dict[str, Any]
    ) -> tuple[list[Tensor], int]:
        label = f"function {function.name!r}"
        if len(inputs) > len(function.inputs):
            raise GraphError(label, f"{len(inputs)} inputs", f"{len(function.inputs)}")
        scope = {name: tensor for name, tensor in zip(function.inputs, inputs, strict=False) if tensor is not None}
        peak = self._run(
            function.nodes, scope, {**function.defaults, **attributes}, function.opset, function.outputs, 0
        )
        missing = [name for name in function.outputs if name not in scope]
        if missing:
            raise GraphError(label, f"nothing for output {missing[0]!r}", "a node that gives it")
        return [scope[name] for name in function.outputs], peak

    def _elements(self, tensor: Tensor, label: str) -> int:
        count = math.prod([self.lengths.high(extent) for extent in tensor.dims])
        if count > MOST_ELEMENTS:
            shape = " x ".join(self.lengths.text(extent) for extent in tensor.dims)
            raise GraphError(label, f"a tensor of {shape}", f"at most {MOST_ELEMENTS} elements in a tensor")
        self._numbers += len(tensor.known or ())
        if self._numbers > MOST_NUMBERS:
            raise GraphError(label, f"more than {MOST_NUMBERS} numbers to follow", "fewer constants and shapes")
        self._add(None, count, label)
        return count

    def _add(self, node: Node | None, work: int, label: str = "") -> None:
        self.work += work
        if self.work > MOST_WORK:
            raise GraphError(node.label if node else label, f"{self.work} operations a call", f"at most {MOST_WORK}")


def _in_order(nodes: tuple[Node, ...], scope: Mapping[str, Tensor]) -> tuple[Node, ...]:
    """Every node after those that it reads: converters leave them in any order, and ONNX Runtime sorts them too."""
    known = set(scope)
    for node in nodes:
        if not all(name in known for name in node.inputs if name):
            break
        known.update(node.outputs)
    else:
        return nodes
    makers = {name: index for index, node in enumerate(nodes) for name in node.outputs if name}
    done: set[int] = set()
    entered: set[int] = set()
    order: list[Node] = []
    for root in range(len(nodes)):
        stack = [root]
        while stack:
            index = stack[-1]
            node = nodes[index]
            waiting = [makers[name] for name in node.inputs if name in makers and makers[name] not in done]
            if index in done or not waiting:
                stack.pop()
                if index not in done:
                    done.add(index)
                    order.append(node)
            elif index in entered:
                raise GraphError(node.label, "inputs that follow from its own outputs", "a graph without circles")
            else:
                entered.add(index)
                stack += waiting[::-1]
    return tuple(order)


def _frozen(attributes: dict[str, Any]) -> Any:
    return tuple((key, tuple(value) if isinstance(value, list) else value) for key, value in sorted(attributes.items()))


def _larger(call: Call, body: list[Tensor], kernel: list[Tensor]) -> list[Tensor]:
    """The function in the file or the kernel may run: both fit, and the larger counts."""
    results = []
    for index, tensor in enumerate(body):
        other = kernel[index] if index < len(kernel) else tensor
        if len(other.dims) != len(tensor.dims):
            raise call.fault(f"output {index} of {len(tensor.dims)} axes", f"{len(other.dims)}, as the operator says")
        dims = tuple(call.lengths.either(x, y) for x, y in zip(tensor.dims, other.dims, strict=True))
        results.append(tensor if dims == tensor.dims else Tensor(dims))
    return results
