"""Recordings, pictures and transcripts are what their content is, and whatever is wrong with one is said in words."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from amplify import media
from amplify.media import MediaError, Picture, Sound
from amplify.model import Cue

CORPUS = Path(__file__).parents[2] / "shared" / "corpora" / "tag-audio"
FRAME = 1152 / 44100


def frames(count: int, rate: int = 128) -> bytes:
    """Silent MPEG-1 layer 3 frames at 44.1 kHz, with `rate` 64 or 128 kbit/s."""
    mark, length = {64: (0x50, 208), 128: (0x90, 417)}[rate]
    return (bytes((0xFF, 0xFB, mark, 0)) + bytes(length - 4)) * count


def header(kind: bytes, count: int, length: int) -> bytes:
    """A first frame that says how many frames and bytes there are: `kind` is Xing, Info or VBRI."""
    body = struct.pack(">HHHLLHHHH", 1, 0, 0, length, count, 0, 1, 2, 1) if kind == b"VBRI" else struct.pack(">LLL", 3, count, length)
    first = frames(1)
    return first[:36] + kind + body + first[40 + len(body) :]


def tone(path: Path, seconds: float = 1, **options: str) -> Path:
    """A recording made by a real encoder, in the form that the suffix asks for."""
    codec = {".mp3": "libmp3lame", ".flac": "flac", ".ogg": "libopus", ".wav": "pcm_s16le"}.get(path.suffix, "aac")
    with av.open(str(path), "w", container_options=options) as container:
        stream = container.add_stream(codec, rate=48000, layout="mono")
        assert isinstance(stream, av.AudioStream)
        samples = av.AudioFrame(format="s16", layout="mono", samples=4800)
        samples.planes[0].update(bytes(range(256)) * 37 + bytes(128))
        samples.sample_rate, samples.time_base = 48000, Fraction(1, 48000)
        resampler = av.AudioResampler(stream.format, "mono", 48000, stream.frame_size or None)
        for number in range(round(seconds * 10)):
            samples.pts = number * 4800
            for one in resampler.resample(samples):
                container.mux(stream.encode(one))
        container.mux(stream.encode(None))
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def complaint(path: Path) -> str:
    with pytest.raises(MediaError) as caught:
        media.audio(path)
    return str(caught.value)


# -- recordings: what they are


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.mp3", "audio/mpeg"), ("a.m4a", "audio/x-m4a"), ("a.mp4", "video/mp4"), ("a.m4v", "video/x-m4v"), ("a.mov", "video/quicktime"),
        ("a.flac", "audio/flac"), ("a.ogg", "audio/ogg"), ("a.wav", "audio/wav"), ("A.MP3", "audio/mpeg"),
    ],
)  # fmt: skip
def test_type_is_that_of_content_and_suffix(tmp_path: Path, name: str, kind: str) -> None:
    made = tone(tmp_path / name.lower()).rename(tmp_path / name)

    sound = media.audio(made)

    assert (sound.type, sound.length) == (kind, made.stat().st_size)


@pytest.mark.parametrize("name", ["a.mp3", "a.m4a", "a.wav", "a.flac", "a.ogg"])
def test_duration_is_within_a_tenth_of_a_second(tmp_path: Path, name: str) -> None:
    assert media.audio(tone(tmp_path / name, seconds=3)).duration == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("kind", [b"Xing", b"Info", b"VBRI"])
def test_mp3_header_gives_the_duration(tmp_path: Path, kind: bytes) -> None:
    body = frames(40) + frames(60, 64)
    path = written(tmp_path / "a.mp3", header(kind, 100, len(body) + 417) + body)

    assert media.audio(path) == Sound(type="audio/mpeg", length=path.stat().st_size, duration=100 * 1152 / 44100)


def test_mp3_without_header_of_one_bit_rate_is_reckoned_by_its_length(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mp3", frames(6000))

    assert media.audio(path).duration == pytest.approx(6000 * FRAME, rel=0.001)


def test_mp3_without_header_of_many_bit_rates_is_counted_by_frames(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mp3", frames(400) + frames(400, 64))

    assert media.audio(path).duration == pytest.approx(800 * FRAME)


def test_two_mp3_files_joined_last_as_long_as_both(tmp_path: Path) -> None:
    one = header(b"Xing", 100, 101 * 417) + frames(100)

    assert media.audio(written(tmp_path / "a.mp3", one + one)).duration == pytest.approx(202 * FRAME)


def test_tags_before_and_after_an_mp3_are_no_sound(tmp_path: Path) -> None:
    tag = b"ID3\x04\x00\x00\x00\x00\x10\x00" + bytes(2048)
    body = frames(400) + frames(400, 64)
    path = written(tmp_path / "a.mp3", tag + body + b"TAG" + bytes(125))

    assert media.audio(path).duration == pytest.approx(800 * FRAME)


def test_four_gigabytes_are_measured_without_being_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mp3", frames(10))
    with path.open("r+b") as stream:
        stream.truncate(4 << 30)

    tracemalloc.start()
    sound = media.audio(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert sound.length == 4 << 30
    assert peak < 20_000_000


# -- recordings: what is wrong with them


def test_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    assert complaint(tmp_path / "a.mp3") == "is not there"


def test_folder_is_no_recording(tmp_path: Path) -> None:
    assert complaint(tmp_path) == "is a folder"


def test_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    assert complaint(written(tmp_path / "a.mp3", b"")) == "is empty (0 bytes)"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"# Episode 1\n\nMarking with joy \xe2\x80\xa6", "is a text, though its name ends in .mp3"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "is a web page, though its name ends in .mp3"),
        (b"\x89PNG\r\n\x1a\n", "is a PNG picture, though its name ends in .mp3"),
        (b"PK\x03\x04\x14\x00", "is a ZIP archive or an office document, though its name ends in .mp3"),
        (b"\x00\x01\x02" * 1000, "holds no sound that can be played, though its name says MP3"),
    ],
)
def test_what_is_no_recording_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    assert complaint(written(tmp_path / "a.mp3", content)) == words


@pytest.mark.parametrize(
    ("true", "name", "words"),
    [
        ("a.mp3", "b.m4a", "is an MP3 recording, though its name ends in .m4a: rename it to end in .mp3, or export it again"),
        ("a.m4a", "b.mp3", "is an MPEG-4 recording, though its name ends in .mp3: rename it to end in .m4a, or export it again"),
        ("a.wav", "b.mp3", "is a WAV recording, though its name ends in .mp3: rename it to end in .wav, or export it again"),
        ("a.mp3", "b.txt", "is an MP3 recording; the name of a recording ends in .mp3 or .m4a"),
    ],
)
def test_recording_under_the_wrong_name_is_told_the_right_one(tmp_path: Path, true: str, name: str, words: str) -> None:
    assert complaint(tone(tmp_path / true).rename(tmp_path / name)) == words


@pytest.mark.parametrize("kind", [b"Xing", b"Info", b"VBRI"])
def test_mp3_cut_off_is_found_by_its_header(tmp_path: Path, kind: bytes) -> None:
    whole = header(kind, 100, 101 * 417) + frames(100)

    assert (
        complaint(written(tmp_path / "a.mp3", whole[:20000])) == "ends early: 22117 of its 42117 bytes are missing; copy or export it again"
    )


def test_mp3_of_a_real_encoder_cut_off_is_found(tmp_path: Path) -> None:
    whole = tone(tmp_path / "a.mp3", seconds=5).read_bytes()

    assert "ends early" in complaint(written(tmp_path / "b.mp3", whole[: len(whole) // 2]))


def test_mp3_that_lost_less_than_two_frames_is_good_enough(tmp_path: Path) -> None:
    whole = header(b"Xing", 100, 101 * 417) + frames(100)

    assert media.audio(written(tmp_path / "a.mp3", whole[:-400])).duration == 100 * 1152 / 44100


def test_m4a_that_ends_inside_its_sound_is_found(tmp_path: Path) -> None:
    whole = tone(tmp_path / "a.m4a", movflags="+faststart").read_bytes()

    assert complaint(written(tmp_path / "b.m4a", whole[:-1000])).startswith("ends early: 1000 of its")


def test_m4a_without_its_index_was_never_finished(tmp_path: Path) -> None:
    whole = tone(tmp_path / "a.m4a").read_bytes()
    unfinished = whole[: whole.index(b"moov") - 4]

    assert complaint(written(tmp_path / "b.m4a", unfinished)).startswith("has no index, so it cannot be played")


@settings(deadline=None)
@given(st.sampled_from([b"", b"ID3\x04\0\0\0\0\0\x10", b"\xff\xfb\x90\0", b"\0\0\0\x10ftypM4A ", b"OggS", b"fLaC", b"RIFF\0\0\0\0WAVE"]),
       st.binary(max_size=200), st.sampled_from([".mp3", ".m4a", ".ogg", ".flac", ".wav"]))  # fmt: skip
def test_any_bytes_are_a_sound_or_a_complaint(tmp_path_factory: pytest.TempPathFactory, start: bytes, rest: bytes, suffix: str) -> None:
    path = written(tmp_path_factory.getbasetemp() / f"any{suffix}", start + rest)

    with suppress(MediaError):
        assert media.audio(path).duration > 0


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of tagged recordings is not beside this repository")
def test_every_file_of_the_corpus_is_a_sound_or_a_complaint() -> None:
    found = {}
    for path in sorted(path for path in CORPUS.rglob("*") if path.is_file()):
        try:
            found[f"{path.parent.name}/{path.name}"] = media.audio(path).duration
        except MediaError:
            found[f"{path.parent.name}/{path.name}"] = 0

    heard = {name: seconds for name, seconds in found.items() if seconds}
    assert len(heard) == 14
    assert all(3.3 < seconds < 3.5 for name, seconds in heard.items() if name != "without_tags/sample.mp4")


# -- pictures


def drawn(path: Path, size: tuple[int, int] = (1400, 1400), mode: str = "RGB", **options: object) -> Path:
    Image.new(mode, size).save(path, **options)  # type: ignore[arg-type]
    return path


def test_picture_is_what_its_content_is(tmp_path: Path) -> None:
    path = drawn(tmp_path / "a.png", (30, 20)).rename(tmp_path / "a.jpg")

    assert media.picture(path) == Picture(type="image/png", width=30, height=20, mode="RGB", alpha=False, size=path.stat().st_size)


@pytest.mark.parametrize(("mode", "alpha"), [("RGB", False), ("RGBA", True), ("LA", True), ("P", False)])
def test_transparency_is_seen_in_the_header(tmp_path: Path, mode: str, alpha: bool) -> None:
    assert media.picture(drawn(tmp_path / "a.png", (3, 3), mode)).alpha is alpha


def test_transparent_colour_of_a_palette_is_transparency(tmp_path: Path) -> None:
    assert media.picture(drawn(tmp_path / "a.png", (3, 3), "P", transparency=0)).alpha


def test_photograph_on_its_side_is_measured_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6

    picture = media.picture(drawn(tmp_path / "a.jpg", (30, 20), exif=exif))

    assert (picture.width, picture.height) == (20, 30)


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">L", 13) + body + struct.pack(">L", zlib.crc32(body)) + b"\0\0\0\0IDAT"


@pytest.mark.parametrize("side", [10_000, 50_000])
def test_picture_of_too_many_pixels_is_refused(tmp_path: Path, side: int) -> None:
    with pytest.raises(MediaError, match="too many pixels"):
        media.picture(written(tmp_path / "a.png", png_header(side, side)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty (0 bytes)"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no picture, or a damaged one"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is no picture, or a damaged one"),
    ],
)
def test_what_is_no_picture_is_said(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(MediaError) as caught:
        media.picture(written(tmp_path / "a.png", content))

    assert str(caught.value) == words


def test_missing_picture_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"^is not there$"):
        media.picture(tmp_path / "a.png")


@settings(deadline=None)
@given(st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF\0\0\0\0WEBP"]), st.binary(max_size=100))
def test_any_bytes_are_a_picture_or_a_complaint(tmp_path_factory: pytest.TempPathFactory, start: bytes, rest: bytes) -> None:
    path = written(tmp_path_factory.getbasetemp() / "any.png", start + rest)

    with suppress(MediaError):
        assert media.picture(path).size


ARTWORK = Picture(type="image/jpeg", width=1400, height=1400, mode="RGB", alpha=False, size=200_000)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG"])
def test_good_artwork_has_no_problems(suffix: str) -> None:
    assert media.artwork_problems(ARTWORK, suffix) == ()


@pytest.mark.parametrize(
    ("picture", "suffix", "words"),
    [
        (Picture("image/webp", 1400, 1400, "RGB", False, 1), ".webp", "is image/webp; podcast directories take JPEG and PNG"),
        (Picture("image/png", 1400, 1400, "RGB", False, 1), ".jpg", "is image/png, though its name ends in '.jpg'"),
        (Picture("image/png", 1500, 1400, "RGB", False, 1), ".png", "is 1500 by 1400 pixels; artwork is square"),
        (Picture("image/png", 1399, 1399, "RGB", False, 1), ".png", "is 1399 by 1399 pixels; artwork has at least 1400 by 1400"),
        (Picture("image/png", 3001, 3001, "RGB", False, 1), ".png", "is 3001 by 3001 pixels; artwork has at most 3000 by 3000"),
        (Picture("image/png", 1400, 1400, "RGBA", True, 1), ".png", "is transparent in places; artwork is opaque"),
        (Picture("image/jpeg", 1400, 1400, "CMYK", False, 1), ".jpg", "has the colours CMYK; artwork is RGB"),
        (Picture("image/jpeg", 1400, 1400, "RGB", False, 2_400_000), ".jpg", "weighs 2.4 MB; up to 1 MB loads quickly"),
    ],
)
def test_each_fault_of_artwork_is_said_in_words(picture: Picture, suffix: str, words: str) -> None:
    assert media.artwork_problems(picture, suffix) == (words,)


# -- transcripts


def test_captions_of_vtt_have_times_speakers_and_plain_words(tmp_path: Path) -> None:
    path = tmp_path / "a.vtt"
    path.write_text(
        "WEBVTT\n\nNOTE made by hand\n\n"
        "1\n00:00.250 --> 00:02.000 line:0\n<v Sam Okoro>Fish &amp; <i>chips</i>,\nagain</v>\n\n"
        "01:00:02.000 --> 01:00:03.500\n<v.loud Amal>Yes.</v>\n<v Sam Okoro>No.</v>\n\n"
        "01:00:04.000 --> 01:00:05.000\nNobody in particular, 2 < 3\n"
    )

    assert media.transcript(path) == (
        Cue(start=0.25, end=2.0, speaker="Sam Okoro", text="Fish & chips, again"),
        Cue(start=3602.0, end=3603.5, speaker="Amal", text="Yes."),
        Cue(start=3602.0, end=3603.5, speaker="Sam Okoro", text="No."),
        Cue(start=3604.0, end=3605.0, speaker="", text="Nobody in particular, 2 < 3"),
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_captions_of_srt_are_read_as_windows_writes_them(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path / "a.srt", "\r\n1\r\n00:00:01,500 --> 00:00:02,000\r\nCafé\r\n\r\n".encode(encoding))

    assert media.transcript(path) == (Cue(start=1.5, end=2.0, speaker="", text="Café"),)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.vtt", b"", "is empty"),
        ("a.vtt", b"\n\n", "is empty"),
        ("a.vtt", b"Sam: hello", "line 1: does not begin with the line WEBVTT"),
        ("a.vtt", b"WEBVTT\n", "has no captions in it"),
        ("a.vtt", b"WEBVTT\n\n00:01.000 --> 00:02.000\nHi\n\n00:03 -> 00:04\nx\n\n0:3,5 --> 0:4\nHo\n",
         "line 9: '0:3,5 --> 0:4' is no time; write it like 00:01:23.000 --> 00:01:26.500"),
        ("a.srt", b"1\n00:00:01 --> 00:00:02\nHi\n",
         "line 2: '00:00:01 --> 00:00:02' is no time; write it like 00:01:23,000 --> 00:01:26,500"),
        ("a.srt", b"hello", "line 1: does not begin with the number 1 and a line of times"),
        ("a.vtt", b"WEBVTT\n\n00:01.000 --> 00:02.000\nCaf\xe9\n", "line 4: is not UTF-8 text; save it as UTF-8"),
        ("a.txt", b"hello", "is neither .vtt nor .srt"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_transcript_is_said_with_its_line(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    with pytest.raises(MediaError) as caught:
        media.transcript(written(tmp_path / name, content))

    assert str(caught.value) == words


def test_missing_transcript_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"^is not there$"):
        media.transcript(tmp_path / "a.vtt")


@settings(deadline=None)
@given(st.text(max_size=200), st.sampled_from([".vtt", ".srt"]))
def test_any_text_is_captions_or_a_complaint(tmp_path_factory: pytest.TempPathFactory, rest: str, suffix: str) -> None:
    start = "WEBVTT\n\n00:01.000 --> 00:02.000\n" if suffix == ".vtt" else "1\n00:00:01,000 --> 00:00:02,000\n"
    path = written(tmp_path_factory.getbasetemp() / f"any{suffix}", (start + rest).encode(errors="replace"))

    with suppress(MediaError):
        assert all(cue.text for cue in media.transcript(path))
