"""Write what is made from the table of operators: the list in docs/security.md and csrc/runtime/graph_operators.inc.

python docs/build_security.py
"""

from __future__ import annotations

from pathlib import Path

from emoface.graphs.operators import OPERATORS

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "security.md"
TABLE = ROOT / "csrc" / "runtime" / "graph_operators.inc"
_BEGIN, _END = "<!-- operators:begin -->\n", "<!-- operators:end -->\n"


def table() -> str:
    """The table for C++."""
    lines = [f'OPERATOR("{domain}", "{name}", {rule})\n' for (domain, name), rule in sorted(OPERATORS.items())]
    return "// Written by docs/build_security.py from sdk/emoface/graphs/operators.py.\n" + "".join(lines)


def page() -> str:
    """docs/security.md with the list of operators as it is now."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    domains: dict[str, list[str]] = {}
    for domain, name in sorted(OPERATORS):
        domains.setdefault(domain or "ai.onnx", []).append(name)
    rows = "".join(f"| `{domain}` | {', '.join(names)} |\n" for domain, names in sorted(domains.items()))
    return f"{before}{_BEGIN}| domain | operators |\n|---|---|\n{rows}{_END}{rest.partition(_END)[2]}"


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")
