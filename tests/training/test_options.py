"""Values of a configuration that cannot be used are named; none turns into a traceback in mid-run."""

import dataclasses
from pathlib import Path

import pytest
from tiny_run import run, tiny_options

from emoface_training import options
from emoface_training.errors import OptionsError
from emoface_training.runs import training_run


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{max_steps: many}", r"stage_b\.max_steps 'many'; expected a whole number"),
        ("{max_steps: 1.5}", r"stage_b\.max_steps 1\.5; expected a whole number"),
        ("{max_steps: true}", r"stage_b\.max_steps True; expected a whole number"),
        ("{max_steps: 3, learning_rate: fast}", r"stage_b\.learning_rate 'fast'; expected a number"),
        ("{max_steps: 3, pairs: 1}", r"stage_b\.pairs 1; expected true or false"),
        ("{max_steps: 3, clock: moon}", r"stage_b\.clock 'moon'; expected 'wall' or 'cpu'"),
        ("{max_steps: 0}", "max_steps 0; expected more than 0"),
        ("{max_steps: 3, log_every_steps: 0}", "log_every_steps 0; expected more than 0"),
        ("{max_steps: 3, batch_size: -2}", "batch_size -2; expected more than 0"),
        ("{max_steps: 3, max_frames: 0}", "max_frames 0; expected more than 0"),
        ("7", "got stage_b 7; expected a mapping"),
        ("{max_steps: [", r"config\.yaml, which is no YAML"),
    ],
)
def test_unusable_values_are_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"stage_b: {text}\n")
    with pytest.raises(OptionsError, match=words):
        options.load(path)


def test_numbers_that_yaml_takes_for_text_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("seed: 2\nstage_b: {max_epochs: 1, learning_rate: 1e-4, rollout_gradient: null}\n")
    chosen = options.load(path)
    assert chosen.stage_b.learning_rate == 1e-4 and chosen.stage_b.rollout_gradient is None and chosen.seed == 2


def test_the_command_line_is_held_to_the_same() -> None:
    with pytest.raises(OptionsError, match="max_minutes 0"):
        training_run.with_overrides(tiny_options(1), max_minutes=0.0)
    with pytest.raises(OptionsError, match="seed -1"):
        dataclasses.replace(tiny_options(1), seed=-1)


def test_what_the_face_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match=r"region 'nostrils'; expected one of .*lips"):
        run(tmp_path / "run", tiny_options(1, loss_regions={"nostrils": 2.0}), stage="b")
    with pytest.raises(OptionsError, match="motion_rank 99"):
        run(tmp_path / "new", tiny_options(1, decoder={"motion_rank": 99}), stage="b")
