"""Write what every language says of the statuses of csrc/include/emoface.h, from that header and the table below.

python bindings/build_errors.py [--check]

The header has the names, numbers and meanings; the table the class of each language and what to do about it. Written
are the names in the C library, the classes of Python's backend `native`, the statuses and exceptions of C#, and the
table of docs/errors.md. --check writes nothing and fails where a file is not current.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
HEADER = ROOT / "csrc/include/emoface.h"
CORE = ROOT / "bindings/unity/Runtime/Core"
WRITER = "bindings/build_errors.py from csrc/include/emoface.h"


class Row(NamedTuple):
    """A status: its class in Python and its base there, its class in C#, what to do about it."""

    python: str
    family: str
    csharp: str
    remedy: str


_USAGE, _PACKAGE, _AUDIO, _RUNTIME = "UsageError", "PackageError", "AudioError", "RuntimeFailure"
FAMILIES = {
    _USAGE: ("UsageException", "A wrong argument."),
    _PACKAGE: ("PackageException", "A package that cannot be used, or lacks what was asked for."),
    _AUDIO: ("AudioException", "Samples that are NaN, infinite or far too loud."),
    _RUNTIME: ("RuntimeFailureException", "The stream or the machine cannot go on."),
}
STATUSES = {
    "ARGUMENT": Row(_USAGE, _USAGE, "UsageException", "pass what the message names; set `struct_size`"),
    "BUFFER_TOO_SMALL": Row(
        _USAGE, _USAGE, "BufferTooSmallException", "call again with room for `written`; nothing was consumed"
    ),
    "CONDITION": Row(
        "ConditionError",
        _USAGE,
        "ConditionException",
        "a name that `emoface_package_name()` lists; a later `at`",
    ),
    "TEMPLATE": Row("TemplateError", _USAGE, "TemplateException", "the package's vertices in its order"),
    "PACKAGE": Row(_PACKAGE, _PACKAGE, "PackageException", "another precision, or a package with what is asked for"),
    "PACKAGE_NOT_FOUND": Row(
        "PackageNotFoundError", _PACKAGE, "PackageNotFoundException", "check the path; it is UTF-8"
    ),
    "PACKAGE_FORMAT": Row("PackageFormatError", _PACKAGE, "PackageFormatException", "a newer library, or export again"),
    "PACKAGE_INTEGRITY": Row(
        "PackageIntegrityError", _PACKAGE, "PackageIntegrityException", "fetch or export the package again"
    ),
    "MANIFEST": Row("ManifestError", _PACKAGE, "ManifestException", "export again; the error names file and field"),
    "AUDIO": Row(_AUDIO, _AUDIO, "AudioException", "scale the samples, or `EMOFACE_BAD_AUDIO_SILENCE`"),
    "AUDIO_FORMAT": Row(
        "AudioFormatError", _AUDIO, "AudioFormatException", "a rate, number of channels and format that are possible"
    ),
    "RUNTIME": Row(_RUNTIME, _RUNTIME, "RuntimeFailureException", "`emoface_reset()` or `emoface_restore()`"),
    "STREAM_ENDED": Row("StreamEndedError", _RUNTIME, "StreamEndedException", "`emoface_reset()`"),
    "SNAPSHOT": Row(
        "SnapshotError", _RUNTIME, "SnapshotException", "an animator made with the same package and options"
    ),
    "BACKEND": Row(
        "BackendError",
        _RUNTIME,
        "BackendException",
        "ONNX Runtime beside the library, or in `EMOFACE_ONNXRUNTIME`; the message says which version",
    ),
    "CONCURRENT_USE": Row(
        "ConcurrentUseError", _RUNTIME, "ConcurrentUseException", "one animator per voice, or a lock"
    ),
    "QUEUE_FULL": Row(_RUNTIME, _RUNTIME, "RuntimeFailureException", "push again later; a larger `queue_ms`"),
    "MODE": Row(_RUNTIME, _RUNTIME, "ModeException", "`emoface_start()` or `emoface_stop()` first"),
    "OUT_OF_MEMORY": Row(_RUNTIME, _RUNTIME, "OutOfMemoryException", "shorter chunks"),
    "INTERNAL": Row(_RUNTIME, _RUNTIME, "RuntimeFailureException", "report it"),
}
# Written out below, since they say more than a message, or the framework's.
_OWN_WORDS = ("BufferTooSmallException", "ManifestException", "OutOfMemoryException")


class Status(NamedTuple):
    """A status as the header has it: its name without EMOFACE_, for example ERROR_MODE."""

    name: str
    value: int
    meaning: str

    @property
    def short(self) -> str:
        """Without its kind: MODE."""
        return re.sub(r"^(NOTICE|ERROR)_", "", self.name)

    @property
    def camel(self) -> str:
        """As C# writes it: Mode."""
        return "".join(part.capitalize() for part in self.short.split("_"))


def statuses() -> list[Status]:
    """Every status of the header, in its order; SystemExit where the table has other errors."""
    found = re.findall(
        r"/\* ([^*]+?) \*/\n#define EMOFACE_(OK|NOTICE_\w+|ERROR_\w+) \(?(-?\d+)\)?$", HEADER.read_text("utf-8"), re.M
    )
    made = [Status(name, int(value), " ".join(meaning.split())) for meaning, name, value in found]
    errors = [status.short for status in made if status.value < 0]
    if errors != list(STATUSES):
        raise SystemExit(f"got the statuses {errors} in emoface.h; expected those of the table. Write their rows.")
    return made


def c_names(found: list[Status]) -> str:
    """Rows of the table of names in the C library."""
    rows = [f'{{EMOFACE_{status.name}, "{status.name}"}},' for status in found]
    return "\n".join([f"// Written by {WRITER}.", *rows]) + "\n"


def python_classes(found: list[Status]) -> str:
    """The module of classes by status."""
    rows = [
        f"    {status.value}: errors.{STATUSES[status.short].python},  # {status.short}"
        for status in found
        if status.value < 0
    ]
    head = f'"""Classes of the statuses of the C interface. Written by {WRITER}."""'
    return "\n".join(
        [
            head,
            "",
            "from __future__ import annotations",
            "",
            "from emoface import errors",
            "",
            "STATUS_ERRORS: dict[int, type[errors.EmoFaceError]] = {",
            *rows,
            "}",
            "",
        ]
    )


def csharp_statuses(found: list[Status]) -> str:
    """The enumeration of C#."""
    rows = [f"        /// <summary>{s.meaning}</summary>\n        {s.camel} = {s.value}," for s in found]
    return f"""// Written by {WRITER}.
namespace EmoFace
{{
    /// <summary>What a call returned, as <c>emoface.h</c> has it. Negative: an error. Positive: a notice, the call
    /// worked.</summary>
    public enum Status
    {{
{chr(10).join(rows)}
    }}
}}
"""


def csharp_exceptions(found: list[Status]) -> str:
    """The exceptions of C# and which one a status is."""
    classes, cases = [], []
    for family, meaning in FAMILIES.values():
        classes.append(_exception(family, "EmoFaceException", meaning, "class", "Status status, ", "status"))
    for status in (status for status in found if status.value < 0):
        row = STATUSES[status.short]
        base, value = FAMILIES[row.family][0], f"Status.{status.camel}"
        given = "status, message" if row.csharp == base else "message"
        if row.csharp == "BufferTooSmallException":
            given += ", needed"
        cases.append(f"case {value}: return new {row.csharp}({given});")
        if row.csharp not in (base, *_OWN_WORDS):
            classes.append(_exception(row.csharp, base, status.meaning, "sealed class", "", value))
    # Our own checks of arguments throw it, too.
    given = "public UsageException(string message) : base(Status.Argument, message) { }"
    classes[0] = classes[0].removesuffix("    }") + f"        {given}\n    }}"
    return _EXCEPTIONS.format(writer=WRITER, classes="\n\n".join(classes), cases=("\n" + " " * 16).join(cases))


def _exception(name: str, base: str, meaning: str, kind: str, given: str, status: str) -> str:
    return f"""    /// <summary>{meaning}</summary>
    public {kind} {name} : {base}
    {{
        public {name}({given}string message) : base({status}, message) {{ }}
    }}"""


_EXCEPTIONS = """// Written by {writer}.
using System;

namespace EmoFace
{{
    /// <summary>Base class of every error of EmoFace. The message says what was found, what was expected and what to
    /// do.</summary>
    public class EmoFaceException : Exception
    {{
        public EmoFaceException(Status status, string message) : base(message) {{ Status = status; }}

        /// <summary>The status of the C interface that stands behind it.</summary>
        public Status Status {{ get; }}
    }}

{classes}

    /// <summary>A frame buffer without room for the frames that are due. Nothing was consumed.</summary>
    public sealed class BufferTooSmallException : UsageException
    {{
        public BufferTooSmallException(string message, long needed) : base(Status.BufferTooSmall, message)
        {{
            Needed = needed;
        }}

        /// <summary>The number of frames, or bytes of a snapshot, that room is needed for.</summary>
        public long Needed {{ get; }}
    }}

    /// <summary>manifest.json, or an array that it describes, breaks the schema.</summary>
    public sealed class ManifestException : PackageException
    {{
        public ManifestException(string message) : base(Status.Manifest, message) {{ }}

        /// <summary>The file at fault.</summary>
        public string File {{ get; }} = Failure.Part(3);

        /// <summary>The path of the field, for example <c>stages[1].inputs[0].source</c>.</summary>
        public string Field {{ get; }} = Failure.Part(4);
    }}

    /// <summary>The native library is absent, of another machine type, or of another version than this
    /// binding.</summary>
    public sealed class NativeLibraryException : EmoFaceException
    {{
        public NativeLibraryException(string message) : base(Status.Backend, message) {{ }}
    }}

    /// <summary>Status to exception.</summary>
    internal static class Failure
    {{
        /// <summary>Throw for an error; a notice passes.</summary>
        internal static Status Check(int status, long needed = 0)
        {{
            if (status < 0) throw Exception((Status)status, needed);
            return (Status)status;
        }}

        /// <summary>EMOFACE_PART_* of the last error.</summary>
        internal static string Part(int part) => Text.FromUtf8(NativeMethods.emoface_last_error_part(part));

        /// <summary>The exception for a status, with the library's own account of it.</summary>
        internal static System.Exception Exception(Status status, long needed)
        {{
            var message = Text.FromUtf8(NativeMethods.emoface_last_error());
            if (message.Length == 0) message = Text.FromUtf8(NativeMethods.emoface_status_name((int)status));
            switch (status)
            {{
                {cases}
                default: return new RuntimeFailureException(status, message);
            }}
        }}
    }}
}}
"""


def documented(found: list[Status]) -> str:
    """docs/errors.md with its table of statuses."""
    sys.path.insert(0, str(ROOT / "sdk"))
    from emoface import errors

    rows = ["| status | Python | C# | exit code | remedy |", "|---|---|---|---|---|"]
    for status in (status for status in found if status.value < 0):
        row = STATUSES[status.short]
        code = getattr(errors, row.python).exit_code
        rows.append(f"| `EMOFACE_{status.name}` | `{row.python}` | `{row.csharp}` | {code} | {row.remedy} |")
    page = (ROOT / "docs/errors.md").read_text("utf-8")
    return re.sub(r"\| status \|.*?\n(?!\|)", lambda _: "\n".join(rows) + "\n", page + "\n", count=1, flags=re.S)[:-1]


def written() -> Iterator[tuple[Path, str]]:
    """Every file and its text."""
    found = statuses()
    yield ROOT / "csrc/runtime/status_names.inl", c_names(found)
    yield ROOT / "sdk/emoface/backends/native_errors.py", python_classes(found)
    yield CORE / "Status.cs", csharp_statuses(found)
    yield CORE / "Errors.cs", csharp_exceptions(found)
    yield ROOT / "docs/errors.md", documented(found)


def main() -> int:
    stale = [(path, text) for path, text in written() if not path.is_file() or path.read_text("utf-8") != text]
    for path, text in stale:
        if "--check" in sys.argv[1:]:
            print(f"{path} is not current: run python {Path(__file__).name}", file=sys.stderr)
        else:
            path.write_text(text, encoding="utf-8")
    return 1 if stale and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
