"""A multimodal model behind any endpoint that speaks the OpenAI protocol: vLLM, SGLang, a cloud.

Nothing leaves the machine but what the user names an endpoint for.  Sound goes as a part of its
own; the sound of a video part is dropped silently by several servers.
"""

import base64
import contextlib
import hashlib
import io
import math
import os
import wave
from typing import Any, Literal, final
from urllib.parse import urlsplit

import cv2
import numpy as np
from numpy.typing import NDArray

from enliven.errors import BadOption, ModelUnavailable
from enliven.media.audio import SPEECH_RATE
from enliven.reward.digits import shown
from enliven.reward.message import Part, Pictures, Question, Reply, Text, Unanswered

KEY_NAME = "ENLIVEN_JUDGE_KEY"
TOP_LOGPROBS = 20  # the most that servers give
MOST_TOKENS = {"digit": 1, "json": 200, "text": 100}
JPEG_QUALITY = 92
VIDEO_CRF = 14  # of H.264; about 2 Mbit/s for a face of 240 px

PictureForm = Literal["images", "video"]
SoundForm = Literal["input_audio", "audio_url"]
LimitName = Literal["max_tokens", "max_completion_tokens"]


@final
class Endpoint:
    """One model of one server.

    url: up to and with its version, such as http://localhost:8000/v1.
    key: None takes that of the environment: ENLIVEN_JUDGE_KEY, and for OpenAI's own servers
        OPENAI_API_KEY.
    timeout: seconds for an answer.  workers: questions at once.
    pictures: "images", each a part of its own, or "video", one part for each row of pictures;
        servers differ in what they take, and may leave frames out of a video.
    sound: "input_audio", or "audio_url" as some servers want it.
    limit: what the server calls the length of an answer; some know only the newer name.
    extra: further fields of every request, such as {"mm_processor_kwargs": {...}}.
    Raises BadOption, and ModelUnavailable without the [judge] extra.
    """

    def __init__(
        self, url: str, model: str, *, key: str | None = None, timeout: float = 60.0,
        workers: int = 8, pictures: PictureForm = "images", sound: SoundForm = "input_audio",
        limit: LimitName = "max_tokens", extra: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        where = urlsplit(url)
        if where.scheme not in ("http", "https") or not where.hostname:
            raise BadOption(f"the judge's endpoint is {url!r}; give a URL such as "
                            "http://localhost:8000/v1")  # fmt: skip
        if not model:
            raise BadOption(f"no model is named for the judge at {url}; give the name under which "
                            "the server offers it")  # fmt: skip
        try:
            import openai
        except ImportError as error:
            raise ModelUnavailable("a judge behind an endpoint needs the openai client; run `pip "
                                   'install "enliven[judge]"`') from error  # fmt: skip
        self.name, self.workers = model, workers
        self._host, self._pictures, self._sound = where.hostname, pictures, sound
        self._limit, self._extra = limit, extra or {}
        settings = f"{url} {model} {pictures} {sound} {sorted(self._extra.items())}"
        self.identity = f"endpoint 1 {hashlib.sha256(settings.encode()).hexdigest()}"
        self._client = openai.OpenAI(
            base_url=url, api_key=key or _key(where.hostname), timeout=timeout, max_retries=0
        )

    def ask(self, question: Question) -> Reply:
        """Sends it.  Raises Unanswered."""
        settings: dict[str, Any] = {self._limit: MOST_TOKENS[question.kind], "temperature": 0}
        if question.kind == "digit":
            # some servers give probabilities after temperature and top_p: these leave them alone
            settings |= {"temperature": 1, "top_p": 1, "logprobs": True,
                         "top_logprobs": TOP_LOGPROBS}  # fmt: skip
        content = [block for part in question.parts for block in self._blocks(part)]
        try:
            completion = self._client.chat.completions.create(
                model=self.name, messages=[{"role": "user", "content": content}],
                seed=0, extra_body=self._extra, **settings,
            )  # fmt: skip
        except Exception as error:  # a foreign server can make the client raise anything
            raise _unanswered(error, self._host) from error
        try:
            return _reply(completion, question.kind == "digit")
        except (AttributeError, TypeError, ValueError, IndexError, KeyError) as error:
            raise Unanswered(f"{self._host} answered something that is no completion: "
                             f"{shown(str(completion), 60)!r}") from error  # fmt: skip

    def _blocks(self, part: Part) -> list[dict[str, Any]]:
        """A part as the protocol has it."""
        if isinstance(part, Text):
            return [{"type": "text", "text": part.words}]
        if isinstance(part, Pictures):
            if self._pictures == "video":
                return [_linked("video_url", "video/mp4", mp4(part.frames, part.fps))]
            return [_linked("image_url", "image/jpeg", jpeg(frame)) for frame in part.frames]
        content = wav(part.samples)
        if self._sound == "audio_url":
            return [_linked("audio_url", "audio/wav", content)]
        data = base64.b64encode(content).decode("ascii")
        return [{"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}]


def _key(host: str) -> str:
    """The user's key for a host; OpenAI's own is shown to nobody else."""
    own = os.environ.get(KEY_NAME)
    openai = host == "openai.com" or host.endswith(".openai.com")
    return own or (os.environ.get("OPENAI_API_KEY") if openai else None) or "none"


def _linked(kind: str, media: str, content: bytes) -> dict[str, Any]:
    data = base64.b64encode(content).decode("ascii")
    return {"type": kind, kind: {"url": f"data:{media};base64,{data}"}}


def jpeg(frame: NDArray[np.uint8]) -> bytes:
    """(h, w, 3) RGB."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    _, coded = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), quality)
    return coded.tobytes()


def wav(samples: NDArray[np.float32]) -> bytes:
    """Mono at 16 kHz, 16 bits."""
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SPEECH_RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes())
    return held.getvalue()


def mp4(frames: NDArray[np.uint8], fps: float) -> bytes:
    """(n, h, w, 3) RGB as H.264, the last row or column left out where their number is odd."""
    import av

    held = io.BytesIO()
    _, height, width, _ = frames.shape
    with av.open(held, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=round(fps * 2))
        stream.width, stream.height = width - width % 2, height - height % 2
        stream.pix_fmt, stream.thread_count = "yuv420p", 1
        stream.options = {"crf": str(VIDEO_CRF)}
        for i, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(frame[: stream.height, : stream.width]), format="rgb24"
            )
            picture.pts = 2 * i  # a clock of half frames, so that 12.5 a second are exact
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
    return held.getvalue()


def _reply(completion: Any, wanted: bool) -> Reply:
    """A completion as a Reply.  wanted: whether probabilities were asked for.

    Raises AttributeError, TypeError, ValueError or IndexError for what is no completion.
    """
    choice, usage = completion.choices[0], getattr(completion, "usage", None)
    tokens = [_number(getattr(usage, name, 0)) for name in ("prompt_tokens", "completion_tokens")]
    logprobs: dict[str, float] | None = None
    given = getattr(choice, "logprobs", None)
    if wanted and given is not None and given.content:
        top = given.content[0].top_logprobs
        if top:
            logprobs = {}
            for entry in top:
                if not isinstance(entry.token, str) or isinstance(entry.logprob, (bool, str)):
                    raise TypeError("a token or its probability is of another type")
                value = float(entry.logprob)
                if entry.token in logprobs:  # other bytes that read alike
                    value = float(np.logaddexp(logprobs[entry.token], value))
                logprobs[entry.token] = value
    text = choice.message.content
    if text is not None and not isinstance(text, str):
        raise TypeError("the content is no text")
    return Reply(text or "", logprobs, *tokens)


def _number(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _unanswered(error: Exception, host: str) -> Unanswered:
    """What the client raised, in a sentence, and whether to try again."""
    import openai

    if isinstance(error, openai.APITimeoutError):
        return Unanswered(f"{host} did not answer in time", retry=True)
    if isinstance(error, openai.APIStatusError):
        status, wait = error.status_code, 0.0
        with contextlib.suppress(ValueError):  # a date, which no server of this kind sends
            wait = max(0.0, float(error.response.headers.get("retry-after", "0")))
        said = shown(str(getattr(error, "message", "") or error), 160)
        retry = status in (408, 409, 429) or status >= 500
        return Unanswered(f"{host} answered with status {status}: {said}", retry=retry,
                          wait=wait if math.isfinite(wait) else 0.0)  # fmt: skip
    if isinstance(error, openai.APIConnectionError):
        reason = shown(str(error.__cause__ or error), 120)
        return Unanswered(f"no connection to {host}: {reason}", retry=True)
    return Unanswered(f"{host} sent an answer that cannot be read: {shown(str(error), 120)}")
