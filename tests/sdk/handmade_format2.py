"""The handmade package with what format 2 adds."""

from __future__ import annotations

import handmade


def package_files() -> dict[str, bytes]:
    """All files of the package, manifest.json included."""
    return handmade.with_manifest(handmade.package_files(), format=2)
