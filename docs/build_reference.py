"""Write docs/reference/ from the docstrings and the command line's own parser.

    python docs/build_reference.py [--check]

With --check nothing is written: exit code 1 if a page differs from what would be written (`make test` asserts this).
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import types
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "reference"
# Module -> the names to document (None: everything public that the module itself defines).
MODULES: dict[str, tuple[str, ...] | None] = {
    "emoface.animation": None,
    "emoface.animator": None,
    "emoface.calibration": ("Calibration",),
    "emoface.person": ("Person",),
    "emoface.options": ("AnimatorOptions", "ClipOptions", "VoiceOptions"),
    "emoface.package": None,
    "emoface.face_file": ("Face", "Golden"),
    "emoface.pool": ("AnimatorPool", "MOST_VOICES"),
    "emoface.frames": None,
    "emoface.rig.blinks": ("Blinks",),
    "emoface.rig.gaze": ("Gaze",),
    "emoface.rig.head_sway": ("HeadSway",),
    "emoface.errors": None,
    "emoface.manifest": None,
    "emoface.manifest_stages": None,
    "emoface.timing": None,
    "emoface.audio.files": None,
    "emoface.template_files": None,
    "emoface.writers": ("write", "check", "SUFFIXES", "write_glb", "write_mp4", "write_npz", "write_png"),
    "emoface.backends": None,
}
_SECTION = re.compile(r"(Args|Returns|Raises|Attributes|Yields):\s*$")
_ITEM = re.compile(r"^([\w*][\w*., ]*?):(?:\s+(.*))?$")
_NOTE = "<!-- Written by docs/build_reference.py from the code: change the docstring, then run `make reference`. -->"


def render(text: str) -> list[str]:
    """A docstring as Markdown: `Args:` and its like become a heading and a list, indented text a code block."""
    lines: list[str] = []
    section = ""
    for line in inspect.cleandoc(text).splitlines():
        header = _SECTION.match(line)
        if header:
            section = header.group(1)
            lines += ["", f"**{section}**", ""]
        elif section and line.startswith("    "):
            item = _ITEM.match(line.strip()) if not line.startswith("     ") else None
            if item and section != "Returns":
                lines.append(f"- `{item.group(1)}`: {item.group(2) or ''}".rstrip())
            else:
                lines.append(("  " if lines and lines[-1].startswith(("-", "  ")) else "") + line.strip())
        else:
            section = "" if line.strip() else section
            lines.append(line)
    return _fence(lines)


def _fence(lines: list[str]) -> list[str]:
    """Put blocks that are indented by four spaces into code fences."""
    result: list[str] = []
    inside = False
    for index, line in enumerate(lines):
        indented = line.startswith("    ")
        if indented and not inside:
            result.append("```text")
            inside = True
        elif inside and not indented and (line.strip() or not _next_indented(lines, index)):
            result.append("```")
            inside = False
        result.append(line[4:] if inside else line)
    return [*result, "```"] if inside else result


def _next_indented(lines: list[str], index: int) -> bool:
    following = next((line for line in lines[index:] if line.strip()), "")
    return following.startswith("    ")


def signature(name: str, function: Callable[..., Any]) -> str:
    """`name(parameters) -> result`, one parameter per line where it would be long."""
    spec = inspect.signature(function)
    parameters = [p for p in spec.parameters.values() if p.name not in ("self", "cls")]
    spec = spec.replace(parameters=[_plain(p) for p in parameters], return_annotation=inspect.Signature.empty)
    returns = getattr(function, "__annotations__", {}).get("return")
    tail = f" -> {_annotation(returns)}" if returns not in (None, "None") else ""
    text = f"{name}{spec}{tail}"
    if len(text) <= 100:
        return text
    rows: list[str] = []
    keyword_only = False
    for parameter in spec.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            if not any(p.kind is p.VAR_POSITIONAL for p in spec.parameters.values()):
                rows.append("    *,")
        rows.append(f"    {parameter},")
    return "\n".join([f"{name}(", *rows, f"){tail}"])


class _Bare:
    """Shows an annotation without quotes and a default without an address."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    default = parameter.default
    # Sentinels of dataclasses and objects whose text holds an address
    if " at 0x" in repr(default) or type(default).__name__.startswith("_"):
        parameter = parameter.replace(default=_Bare("..."))
    if parameter.annotation is not inspect.Parameter.empty:
        parameter = parameter.replace(annotation=_Bare(_annotation(parameter.annotation)))
    return parameter


def _annotation(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def public(module: types.ModuleType, names: tuple[str, ...] | None) -> Iterator[tuple[str, Any]]:
    """Names and objects to document, in the order of the module's source."""
    if names is not None:
        yield from ((name, getattr(module, name)) for name in names)
        return
    for name, value in vars(module).items():
        documented = inspect.isclass(value) or inspect.isfunction(value)
        if documented and not name.startswith("_") and value.__module__ == module.__name__ and value.__doc__:
            yield name, value


def members(cls: type) -> Iterator[tuple[str, str, str]]:
    """(heading, signature, docstring) of the public methods and properties that the class itself defines."""
    for name, value in vars(cls).items():
        target = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        if name.startswith("_") or not getattr(target, "__doc__", None):
            continue
        if isinstance(target, property):
            result = _annotation(getattr(target.fget, "__annotations__", {}).get("return", ""))
            yield name, f"{name}: {result}", target.__doc__ or ""
        elif inspect.isfunction(target):
            prefix = "@classmethod\n" if isinstance(value, classmethod) else ""
            yield name, prefix + signature(name, target), target.__doc__ or ""


def page(name: str, names: tuple[str, ...] | None) -> str:
    """The Markdown page of one module."""
    module = import_module(name)
    lines = [_NOTE, "", f"# `{name}`", "", *render(module.__doc__ or "")]
    for item, value in public(module, names):
        lines += ["", f"## `{item}`", ""]
        if inspect.isclass(value):
            lines += _class(item, value)
        elif inspect.isfunction(value):
            lines += ["```python", signature(item, value), "```", "", *render(value.__doc__ or "")]
        else:
            lines += [f"`{value!r}`"]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip() + "\n"


def _class(name: str, cls: type) -> list[str]:
    bases = ", ".join(base.__name__ for base in cls.__bases__ if base is not object)
    bare = getattr(cls, "_is_protocol", False) or issubclass(cls, (Exception, dict))  # a TypedDict is a dict
    head = f"class {name}({bases})" if bare else "class " + signature(name, cls)
    lines = ["```python", head, "```", "", *render(cls.__doc__ or "")]
    if issubclass(cls, Exception):
        lines += ["", f"Exit code of the command line: {getattr(cls, 'exit_code', 5)}."]
    for heading, shown, text in members(cls):
        lines += ["", f"### `{name}.{heading}`", "", "```python", shown, "```", "", *render(text)]
    return lines


def command_line() -> str:
    """The page of the command `emoface` with all its subcommands."""
    from emoface.cli.main import build_parser

    lines = [_NOTE, "", "# The command `emoface`", ""]
    lines += ["Results go to stdout, messages to stderr. Exit codes: see [errors](../errors.md)."]
    lines += list(_commands(build_parser(), "emoface"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip() + "\n"


def _commands(parser: argparse.ArgumentParser, name: str) -> Iterator[str]:
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        for child, sub in sorted(action.choices.items()):
            path = f"{name} {child}"
            yield from ("", f"## `{path}`", "", sub.description or "", "")
            rows = [row for row in map(_option, sub._actions) if row]
            if rows:
                yield from ("| argument | default | meaning |", "|---|---|---|", *rows)
            yield from _commands(sub, path)


def _option(action: argparse.Action) -> str:
    if isinstance(action, (argparse._HelpAction, argparse._SubParsersAction)):
        return ""
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    if action.option_strings:
        shown = ", ".join(action.option_strings) + ("" if action.nargs == 0 else f" {value}")
    else:
        shown = str(value)
    given = not any(action.default is nothing for nothing in (None, False, argparse.SUPPRESS))
    default = f"`{action.default}`" if given else ("required" if action.required else "")
    text = (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%").replace("|", "\\|")
    return "| `" + shown.replace("|", "\\|") + f"` | {default} | {text} |"


def pages() -> dict[str, str]:
    """File name -> Markdown of the whole reference."""
    result = {f"{name}.md": page(name, names) for name, names in MODULES.items()}
    result["command-line.md"] = command_line()
    rows = [
        _NOTE,
        "",
        "# Reference",
        "",
        "Generated from the docstrings. `import emoface` offers the main names directly:",
    ]
    import emoface

    homes = {name: f"{getattr(emoface, name).__module__}" for name in emoface.__all__}
    rows += [", ".join(f"[`{name}`]({home}.md)" for name, home in sorted(homes.items())) + ".", ""]
    rows += [
        f"- [`{name}`]({name}.md): {(import_module(name).__doc__ or '').strip().splitlines()[0]}" for name in MODULES
    ]
    rows += ["- [`emoface` (command line)](command-line.md)"]
    result["README.md"] = "\n".join(rows) + "\n"
    return result


def main(argv: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument(
        "--check", action="store_true", help="write nothing; exit code 1 if something is out of date"
    )
    choices = arguments.parse_args(argv)
    wanted = pages()
    present = {path.name: path.read_text() for path in FOLDER.glob("*.md")}
    stale = sorted(name for name in {*wanted, *present} if wanted.get(name) != present.get(name))
    if choices.check:
        for name in stale:
            print(f"docs/reference/{name} is out of date: run `make reference`", file=sys.stderr)
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for name in stale:
        if name in wanted:
            (FOLDER / name).write_text(wanted[name])
        else:
            (FOLDER / name).unlink()
        print(f"{name}: {'written' if name in wanted else 'removed'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
