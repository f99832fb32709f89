"""Only arrays and plain containers come out of a pickle; anything else is refused before it is imported."""

import collections
import os
import pickle
import re
from pathlib import Path

import layouts
import numpy as np
import pytest
import torch

import emoface_training
from emoface.cli.main import main
from emoface_training.data.restricted_pickle import as_array, read_pickle
from emoface_training.errors import CheckpointError, DatasetError
from emoface_training.models import checkpoint

SOURCES = Path(emoface_training.__file__).parents[2]


class Malicious:
    """Unpickled by the standard library, it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.path}",)


class Evaluated:
    def __reduce__(self) -> tuple:
        return eval, ("1 + 1",)


def dumped(path: Path, content: object, protocol: int = 2) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


def test_a_malicious_pickle_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for content, name in ((Malicious(trace), "system"), (Evaluated(), "eval"), ({"a": Malicious(trace)}, "system")):
        path = dumped(tmp_path / "evil.pkl", content)
        with pytest.raises(DatasetError, match=rf"evil\.pkl.*{name}.*not loaded"):
            read_pickle(path)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["templates.pkl", "FLAME_masks.pkl"])
def test_a_malicious_file_in_a_dataset_is_named(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    root = layouts.write_vocaset(tmp_path / "data")
    dumped(root / name, Malicious(tmp_path / "trace"))
    assert main(["data", "check", str(root)]) == 3
    assert name in capsys.readouterr().err and not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    "payload",
    [
        b"cbuiltins\ngetattr\n(cos\nsystem\nS'a'\ntR.",
        b"ccopyreg\n_reconstructor\n(cbuiltins\ndict\ncbuiltins\nobject\nNtR.",
        b"cnumpy.core.multiarray\nfromfile\n(S'x'\ntR.",
        b"cnumpy.dtypes\n__builtins__\n.",
        b"\x80\x02cnumpy\nload\nq\x00.",
        b"not a pickle",
        b"",
    ],
)
def test_other_names_and_damage_are_refused(tmp_path: Path, payload: bytes) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(payload)
    with pytest.raises(DatasetError, match=r"x\.pkl"):
        read_pickle(path)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_published_content_is_read(tmp_path: Path, protocol: int) -> None:
    content = {
        "templates": {"a": np.arange(6.0).reshape(2, 3), "b": np.zeros((2, 3), np.float32, "F")},
        "sound": {"audio": np.array([1, -2], np.int16), "sample_rate": np.int64(22000)},
        "names": ["x", ("y", 1.5), {3}, None, True, b"bytes"],
        "ordered": collections.OrderedDict(k=np.float32(0.5)),
    }
    got = read_pickle(dumped(tmp_path / "x.pkl", content, protocol))
    np.testing.assert_array_equal(got["templates"]["a"], content["templates"]["a"])
    assert got["templates"]["b"].dtype == np.float32 and got["sound"]["audio"].tolist() == [1, -2]
    assert got["sound"]["sample_rate"] == 22000 and got["names"] == content["names"]
    assert got["ordered"]["k"] == 0.5


def test_a_python_2_pickle_is_read_as_latin1(tmp_path: Path) -> None:
    # protocol 0 of Python 2: an array of two float64, its bytes as a latin1 string
    data = np.array([1.0, -2.0]).tobytes()
    body = b"".join(b"\\x%02x" % byte for byte in data)
    payload = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\ntcnumpy\ndtype\n"
        b"(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'" + body + b"'\ntb."
    )
    (tmp_path / "x.pkl").write_bytes(payload)
    np.testing.assert_array_equal(read_pickle(tmp_path / "x.pkl"), [1.0, -2.0])


def test_sparse_matrices_give_their_numbers(tmp_path: Path) -> None:
    import scipy.sparse

    dense = np.array([[0, 1.5, 0], [2, 0, -1]])
    for form in (scipy.sparse.csc_matrix, scipy.sparse.csr_matrix):
        np.testing.assert_array_equal(as_array(read_pickle(dumped(tmp_path / "x.pkl", form(dense)))), dense)


def test_stand_ins_without_their_state_are_no_numbers(tmp_path: Path) -> None:
    for name, module in (("Ch", "chumpy.ch"), ("csc_matrix", "scipy.sparse.csc")):
        (tmp_path / "x.pkl").write_bytes(f"c{module}\n{name}\n(tR.".encode())
        with pytest.raises(ValueError):
            as_array(read_pickle(tmp_path / "x.pkl"))


def test_no_other_code_unpickles() -> None:
    """Every `torch.load` says weights_only=True, every `np.load` is without pickles, `pickle.load` is nowhere."""
    for path in [*SOURCES.glob("training/**/*.py"), *SOURCES.glob("export/**/*.py"), *SOURCES.glob("sdk/**/*.py")]:
        text = path.read_text()
        for call in re.findall(r"torch\.load\([^\n]*", text):
            assert "weights_only=True" in call, f"{path}: {call}"
        assert not re.search(r"\bpickle\.loads?\(|allow_pickle=True", text), path
        if path.name != "restricted_pickle.py":
            assert "Unpickler(" not in text, path


def test_a_foreign_training_state_is_read_as_weights_only(tmp_path: Path) -> None:
    torch.save({"step": 1, "evil": Malicious(tmp_path / "trace")}, tmp_path / checkpoint.STATE)
    with pytest.raises(CheckpointError, match=r"training_state\.pt"):
        checkpoint.load_state(tmp_path)
    assert not (tmp_path / "trace").exists()
