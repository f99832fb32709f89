"""Static checks of a package's ONNX graphs: what they may contain and how large what they compute can get."""

from emoface.graphs.check import check_graphs

__all__ = ["check_graphs"]
