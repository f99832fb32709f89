"""The text of `manifest.json`: strict JSON, of a bounded size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emoface.manifest_schema import fault
from emoface.strict_json import parse_object

MAX_MANIFEST_BYTES = 4 << 20
MOST_LEVELS = 64
"""Most objects and lists within each other."""
MOST_BRACKETS = 100_000
"""Most characters [ and {: a manifest of a million empty lists would take seconds and a hundred megabytes."""


def parse_manifest(source: str | bytes) -> Mapping[str, Any]:
    """The JSON object; ManifestError (field `size` or `JSON`) for anything else."""
    if len(source) > MAX_MANIFEST_BYTES:
        raise fault("size", str(len(source)), f"at most {MAX_MANIFEST_BYTES} bytes")
    try:
        data = source.encode() if isinstance(source, str) else source
        if data.count(b"[") + data.count(b"{") > MOST_BRACKETS:
            raise ValueError(f"more than {MOST_BRACKETS} objects and lists")
        return parse_object(data, MOST_LEVELS)
    except ValueError as error:
        raise fault("JSON", repr(str(error)), "a JSON object in UTF-8 (RFC 8259) without a key twice") from None
