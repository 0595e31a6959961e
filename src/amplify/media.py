"""Recordings, pictures and transcripts: what they are by their content, whatever their names say.

Nothing here reads a recording whole: headers, and at most the first bytes of each frame. Every failure, of the file or
of a library, is a `MediaError` whose text goes on after the file's name: "is empty", "ends early".
"""

from __future__ import annotations

import base64
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from html import unescape
from importlib import import_module
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, BinaryIO

from amplify import text
from amplify.cache import write_whole
from amplify.errors import AmplifyError, Unreadable
from amplify.model import Cue, Media

_MPEG, _MP4, _AAC, _OGG = "an MP3 recording", "an MPEG-4 recording", "a bare AAC recording", "an Ogg recording"
_FLAC, _WAV, _AIFF = "a FLAC recording", "a WAV recording", "an AIFF recording"
_SUFFIXES = {
    ".mp3": (_MPEG, "audio/mpeg"), ".m4a": (_MP4, "audio/x-m4a"), ".m4b": (_MP4, "audio/x-m4a"), ".mp4": (_MP4, "video/mp4"),
    ".m4v": (_MP4, "video/x-m4v"), ".mov": (_MP4, "video/quicktime"), ".aac": (_AAC, "audio/aac"), ".ogg": (_OGG, "audio/ogg"),
    ".oga": (_OGG, "audio/ogg"), ".opus": (_OGG, "audio/ogg"), ".flac": (_FLAC, "audio/flac"), ".wav": (_WAV, "audio/wav"),
    ".aif": (_AIFF, "audio/aiff"), ".aiff": (_AIFF, "audio/aiff"),
}  # fmt: skip
_SIGNS = (
    (0, b"OggS", _OGG), (0, b"fLaC", _FLAC), (8, b"WAVE", _WAV), (8, b"AIF", _AIFF),
    (4, b"ftyp", _MP4), (4, b"moov", _MP4), (4, b"mdat", _MP4), (4, b"wide", _MP4), (0, b"\x30\x26\xb2\x75", "a Windows Media recording"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM film"), (8, b"AVI ", "an AVI film"), (0, b"DSD ", "a DSD recording"),
    (0, b"\x89PNG", "a PNG picture"), (0, b"\xff\xd8\xff", "a JPEG picture"), (0, b"GIF8", "a GIF picture"), (8, b"WEBP", "a WebP picture"),
    (0, b"%PDF", "a PDF document"), (0, b"PK\x03\x04", "a ZIP archive or an office document"), (0, b"\x1f\x8b", "a compressed file"),
)  # fmt: skip
_FRAME_SPARE = 3000
"""Bytes that an MP3 may be short of what its header declares: two frames, which nobody hears."""
_ENOUGH_FRAMES = 5000
"""Frames of one bit rate after which the rest of an MP3 without a header is taken to be like them: about two minutes."""
_ENOUGH_BOXES = 10_000
_PICTURES = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP")
OFFERED = ".amplify/offered"
"""Where pictures that came with offers wait, below the community folder."""
_OFFERED_LIMIT = 20_000_000
_WIDEST = 2000
_TRANSCRIPT_LIMIT = 20_000_000
_TIMES = {
    ".vtt": re.compile(r"\s*(?:\d+:)?\d{1,2}:\d{1,2}\.\d{1,3}\s*-->\s*(?:\d+:)?\d{1,2}:\d{1,2}\.\d{1,3}"),
    ".srt": re.compile(r"\s*\d+:\d{1,2}:\d{1,2}[,.]\d+\s*-->\s*\d+:\d{1,2}:\d{1,2}[,.]\d+"),
}
_VOICE = re.compile(r"<v(?:\.[^\s>]+)*[ \t]+([^>]*)>")
_TAG = re.compile(r"</?[A-Za-z][^>]*>|<\d[\d:.]*>")


class MediaError(AmplifyError):
    """A recording, a picture or a transcript cannot be used; the text says what is wrong, without the file's name."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording: `length` in bytes, `duration` in seconds."""

    type: str
    length: int
    duration: float


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it is shown, turned upright: `width` and `height` in pixels, `size` in bytes, Pillow's `mode`."""

    type: str
    width: int
    height: int
    mode: str
    alpha: bool
    size: int


def audio(path: Path) -> Sound:
    """What `path` holds (F61, F62, F68). Raises MediaError: missing, empty, cut off, no recording, or not what its name says."""
    kind = "a recording"
    try:
        with path.open("rb") as stream:
            size = path.stat().st_size
            kind = _named(stream, path.suffix.lower())
            duration = _mpeg_seconds(stream, size) if kind == _MPEG else _seconds(stream, size, kind)
    except MediaError:
        raise
    except OSError as error:
        raise MediaError(_unopened(error)) from error
    except Exception as error:
        raise MediaError(f"cannot be read as {kind}: it is damaged") from error
    if not 0 < duration < float("inf"):
        raise MediaError(f"is {kind} without any sound in it")
    return Sound(type=_SUFFIXES[path.suffix.lower()][1], length=size, duration=duration)


def _unopened(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "is not there"
    return "is a folder" if isinstance(error, IsADirectoryError) else f"cannot be opened: {error.strerror or error}"


def _named(stream: BinaryIO, suffix: str) -> str:
    """The kind of recording in `stream`, which is the one that `suffix` promises."""
    found = _kind(stream)
    if suffix not in _SUFFIXES:
        raise MediaError(f"is {found or 'no recording'}; the name of a recording ends in .mp3 or .m4a")
    promised = _SUFFIXES[suffix][0]
    if found == promised or (found is None and promised == _MPEG):
        return promised
    right = next((ending for ending, (kind, _) in _SUFFIXES.items() if kind == found), None)
    advice = f": rename it to end in {right}, or export it again" if right else ""
    raise MediaError(f"is {found or 'no recording'}, though its name ends in {suffix}{advice}")


def _kind(stream: BinaryIO) -> str | None:
    """What `stream` holds, in words, by its first bytes; None where they say nothing."""
    head = stream.read(512)
    if not head:
        raise MediaError("is empty (0 bytes)")
    if head.startswith(b"ID3") and len(head) > 10:
        stream.seek(10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True)))
        head = stream.read(512)
        return _FLAC if head.startswith(b"fLaC") else _framed(head) or _MPEG
    for start, sign, kind in _SIGNS:
        if head[start : start + len(sign)] == sign:
            return kind
    return _framed(head) or _words(head)


def _framed(head: bytes) -> str | None:
    if len(head) < 2 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    return _AAC if head[1] & 0xF6 == 0xF0 else _MPEG


def _words(head: bytes) -> str | None:
    if re.match(rb"(?i)\s*<(!doctype html|html|head|body)", head):
        return "a web page"
    try:
        written = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return None
        written = head[: error.start].decode("utf-8-sig")
    return "a text" if text.plain(written) == written else None


def _seconds(stream: BinaryIO, size: int, kind: str) -> float:
    import mutagen

    if kind == _MP4:
        _check_boxes(stream, size)
    stream.seek(0)
    opened = mutagen.File(stream)
    if opened is None:
        raise MediaError(f"cannot be read as {kind}: it is damaged")
    return float(opened.info.length)


def _check_boxes(stream: BinaryIO, size: int) -> None:
    """Walks over the outermost boxes of an MPEG-4 file, whose index may stand at its end."""
    names, position = set(), 0
    for _ in range(_ENOUGH_BOXES):
        stream.seek(position)
        head = stream.read(16)
        if len(head) < 8:
            break
        length = int.from_bytes(head[8:16] if head[:4] == b"\0\0\0\1" else head[:4])
        position = position + length if length >= 8 else size
        names.add(head[4:8])
    if position > size:
        raise MediaError(f"ends early: {position - size} of its {position} bytes are missing; copy or export it again")
    if b"moov" not in names:
        raise MediaError("has no index, so it cannot be played: the recording was cut off or never finished; export it again")


def _mpeg_seconds(stream: BinaryIO, size: int) -> float:
    """The duration of an MP3 by its Xing, Info or VBRI header, or else by its frames."""
    mp3: Any = import_module("mutagen.mp3")
    try:
        info = mp3.MPEGInfo(stream, 0)
    except mp3.HeaderNotFoundError as error:
        raise MediaError("holds no sound that can be played, though its name says MP3") from error
    declared, there = _declared(stream, info, mp3), size - info.frame_offset
    if declared > there + _FRAME_SPARE:
        raise MediaError(f"ends early: {declared - there} of its {declared} bytes are missing; copy or export it again")
    if there < declared * 1.1 + _FRAME_SPARE:
        return float(info.length)
    return _counted(stream, info.frame_offset, there, declared > 0)


def _declared(stream: BinaryIO, info: Any, mp3: Any) -> int:
    """How many bytes the header of an MP3 says there are, 0 where it says nothing."""
    if info.layer != 3:
        return 0
    for header, error in ((mp3.XingHeader, mp3.XingHeaderError), (mp3.VBRIHeader, mp3.VBRIHeaderError)):
        stream.seek(info.frame_offset + header.get_offset(info))
        try:
            found = header(stream)
        except error:
            continue
        return max(found.bytes, 0) if found.frames > 0 else 0
    return 0


def _counted(stream: BinaryIO, begin: int, there: int, to_the_end: bool) -> float:
    """Seconds by the frames from `begin`; what comes after frames of one bit rate, or cannot be read, counts in proportion."""
    known: dict[bytes, tuple[int, int, float] | None] = {}
    rates: set[int] = set()
    position, seconds, number = begin, 0.0, 0
    while to_the_end or number < _ENOUGH_FRAMES or len(rates) > 1:
        stream.seek(position)
        head = stream.read(4)
        frame = known[head] if head in known else known.setdefault(head, _frame(head))
        if frame is None:
            break
        length, rate, lasting = frame
        position, seconds, number = position + length, seconds + lasting, number + 1
        rates.add(rate)
    return seconds if position - begin > 0.9 * there else seconds * there / (position - begin)


def _frame(head: bytes) -> tuple[int, int, float] | None:
    """Length in bytes, bit rate and seconds of the MPEG frame that begins with `head`."""
    mp3: Any = import_module("mutagen.mp3")
    stream = BytesIO(head)
    try:
        frame = mp3.MPEGFrame(stream)
    except mp3.HeaderNotFoundError:
        return None
    samples = 384 if frame.layer == 1 else 576 if frame.version >= 2 and frame.layer == 3 else 1152
    return stream.tell(), frame.bitrate, samples / frame.sample_rate


def picture(path: Path) -> Picture:
    """What `path` holds, from its header alone. Raises MediaError: missing, empty, no picture, or too large to be one."""
    from PIL import Image, UnidentifiedImageError

    try:
        size = path.stat().st_size
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_PICTURES) as image:
                return _looked_at(image, size)
    except UnidentifiedImageError as error:
        raise MediaError("is empty (0 bytes)" if not size else "is no picture, or a damaged one") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise MediaError("has too many pixels: more than 89 million") from error
    except OSError as error:
        raise MediaError(_unopened(error) if error.errno else "is a damaged picture") from error
    except Exception as error:
        raise MediaError("is a damaged picture") from error


def _looked_at(image: Any, size: int) -> Picture:
    turned = image.format in {"JPEG", "MPO", "WEBP"} and image.getexif().get(0x0112) in {5, 6, 7, 8}
    width, height = reversed(image.size) if turned else image.size
    kind = "image/jpeg" if image.format == "MPO" else f"image/{image.format.lower()}"
    alpha = "transparency" in image.info or image.mode in {"LA", "La", "PA", "RGBA", "RGBa"}
    return Picture(type=kind, width=width, height=height, mode=image.mode, alpha=alpha, size=size)


# -- pictures that came with offers --------------------------------------------------------------------------------


def keep(data: bytes, words: str, *, root: Path, apart: Callable[..., Any]) -> Media:
    """Keep a picture from outside below `root`, drawn anew; `words` say what it shows. Raises Unreadable."""
    if len(data) > _OFFERED_LIMIT:
        raise Unreadable(f"the picture has {len(data) / 1_000_000:.0f} MB; at most {_OFFERED_LIMIT // 1_000_000} MB are taken")
    name = blake2b(data, digest_size=16).hexdigest()
    path = next((root / OFFERED).glob(f"{name}.*"), None)
    if path is None:
        drawn = apart(redrawn, data)
        path = root / OFFERED / f"{name}.{drawn['ending']}"
        write_whole(path, base64.b64decode(drawn["data"]))
    found = picture(path)
    return Media(path=f"{OFFERED}/{path.name}", alt=text.one_line(words), type=found.type, width=found.width, height=found.height)


def redrawn(data: bytes) -> dict[str, str]:
    """A picture upright, at most 2000 pixels wide and high, with nothing in the file but the picture. Raises Unreadable."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(data), formats=("JPEG", "PNG", "WEBP", "GIF")) as image:
                kind = "PNG" if image.format == "GIF" else str(image.format)
                image.draft("RGB", (_WIDEST, _WIDEST))
                drawn = _true_colours(ImageOps.exif_transpose(image))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise Unreadable("the picture has more than 89 million pixels") from error
    except Exception as error:
        raise Unreadable("it is no JPEG, PNG, WebP or GIF picture, or a damaged one") from error
    drawn.thumbnail((_WIDEST, _WIDEST))
    drawn.info.clear()
    written = BytesIO()
    drawn.convert("RGB" if kind == "JPEG" else drawn.mode).save(written, kind, quality=85, optimize=True)
    return {"ending": {"JPEG": "jpg"}.get(kind, kind.lower()), "data": base64.b64encode(written.getvalue()).decode()}


def _true_colours(image: Any) -> Any:
    """The picture in the colours that every screen shows; a profile of its own would go with the rest of what is in the file."""
    from PIL import ImageCms

    wanted = "RGBA" if "transparency" in image.info or image.mode in {"LA", "PA", "RGBA"} else "RGB"
    profile = image.info.get("icc_profile")
    if not profile or wanted == "RGBA":
        return image.convert(wanted)
    try:
        return ImageCms.profileToProfile(
            image, ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        return image.convert(wanted)


def artwork_problems(picture: Picture, suffix: str) -> tuple[str, ...]:
    """What directories would refuse in the artwork of a show or an episode (F26), and what only costs (F27), in words."""
    endings = {"image/jpeg": (".jpg", ".jpeg"), "image/png": (".png",)}
    wide, high = picture.width, picture.height
    found = [
        (picture.type not in endings, f"is {picture.type}; podcast directories take JPEG and PNG"),
        (suffix.lower() not in endings.get(picture.type, (suffix.lower(),)), f"is {picture.type}, though its name ends in {suffix!r}"),
        (wide != high, f"is {wide} by {high} pixels; artwork is square"),
        (min(wide, high) < 1400, f"is {wide} by {high} pixels; artwork has at least 1400 by 1400"),
        (max(wide, high) > 3000, f"is {wide} by {high} pixels; artwork has at most 3000 by 3000"),
        (picture.alpha, "is transparent in places; artwork is opaque"),
        (not picture.alpha and picture.mode != "RGB", f"has the colours {picture.mode}; artwork is RGB"),
        (picture.size > 1_000_000, f"weighs {picture.size / 1_000_000:.1f} MB; up to 1 MB loads quickly"),
    ]
    return tuple(words for wrong, words in found if wrong)


def transcript(path: Path) -> tuple[Cue, ...]:
    """The captions of a .vtt or .srt file, voices as speakers, one for each voice. Raises MediaError, with the line where there is one."""
    from webvtt import WebVTT

    kind = path.suffix.lower()
    if kind not in _TIMES:
        raise MediaError("is neither .vtt nor .srt")
    written = _written(path)
    for number, line in enumerate(written.split("\n"), 1):
        if "-->" in line and not _TIMES[kind].match(line):
            example = "00:01:23.000 --> 00:01:26.500" if kind == ".vtt" else "00:01:23,000 --> 00:01:26,500"
            raise MediaError(f"line {number}: {text.fit(line.strip(), 60)!r} is no time; write it like {example}")
    try:
        captions = WebVTT.from_buffer(StringIO(written.lstrip()), format=kind[1:]).captions
    except Exception as error:
        begins = "begin with the line WEBVTT" if kind == ".vtt" else "begin with the number 1 and a line of times"
        raise MediaError(f"line 1: does not {begins}") from error
    cues = tuple(cue for caption in captions for cue in _cues(caption))
    if not cues:
        raise MediaError("has no captions in it")
    return cues


def _written(path: Path) -> str:
    try:
        size = path.stat().st_size
        raw = path.read_bytes() if size <= _TRANSCRIPT_LIMIT else b""
    except OSError as error:
        raise MediaError(_unopened(error)) from error
    if size > _TRANSCRIPT_LIMIT:
        raise MediaError(f"has {size / 1_000_000:.0f} MB, which is no transcript")
    try:
        written = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise MediaError(f"line {line}: is not UTF-8 text; save it as UTF-8") from error
    if not written.strip():
        raise MediaError("is empty")
    return text.plain(written.replace("\r\n", "\n").replace("\r", "\n")).rstrip()


def _cues(caption: Any) -> Iterator[Cue]:
    start, end = (moment.in_milliseconds() / 1000 for moment in (caption.start_time, caption.end_time))
    before, *voices = _VOICE.split(caption.raw_text)
    for speaker, spoken in (("", before), *zip(voices[::2], voices[1::2], strict=True)):
        if said := text.one_line(unescape(_TAG.sub("", spoken))):
            yield Cue(start=start, end=end, speaker=text.one_line(unescape(speaker)), text=said)
