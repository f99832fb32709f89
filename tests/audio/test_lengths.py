"""Read to the real end, whatever the header says; cut files refused, with what is there and what was promised."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import soundfile

from emoface.audio.files import open_sound
from emoface.errors import AudioFileError

STREAMED = (0, 0x7F000000, 0x7FFF0000, 0x7FFFF000, 0x7FFFFFFF - 36, 0x7FFFFFFF, 0x80000000, 0xFFFFFFDB, 0xFFFFFFFF)


@pytest.mark.parametrize("size", STREAMED)
@pytest.mark.parametrize("seconds", [0.5, 1.0])
def test_wav_from_a_pipe(encoded, read, put, size, seconds):
    data = put(encoded("WAV", "PCM_16", seconds), b"data", 4, struct.pack("<I", size))
    assert read(put(data, b"RIFF", 4, struct.pack("<I", min(0xFFFFFFFF, size + 36)))).seconds == seconds
    assert read(data).seconds == seconds


def test_wav_without_samples_is_empty_however_it_goes_on(encoded, read):
    empty = encoded("WAV", "PCM_16", 0)
    assert read(empty).seconds == 0
    assert read(empty + b"LIST" + struct.pack("<I", 4) + b"INFO").seconds == 0


def test_wav_with_chunks_behind_its_sound(encoded, read):
    tail = b"LIST" + struct.pack("<I", 5) + b"INFO\0\0" + b"id3 " + struct.pack("<I", 2) + b"ab"
    assert read(encoded("WAV", "PCM_16") + tail).seconds == 1
    assert read(encoded("WAV", "PCM_16") + b"\0" * 3).seconds == 1


def test_wav_with_odd_chunks(encoded, read):
    data = encoded("WAV", "PCM_16")
    at = data.index(b"data")
    for pad in (b"\0", b""):
        chunk = b"note" + struct.pack("<I", 3) + b"odd" + pad
        assert read(data[:at] + chunk + data[at:]).seconds == 1
    # 8-bit sound of an odd number of samples has a byte behind it, or lacks it.
    odd = encoded("WAV", "PCM_U8", 1001 / 16000)
    assert read(odd + b"\0" * (len(odd) & 1)).samples.shape == (1001, 1)
    assert read(odd[: odd.index(b"data") + 8 + 1001]).samples.shape == (1001, 1)


def test_wav_whose_header_counts_a_part(encoded, read, put):
    data = put(encoded("WAV", "PCM_16", 5.0), b"data", 4, struct.pack("<I", 32000))
    with pytest.raises(AudioFileError, match="counts 32000 bytes"):
        read(data)


def test_extensible_big_endian_and_id3(encoded, read):
    assert read(encoded("WAVEX", "PCM_24")).seconds == 1
    tag = b"ID3\x03\0\0" + bytes((0, 0, 0, 20)) + b"\0" * 20
    for data in (encoded("WAV", "PCM_16"), encoded("FLAC"), encoded("MP3")):
        assert read(tag + data).seconds == 1


@pytest.mark.parametrize("size", [0, (1 << 63) - 1, (1 << 64) - 1])
def test_rf64_from_a_pipe(encoded, read, put, size):
    data = put(encoded("RF64", "PCM_16"), b"data", 4, b"\xff" * 4)
    assert read(data).seconds == 1
    assert read(put(data, b"ds64", 16, struct.pack("<Q", size))).seconds == 1


@pytest.mark.parametrize(
    ("format", "marker", "offset", "value"),
    [
        ("AIFF", b"SSND", 4, struct.pack(">I", 0)),
        ("AIFF", b"SSND", 4, struct.pack(">I", 0x7F000008)),
        ("AU", b".snd", 8, b"\xff" * 4),
        ("AU", b".snd", 8, b"\0" * 4),
        ("W64", b"data", 16, b"\xff" * 7 + b"\x7f"),
        ("CAF", b"data", 4, b"\xff" * 8),
    ],
)
def test_other_containers_from_a_pipe(encoded, read, put, format, marker, offset, value):
    assert read(put(encoded(format, "PCM_16"), marker, offset, value)).seconds == pytest.approx(1, abs=0.001)


def test_flac_of_unknown_length(encoded, read):
    data = bytearray(encoded("FLAC"))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    assert read(bytes(data)).seconds == 1


# A container whose header says no length has nothing that a cut could break.
WITHOUT_LENGTH = {"IRCAM", "PVF", "PAF"}
UNUSED = {"RAW", "SD2"}  # without a header; in two files


@pytest.mark.parametrize("format", sorted(set(soundfile.available_formats()) - UNUSED))
def test_every_container_and_subtype(tone, tmp_path, read, format):
    """All that libsndfile writes: read whole, or refused; cut in the middle, refused."""
    written = 0
    for subtype in soundfile.available_subtypes(format):
        for rate in (16000, 8000, 48000):
            path = tmp_path / "written"
            try:
                soundfile.write(path, tone(1.0, rate), rate, format=format, subtype=subtype)
            except soundfile.SoundFileError:
                continue
            written += 1
            data = path.read_bytes()
            try:
                sound = read(data)
            except AudioFileError:
                assert format in {"VOC", "MAT4", "MAT5", "MPC2K", "XI", "AVR", "WVE", "SDS"}
            else:
                assert sound.rate == rate
                # Codecs of blocks fill up the last one.
                assert rate <= len(sound.samples) <= rate + 1000
                louder = np.abs(sound.samples[rate // 4 : rate // 2]).max()
                assert 0.1 < louder < 1.0
            if format not in WITHOUT_LENGTH:
                with pytest.raises(AudioFileError):
                    read(data[: len(data) // 2])
            break
    assert written


@pytest.mark.parametrize(
    ("format", "first", "chunk"),
    [
        ("W64", 40, b"junk" + b"x" * 12 + bytes(8)),  # as if it ended before its own header: at itself again
        ("W64", 40, b"junk" + b"x" * 12 + b"\xff" * 8),
        ("CAF", 8, b"junk" + b"\x7f" + b"\xff" * 7),  # beyond any file
    ],
)
def test_chunks_of_impossible_lengths(encoded, read, format, first, chunk):
    """Refused, or read as libsndfile does; not for ever."""
    data = encoded(format, "PCM_16")
    try:
        sound = read(data[:first] + chunk + data[first:])
    except AudioFileError:
        return
    assert sound.seconds <= 1


@pytest.mark.parametrize("format", ["WAV", "AIFF", "AU", "W64", "RF64", "SVX"])
def test_cut_file_says_what_is_there(encoded, read, format):
    data = encoded(format, "PCM_16")
    with pytest.raises(AudioFileError, match=r"\d+ bytes of sound where the header promises 3200\d"):
        read(data[:-1000])


def test_cut_flac_says_what_is_there(encoded, read):
    data = encoded("FLAC")
    with pytest.raises(AudioFileError, match=r"after 1\d{4} of 16000 promised frames"):
        read(data[:-1000])


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_chains_and_cuts(encoded, read, subtype):
    data = encoded("OGG", subtype, 2.0)
    assert read(data).seconds == 2
    assert read(data * 3).seconds == 6
    last = data.rindex(b"OggS")
    with pytest.raises(AudioFileError, match="without the page that ends"):
        read(data[:last])
    with pytest.raises(AudioFileError, match="an end within a page"):
        read(data[:-10])
    with pytest.raises(AudioFileError, match="without a last page, then another"):
        read(data[:last] + data)
    second = data.index(b"OggS", 1)
    with pytest.raises(AudioFileError, match="a page missing"):
        read(data[:second] + data[data.index(b"OggS", second + 1) :])
    with pytest.raises(AudioFileError, match="no Ogg page"):
        read(data + b"junk")


def test_chain_of_different_rates(encoded, read):
    with pytest.raises(AudioFileError, match=r"16000 Hz.*48000 Hz"):
        read(encoded("OGG", "VORBIS") + encoded("OGG", "VORBIS", rate=48000))


class TestMp3:
    """libsndfile writes MP3 with an Info or Xing frame, as lame does."""

    def frames(self, data):
        """Offsets of the frames: MPEG-2 layer III at 16 kHz."""
        from emoface.audio.mpeg import _Bytes

        class File:
            def seek(self, at):
                self.at = at

            def read(self, count):
                return data[self.at : self.at + count]

        view, at, found = _Bytes(File(), len(data)), 0, []
        while at < len(data):
            frame = view.frame(at)
            assert frame is not None
            found.append(at)
            at += frame.length
        return found

    def test_whole_concatenated_and_tagged(self, encoded, read):
        data = encoded("MP3")
        assert read(data).seconds == 1
        tag = b"TAG" + bytes(125)
        head = b"ID3\x03\0\0\0\0\0\x14" + bytes(20)
        ape = b"APETAGEX" + struct.pack("<III", 2000, 32, 0) + bytes(12)
        for rest in (b"", tag, ape, tag + b"\0" * 100):
            assert read(data + rest).seconds == 1
        assert read(data + tag + head + data + data).seconds == 3

    def test_without_a_count(self, encoded, read):
        data = encoded("MP3", seconds=3.0)
        places = self.frames(data)
        bare = data[places[1] :]
        sound = read(bare)
        # The encoder's padding stays: nothing says how much it is.
        assert 3 <= sound.seconds < 3.15
        assert len(read(bare + bare).samples) >= 2 * 48000
        assert read(data + bare).seconds >= 6
        assert read(bare + data).seconds >= 6

    def test_cut(self, encoded, read):
        data = encoded("MP3", seconds=3.0)
        places = self.frames(data)
        with pytest.raises(AudioFileError, match=r"\d+ of \d+ promised MP3 frames"):
            read(data[: places[len(places) // 2]])
        with pytest.raises(AudioFileError, match="an end within a frame"):
            read(data[places[1] : -5])
        middle = places[len(places) // 2]
        with pytest.raises(AudioFileError, match="no MP3 frame"):
            read(data[:middle] + b"junk" * 10 + data[middle:])

    def test_variable_bit_rate_without_a_count(self, tone, read, tmp_path):
        """The first frames are quiet and small: their bit rate says nothing about the rest."""
        pytest.importorskip("soundfile", minversion="0.13")
        quiet = np.zeros(16000, np.float32)
        noise = (0.3 * np.random.default_rng(0).standard_normal(48000)).astype(np.float32)
        path = tmp_path / "vbr.mp3"
        with soundfile.SoundFile(path, "w", 16000, 1, format="MP3", bitrate_mode="VARIABLE") as file:
            file.write(np.concatenate([noise, quiet, noise]))
        data = path.read_bytes()
        assert read(data).seconds == 7
        places = self.frames(data)
        assert 7 <= read(data[places[1] :]).seconds < 7.2


def test_blocks_are_the_whole(encoded, read, tmp_path):
    whole = read(encoded("OGG", "VORBIS") * 2)
    with open_sound(tmp_path / "sound") as reader:
        assert (reader.rate, reader.channels, reader.frames) == (16000, 1, None)
        blocks = list(reader.blocks(1000))
        assert max(map(len, blocks)) <= 1000
        assert np.concatenate(blocks).tobytes() == whole.samples.tobytes()
        with pytest.raises(AudioFileError, match="second time"):
            next(reader.blocks())
    (tmp_path / "sound").write_bytes(encoded("WAV", "PCM_16"))
    with open_sound(tmp_path / "sound") as reader:
        assert reader.frames == 16000
