"""What a face of format 2 brings beside its mesh, and animations of its identities."""

from __future__ import annotations

import io
import json

import handmade
import handmade_face
import numpy as np
import pytest

from emoface import AnimatorPool, FrameBatch, Package, animate
from emoface.cli.main import main
from emoface.errors import PackageError, TemplateError, UsageError
from emoface.frames import FRAME_ARRAYS
from emoface.textures import texture_fault
from emoface.verification import verify_cuts, verify_golden


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Package:
    """The handmade package with all assets, and golden vectors."""
    folder = tmp_path_factory.mktemp("face")
    files = handmade_face.package_files()
    return Package.load(handmade.write_with_golden(folder, files))


def same(a: FrameBatch, b: FrameBatch) -> None:
    for name in FRAME_ARRAYS:
        assert getattr(a, name).tobytes() == getattr(b, name).tobytes(), name


def test_arrays_are_those_of_the_file(faces):
    stored, face = handmade_face.assets(), faces.face
    for name in ("uvs", "uv_faces", "normal_groups", "pivots"):
        array = getattr(face, name)
        assert array.dtype == stored[name].dtype and array.tobytes() == stored[name].tobytes()
        assert not array.flags.writeable
    assert tuple(face.identities) == handmade_face.IDENTITIES
    assert face.identities["anna"].template.tobytes() == stored["identity.anna"].tobytes()
    assert face.identities["anna"].pivots.tobytes() == stored["identity.anna.pivots"].tobytes()
    assert face.identities["round_head"].pivots is None


def test_a_face_without_assets_has_none(package):
    face = package.face
    assert (face.uvs, face.uv_faces, face.normal_groups, face.pivots) == (None,) * 4 and face.identities == {}


def test_an_identity_keeps_the_rest(faces):
    anna, round_head = (faces.face.with_identity(name) for name in handmade_face.IDENTITIES)
    assert anna.pivots is faces.face.identities["anna"].pivots and round_head.pivots is faces.face.pivots
    assert anna.textures is faces.face.textures
    for face in (anna, round_head, faces.face.with_template(anna.template)):
        assert face.faces is faces.face.faces and face.uvs is faces.face.uvs and face.masks is faces.face.masks
        assert face.identities is faces.face.identities


@pytest.mark.parametrize("name", handmade_face.IDENTITIES)
def test_an_identity_moves_as_a_template_of_its_vertices(faces, sound, run_whole, run_cut, name):
    audio, template = sound(1.5), handmade_face.assets()[f"identity.{name}"]
    # Heads sway about a pivot of their own, which a template has not.
    still = {"head_sway": False}
    with faces.animator(identity=name, **still) as animator, faces.animator(template=template, **still) as other:
        frames = run_whole(animator, audio)
        same(frames, run_whole(other, audio))
        animator.reset()
        same(frames, run_cut(animator, audio, [1, 700, 2000]))
        # Neutral faces are no part of a snapshot.
        other.reset()
        other.step(audio[:9000])
        animator.restore(other.snapshot())
        rest = FrameBatch.concat([animator.step(audio[9000:]), animator.flush()])
        assert rest.vertices.tobytes() == frames.vertices[-len(rest) :].tobytes()
    with faces.animator() as canonical:
        plain = run_whole(canonical, audio).vertices
    assert np.abs((frames.vertices - template) - (plain - faces.face.template)).max() < 1e-6
    assert np.abs(frames.vertices - plain).max() > 1e-3
    assert animate(audio, 16000, faces, identity=name).face.template.tobytes() == template.tobytes()


def test_voices_of_a_pool_have_identities_of_their_own(faces, sound, run_whole):
    audio = sound(0.8)
    with AnimatorPool(faces, 1, capacity=3, identity="anna") as pool:
        pool.join(identity="round_head")
        pool.join(identity=None)
        frames = [FrameBatch.concat(both) for both in zip(pool.step_all([audio] * 3), pool.flush_all(), strict=True)]
        with pytest.raises(UsageError, match="template and identity"):
            pool.leave(2)
            pool.join(template=faces.face.template)
    for batch, name in zip(frames, ("anna", "round_head", None), strict=True):
        with faces.animator(identity=name) as animator:
            same(batch, run_whole(animator, audio))


def test_wrong_identities(faces, package):
    for given in ("ANNA", "", 3, ["anna"]):
        with pytest.raises(TemplateError, match="expected one of anna, round_head"):
            faces.animator(identity=given)
    with pytest.raises(TemplateError, match="None: the face has none"):
        package.animator(identity="anna")
    with pytest.raises(UsageError, match="template and identity"):
        faces.animator(identity="anna", template=faces.face.template)


def test_textures_are_the_files(faces, package):
    assert dict(faces.face.textures) == handmade_face.TEXTURES
    assert faces.texture("albedo") == faces.file("albedo.png") == handmade_face.TEXTURES["albedo"]
    with pytest.raises(PackageError, match="one of roughness, albedo"):
        faces.texture("Albedo")
    with pytest.raises(PackageError, match="none: the package has no textures"):
        package.texture("albedo")


def test_images_are_whole_for_other_readers_too():
    image = pytest.importorskip("PIL.Image")
    for data, mode, size in zip(handmade_face.TEXTURES.values(), ("RGBA", "RGB"), ((4, 1), (2, 3)), strict=True):
        assert texture_fault(data) is None
        with image.open(io.BytesIO(data)) as read:
            assert (read.mode, read.size) == (mode, size)


def test_golden_vectors_and_cuts(faces):
    assert verify_golden(faces) and all(check.passed for check in [*verify_golden(faces), *verify_cuts(faces)])


def test_commands(faces, tmp_path, capsys, sound):
    import soundfile

    soundfile.write(tmp_path / "in.wav", sound(0.5), 16000)
    source = ["animate", str(tmp_path / "in.wav"), "--package", faces.source]
    assert main([*source, "-o", str(tmp_path / "out.npz"), "--identity", "anna"]) == 0
    with np.load(tmp_path / "out.npz") as written:
        assert written["template"].tobytes() == handmade_face.assets()["identity.anna"].tobytes()
    assert main([*source, "-o", str(tmp_path / "other.npz"), "--identity", "nobody"]) != 0
    assert "one of anna, round_head" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*source, "-o", str(tmp_path / "other.npz"), "--identity", "anna", "--template", "x.ply"])
    capsys.readouterr()
    assert main(["inspect", faces.source, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["identities"] == ["anna", "round_head"]
    assert main(["inspect", faces.source]) == 0
    shown = capsys.readouterr().out
    assert "identities   2: anna, round_head" in shown and "pivots       head, jaw" in shown
    assert "texture      albedo (0.00 MB)" in shown
    assert "uvs          13" in shown and "2 groups with sharp edges" in shown
