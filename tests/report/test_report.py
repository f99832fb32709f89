"""The report's folder: every section, pictures that show something, a video that plays, and nothing when it fails."""

import base64
import errno
import html.parser
import io
import json
import re
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from known_model import KnownModel
from PIL import Image
from synthetic_corpus import TinyRig, ToneCorpus
from tiny_run import tiny_options

from emoface.cli.main import main
from emoface.errors import OutputError
from emoface_training.clips.store import ClipStore
from emoface_training.commands.progress import progress
from emoface_training.data.corpus import Corpus
from emoface_training.data.synthetic.rig import Rig
from emoface_training.errors import OptionsError
from emoface_training.evaluation import measured_models, on_dataset
from emoface_training.evaluation.on_dataset import Request
from emoface_training.report import style, write
from emoface_training.report.folder import appearing
from emoface_training.report.write import ReportWriter
from emoface_training.runs import training_run

SECTIONS = ("figures", "groups", "styles", "errors", "lips", "faces", "weights", "heard", "branches", "video", "method")
RIG = TinyRig()


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of a tenth of the pixels."""
    monkeypatch.setattr(style, "DPI", 50)


class Page(html.parser.HTMLParser):
    """Ids, links and words of a page; its tags must be balanced."""

    EMPTY = ("meta", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.sources: list[str] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list) -> None:
        values = dict(attributes)
        self.ids += [values["id"]] if "id" in values else []
        self.sources += [values[key] for key in ("src", "href") if key in values]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def pictures(page: Page) -> list[np.ndarray]:
    start = "data:image/png;base64,"
    return [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(source[len(start) :]))).convert("RGB"))
        for source in page.sources
        if source.startswith(start)
    ]


def small_model() -> measured_models.CheckpointModel:
    """An untrained model whose branches move the face."""
    torch.set_num_threads(1)
    model = training_run.new_model(
        tiny_options(), ("a", "b"), RIG, ClipStore.load(ToneCorpus(3).clips("train"), 30, 2)
    ).eval()
    generator = torch.Generator().manual_seed(1)
    for branch in model.decoder.branches:
        torch.nn.init.normal_(branch.motion_head.weight, std=0.2, generator=generator)
    return measured_models.CheckpointModel(model, "small")


def test_the_command_writes_a_whole_page(
    recorded: Path, tmp_path: Path, tiny_checkpoint: Path, tiny_package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "report"
    command = ["eval", str(tiny_checkpoint), str(recorded), "--compare", str(tiny_package), "--emotion", "given"]
    command += ["--clips", "2", "--report", str(folder), "--report-clips", "1", "--json"]
    assert main(command) == 0
    report = json.loads(capsys.readouterr().out)
    assert json.loads((folder / "evaluation.json").read_text()) == report
    text = (folder / "index.html").read_text()
    page = Page(text)
    assert [name for name in page.ids if name in SECTIONS] == list(SECTIONS)
    assert not re.search(r"https?:|src=\"(?!data:)", text)
    assert all(source.startswith(("data:", "#")) for source in page.sources)
    assert all(f"#{name}" in page.sources for name in SECTIONS)
    drawn = pictures(page)
    names = sorted(path.stem for path in (folder / "figures").glob("*.png"))
    assert len(drawn) == len(names) and {"error_map", "weight_map", "emotions"} <= set(names)
    for picture in drawn:  # not blank: ink, and several colours of it
        assert 0.01 < (picture < 250).any(-1).mean() < 0.95 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 50
    with av.open(str(folder / "video.mp4")) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        assert [stream.type for stream in video.streams] == ["video", "audio"]
    assert len(frames) == 24  # 0.8 s at 30 fps
    thirds = np.array_split(frames[10][40:], 3, axis=1)  # ground truth and two models, below the titles
    assert all(third.std() > 5 for third in thirds) and np.abs(thirds[0] - 1.0 * thirds[1]).mean() > 1
    for words in ("no phonemes: no speech measures", "a package gives the fused motion alone"):
        assert words in page.words
    assert f"{report['rows']['model']['lve_m2']:.3e}" in page.words


def test_a_rigs_report_shows_branches_and_phonemes_and_repeats_to_the_byte(tmp_path: Path) -> None:
    writers = []
    for name in ("rig", "again"):
        writers.append(ReportWriter(1, folder=tmp_path / name, emotion="given"))
        report = on_dataset.evaluate([small_model()], ToneCorpus(2), RIG, Request("validation", "given"), writers[-1])
        writers[-1].write(report, RIG, False, progress)
    assert (tmp_path / "rig" / "index.html").read_bytes() == (tmp_path / "again" / "index.html").read_bytes()
    page = Page((tmp_path / "rig" / "index.html").read_text())
    for words in ("content branch alone", "emotion branch alone", "Add (both, w = 1)", "Mesh Attention", "/m/", "/aa/"):
        assert words in page.words
    assert "Left out (--no-video)" in page.words and not (tmp_path / "rig" / "video.mp4").exists()
    assert (tmp_path / "rig" / "figures" / "branches_0.pdf").read_bytes().startswith(b"%PDF")
    # The branches fuse to what the model gave, and Add is their sum
    writer = writers[0]
    index = next(iter(writer.clips))
    branches = writer._inside["model", index].branches
    np.testing.assert_allclose(branches["Mesh Attention"], writer.rows["model"][index], atol=1e-6)
    both = branches["content branch alone"] + branches["emotion branch alone"]
    np.testing.assert_array_equal(branches["Add (both, w = 1)"], both)
    weight = writer._inside["model", index].emotion_weight
    assert weight.shape == both.shape[:2] and 0.0 < weight.min() < weight.max() < 1.0


def write_folder(path: Path, overwrite: bool = False) -> None:
    with appearing(path, overwrite) as fresh:
        (fresh / "index.html").write_text("page")
        (fresh / "evaluation.json").write_text("{}")


def test_only_reports_are_replaced_and_only_when_told(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    write_folder(folder)
    (folder / "note.txt").write_text("of the old one")
    with pytest.raises(OutputError, match="holds a report"):
        write_folder(folder)
    assert (folder / "note.txt").exists()
    write_folder(folder, overwrite=True)
    assert not (folder / "note.txt").exists() and (folder / "index.html").exists()
    other = tmp_path / "other"
    other.mkdir()
    for path, match in ((other, "no report of"), (tmp_path / "none" / "report", "does not exist")):
        with pytest.raises(OutputError, match=match):
            write_folder(path, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "report"]


def test_a_full_disk_leaves_no_partial_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "report")

    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(write, "page", full)
    writer = ReportWriter(1, folder=tmp_path / "report", overwrite=True)
    report = on_dataset.evaluate([KnownModel()], ToneCorpus(2), RIG, Request("validation"), writer)
    with pytest.raises(OutputError, match=r"No space left.*No partial report"):
        writer.write(report, RIG, False, progress)
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    assert (tmp_path / "report" / "index.html").read_text() == "page"


def test_mistakes_are_named_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Corpus, "open", lambda _: ToneCorpus(3))
    monkeypatch.setattr(Rig, "load", lambda: TinyRig())
    command = ["eval", str(tiny_checkpoint), "corpus"]
    assert main([*command, "--report", str(tmp_path)]) == 5
    assert "no report of" in capsys.readouterr().err
    assert main([*command, "--report", str(tmp_path / "new"), "--report-clips", "0"]) == 2
    assert "--report-clips 0" in capsys.readouterr().err
    assert main(command) == 2
    assert "24 vertices for a model of 42" in capsys.readouterr().err
    monkeypatch.setattr(write, "NEEDED", ("a_library_nobody_has",))
    assert main([*command, "--report", str(tmp_path / "new")]) == 2
    assert "emoface[report]" in capsys.readouterr().err
    with pytest.raises(OptionsError, match=r"extra \[report\]"):
        ReportWriter(1)
    assert list(tmp_path.iterdir()) == []
