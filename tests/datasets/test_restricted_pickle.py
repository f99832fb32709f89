"""Only arrays and plain containers come out of a pickle; anything else is refused before it is imported."""

import collections
import os
import pickle
import re
import resource
from pathlib import Path

import layouts
import numpy as np
import pytest
import torch

import emoface_training
from emoface.cli.main import main
from emoface_training.data.pickled_objects import ChumpyArray, CscMatrix
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


class Numpy:
    """Reduces to a call of one of numpy's own names with chosen arguments."""

    def __init__(self, function: object, *arguments: object, state: object = None) -> None:
        self.function, self.arguments, self.state = function, arguments, state

    def __reduce__(self) -> tuple:
        return (self.function, self.arguments) if self.state is None else (self.function, self.arguments, self.state)


OBJECT, ADDRESS = np.dtype(object), (4096).to_bytes(8, "little")
RECONSTRUCT, SCALAR = np._core.multiarray._reconstruct, np._core.multiarray.scalar
FROM_BUFFER = np._core.numeric._frombuffer
FIELDS = np.dtype([("address", object)])


# Each of these makes numpy read memory at an address of the file's choice, or asks for memory that no file holds
HOSTILE = {
    "ndarray_of_objects": Numpy(np.ndarray, (1,), OBJECT, ADDRESS),
    "ndarray_of_numbers": Numpy(np.ndarray, (1,), np.dtype("f8"), ADDRESS),
    "ndarray_with_strides": Numpy(np.ndarray, (9,), np.dtype("f8"), ADDRESS, 0, (1 << 40,)),
    "ndarray_too_large": Numpy(np.ndarray, (1 << 50,), np.dtype("f8")),
    "reconstruct_of_objects": Numpy(RECONSTRUCT, np.ndarray, (1,), b"O"),
    "reconstruct_state_of_objects": Numpy(RECONSTRUCT, np.ndarray, (0,), b"b", state=(1, (1,), OBJECT, False, ADDRESS)),
    "reconstruct_state_of_a_list": Numpy(RECONSTRUCT, np.ndarray, (0,), b"b", state=(1, (1,), OBJECT, False, [1])),
    "reconstruct_state_of_fields": Numpy(RECONSTRUCT, np.ndarray, (0,), b"b", state=(1, (1,), FIELDS, False, ADDRESS)),
    "reconstruct_another_class": Numpy(RECONSTRUCT, np.dtype, (0,), b"b"),
    "state_larger_than_its_bytes": Numpy(
        RECONSTRUCT, np.ndarray, (0,), b"b", state=(1, (1 << 40,), np.dtype("f8"), False, ADDRESS)
    ),
    "state_of_negative_extents": Numpy(
        RECONSTRUCT, np.ndarray, (0,), b"b", state=(1, (-1, -1), np.dtype("f8"), False, ADDRESS)
    ),
    "state_of_many_dimensions": Numpy(
        RECONSTRUCT, np.ndarray, (0,), b"b", state=(1, (1,) * 40, np.dtype("f8"), False, ADDRESS)
    ),
    "frombuffer_of_objects": Numpy(FROM_BUFFER, ADDRESS, OBJECT, (1,), "C"),
    "frombuffer_too_large": Numpy(FROM_BUFFER, ADDRESS, np.dtype("f8"), (1 << 40,), "C"),
    "scalar_of_an_object": Numpy(SCALAR, OBJECT, ADDRESS),
    "scalar_of_a_pickle": Numpy(SCALAR, OBJECT),
    "dtype_of_objects": [OBJECT],
    "dtype_of_fields": [FIELDS],
    "dtype_of_a_list": Numpy(np.dtype, [("a", "O")]),
    "dtype_whose_state_adds_fields": Numpy(
        np.dtype, "V8", False, True, state=(3, "|", None, ("a",), {"a": (OBJECT, 0)}, 8, 1, 63)
    ),
    "number_whose_state_adds_fields": Numpy(
        np.dtype, "f8", False, True, state=(3, "<", None, ("a",), {"a": (OBJECT, 0)}, 8, 1, 63)
    ),
    "number_whose_state_is_a_subarray": Numpy(
        np.dtype, "f8", False, True, state=(3, "<", (OBJECT, (1,)), None, None, -1, -1, 0)
    ),
    "a_function_in_place_of_a_value": [np.ndarray],
}


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", HOSTILE)
def test_numpys_own_constructors_are_never_called(tmp_path: Path, name: str, protocol: int) -> None:
    with pytest.raises(DatasetError, match=r"x\.pkl"):
        read_pickle(dumped(tmp_path / "x.pkl", {"templates": HOSTILE[name]}, protocol))


def _calls(name: bytes, argument: bytes) -> bytes:
    """A pickle that calls builtins.NAME with one argument, given by its instructions."""
    return b"\x80\x04\x8c\x08builtins\x8c" + bytes([len(name)]) + name + b"\x93" + argument + b"\x85R."


LARGE = b"\x8a\x06" + (1 << 40).to_bytes(6, "little")  # LONG1
SIZES = {
    "bytearray_of_a_number": _calls(b"bytearray", LARGE),
    "bytes_of_a_number": _calls(b"bytes", LARGE),
    "list_of_a_range": _calls(b"list", _calls(b"range", LARGE)[2:-1]),
    "text_beyond_the_file": b"\x80\x04\x8d" + (1 << 40).to_bytes(8, "little") + b"abc.",
    "bytes_beyond_the_file": b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"abc.",
    "bytearray_beyond_the_file": b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little") + b"abc.",
    "a_place_far_in_the_memo": b"\x80\x02Nr\xff\xff\xff\xff.",
    "lists_in_lists": b"\x80\x02" + b"]" * 200 + b"a" * 199 + b".",
    "lists_that_double": b"\x80\x02]q\x00K\x01a"
    + b"".join(b"0]q" + bytes([i + 1]) + b"(h" + bytes([i]) + b"h" + bytes([i]) + b"e" for i in range(30))
    + b".",
    "a_list_that_holds_itself": b"\x80\x02]q\x00h\x00a.",
    "one_text_encoded_again_and_again": b"\x80\x02c_codecs\nencode\nq\x00X"
    + (1 << 20).to_bytes(4, "little")
    + b"x" * (1 << 20)
    + b"X\x06\x00\x00\x00latin1\x86q\x010]"
    + b"h\x00h\x01Ra" * 64
    + b".",
    "a_number_of_many_digits": b"I" + b"9" * 100_000 + b"\n.",
    "an_extension": b"\x80\x02\x82\x01.",
    "a_persistent_object": b"Px\n.",
    "state_for_a_function": b"\x80\x02c_codecs\nencode\n}X\x01\x00\x00\x00aK\x01sb.",
    "attributes_of_a_function": b"\x80\x02c_codecs\nencode\nN}X\x09\x00\x00\x00_functionNs\x86b.",
    "attributes_of_a_class": b"\x80\x02cchumpy.ch\nCh\nN}X\x05\x00\x00\x00stateNs\x86b.",
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_those_of_the_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.pkl").write_bytes(SIZES[name])
    before = peak_memory()
    with pytest.raises(DatasetError, match=r"x\.pkl"):
        read_pickle(tmp_path / "x.pkl")
    assert peak_memory() - before < 64 * 2**20
    assert dict(ChumpyArray.state) == {}


def peak_memory() -> int:
    """Bytes that the process has had in memory at once, so far."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_sparse_matrices_whose_parts_do_not_fit_are_no_numbers() -> None:
    fitting = {"data": np.ones(2), "indices": np.array([0, 1]), "indptr": np.array([0, 1, 2]), "shape": (2, 2)}
    damages = {
        "indices": np.array([0, 5]), "indptr": np.array([0, 2, 1]), "data": np.array([object(), object()]),
        "shape": (1 << 30, 1 << 30),
    }  # fmt: skip
    for name, value in ({"none": None} | damages).items():
        matrix = CscMatrix()
        matrix.__setstate__(fitting | {name: value})
        if name == "none":
            np.testing.assert_array_equal(as_array(matrix), np.eye(2))
            continue
        with pytest.raises(ValueError, match="sparse"):
            as_array(matrix)


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
