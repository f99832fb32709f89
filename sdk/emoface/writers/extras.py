"""Optional libraries of the writers."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from emoface.errors import OutputError


def require(module: str, suffix: str) -> ModuleType:
    """The imported `module` of the extra [view], needed for `suffix` files; OutputError where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise _missing(module, suffix) from error


def check_installed(module: str, suffix: str) -> None:
    """As `require`, without the cost of the import."""
    if importlib.util.find_spec(module) is None:
        raise _missing(module, suffix)


def _missing(module: str, suffix: str) -> OutputError:
    return OutputError(
        f"no module named {module!r}",
        f"the extra [view], which writes {suffix} files",
        'Install it: pip install "emoface[view]"',
    )
