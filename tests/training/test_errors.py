"""One root for the errors of training and export: got, expected, remedy and an exit code at every raise."""

import ast
from pathlib import Path

import emoface.errors
import emoface_export
import emoface_training
from emoface.errors import EmoFaceError
from emoface_export import errors as export_errors
from emoface_training import errors

FILES = sorted(path for part in (emoface_training, emoface_export) for path in Path(part.__path__[0]).rglob("*.py"))
# Contracts between functions, which no input of a user reaches or which a caller turns into one of ours
CONTRACTS = {"ValueError", "TypeError", "RuntimeError", "NotImplementedError", "SystemExit", "UnpicklingError"}
CLASSES = {
    name: value
    for module in (emoface.errors, errors, export_errors)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, EmoFaceError)
}


def test_every_raise_says_got_expected_and_remedy() -> None:
    seen = 0
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
                continue
            name = ast.unparse(node.exc.func).rpartition(".")[2]
            where = f"{path}:{node.lineno} raises {name}"
            if name in CLASSES:
                seen += 1
                assert len(node.exc.args) == 3, where
            else:  # a function that makes one of ours, or a contract
                assert name in CONTRACTS or name.lstrip("_")[:1].islower(), where
    assert seen > 150


def test_interruption_says_where_to_go_on() -> None:
    error = errors.TrainingInterrupted(15, "after step 7 of stage_b", "RUN/stage_b")
    assert error.exit_code == 143
    assert str(error) == (
        "got SIGTERM after step 7 of stage_b; expected the end of the training. "
        "It is saved in RUN/stage_b: continue with the same command and --resume."
    )
