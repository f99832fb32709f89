"""Unity's .meta files: a package that Unity may not write to (a tarball) must bring one for every file and folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

_IMPORTERS = {
    ".cs": "MonoImporter:\n  externalObjects: {}\n  serializedVersion: 2\n  defaultReferences: []\n"
    "  executionOrder: 0\n  icon: {instanceID: 0}\n",
    ".asmdef": "AssemblyDefinitionImporter:\n  externalObjects: {}\n",
    ".json": "PackageManifestImporter:\n  externalObjects: {}\n",
    ".md": "TextScriptImporter:\n  externalObjects: {}\n",
    ".txt": "TextScriptImporter:\n  externalObjects: {}\n",
    ".bytes": "TextScriptImporter:\n  externalObjects: {}\n",
}
_REST = "  userData: \n  assetBundleName: \n  assetBundleVariant: \n"
# Unity's names of the platforms: in the editor, of a player
_SYSTEMS = {"Linux": ("Linux", "Linux64"), "Windows": ("Windows", "Win64")}


def write(package: Path, name: str) -> None:
    """Write a .meta beside every file and folder of `package`. GUIDs come from package name and path, so that a new
    version replaces scripts where scenes refer to them. Folders that end with ~ are invisible to Unity."""
    for path in sorted(package.rglob("*")):
        relative = path.relative_to(package)
        if path.suffix == ".meta" or any(part.endswith("~") for part in relative.parts):
            continue
        guid = hashlib.md5(f"{name}/{relative.as_posix()}".encode(), usedforsecurity=False).hexdigest()
        text = f"fileFormatVersion: 2\nguid: {guid}\n{_importer(path)}{_REST}"
        path.with_name(path.name + ".meta").write_text(text, encoding="utf-8", newline="\n")


def _importer(path: Path) -> str:
    if path.is_dir():
        return "folderAsset: yes\nDefaultImporter:\n  externalObjects: {}\n"
    if path.suffix in (".so", ".dll"):
        return _plugin(*_SYSTEMS[path.parent.parent.name])
    return _IMPORTERS.get(path.suffix, "DefaultImporter:\n  externalObjects: {}\n")


def _plugin(editor: str, player: str) -> str:
    """A native library for the editor and the 64-bit player of one system."""
    excluded = "".join(
        f"        Exclude {target}: {int(target not in ('Editor', player))}\n"
        for target in ("Editor", "Linux64", "OSXUniversal", "Win", "Win64", "Android", "iOS")
    )
    return (
        "PluginImporter:\n  externalObjects: {}\n  serializedVersion: 2\n  iconMap: {}\n  executionOrder: {}\n"
        "  defineConstraints: []\n  isPreloaded: 0\n  isOverridable: 0\n  isExplicitlyReferenced: 0\n"
        "  validateReferences: 1\n  platformData:\n"
        f"  - first:\n      : Any\n    second:\n      enabled: 0\n      settings:\n{excluded}"
        "  - first:\n      Editor: Editor\n    second:\n      enabled: 1\n      settings:\n"
        f"        CPU: x86_64\n        DefaultValueInitialized: true\n        OS: {editor}\n"
        f"  - first:\n      Standalone: {player}\n    second:\n      enabled: 1\n      settings:\n        CPU: x86_64\n"
    )
