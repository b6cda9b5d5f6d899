"""A server that speaks the OpenAI protocol and judges by plain measurement, or misbehaves.

Its clips are made so that what a judge should see can be measured: the mouth is as bright as the
sound is loud.  It decodes the pictures and the sound that it is sent and nothing else.
"""

import base64
import io
import json
import math
import threading
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from enliven.metrics.watch import CONTEXT, HOP, Stretch
from enliven.reward.judge import AXES
from enliven.reward.rubric import RUBRIC


def clip(seed: int, frames: int = 100, *, start: float = 0.0, sounds: bool = True) -> Stretch:
    """A stretch whose mouth is as bright as its sound is loud."""
    rng = np.random.default_rng(seed)
    steps = rng.random(frames // 3 + 30) > 0.5
    # loudness of each frame, the context of half a second on both sides included
    loud = np.repeat(steps, 3)[: frames + 2 * CONTEXT // HOP + 1].astype(np.float32)
    samples = np.repeat(loud, HOP)[: HOP * frames + 2 * CONTEXT]
    samples = samples * 0.3 * np.sin(0.2 * np.arange(len(samples)), dtype=np.float32)
    inner = CONTEXT / HOP
    level = np.array([loud[int(i + inner + 0.5)] for i in range(frames)])
    mouths = np.repeat((40 + 180 * level).astype(np.uint8), 48 * 64).reshape(frames, 48, 64)
    faces = np.repeat(mouths[:, :32, :32, None], 3, axis=3)
    nothing = np.zeros((frames, 478, 3), np.float32)
    box = np.tile(np.float32([0, 0, 1]), (frames, 1))
    return Stretch(start, nothing, np.ones(frames, bool), None, nothing, mouths, faces, box,
                   faces[:, :8, :8], (32, 32), samples.astype(np.float32), sounds,
                   25.0)  # fmt: skip


def seen(content: list[dict[str, Any]]) -> tuple[str, list[np.ndarray], np.ndarray | None]:
    """Text, brightness (n,) of each row of pictures, and samples of a request."""
    words, rows, sound, last = [], [], None, ""
    for block in content:
        kind = block["type"]
        if kind == "text":
            words.append(block["text"])
        elif kind == "image_url":
            coded = base64.b64decode(block["image_url"]["url"].split(",", 1)[1])
            picture = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR)
            if last != "image_url":
                rows.append([])
            rows[-1].append(float(picture.mean()))
        elif kind == "input_audio":
            with wave.open(io.BytesIO(base64.b64decode(block["input_audio"]["data"]))) as file:
                sound = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
        last = kind
    return " ".join(words), [np.array(row) for row in rows], sound


def verdict(text: str, rows: list[np.ndarray], sound: np.ndarray | None) -> float:
    """1 to 5, as a good viewer would say."""
    loudness = 0.0 if sound is None else float(np.sqrt(np.mean(sound**2)))
    if "human voice" in text:
        return 5.0 if loudness > 0.01 else 1.0
    axis = next((a for a in AXES if any(q in text for q in RUBRIC.questions[a])), "")
    if axis == "lip_sync":
        mouth = rows[0]
        if sound is None or loudness < 0.01 or mouth.std() < 1:
            return 1.0
        edges = np.linspace(0, len(sound), len(mouth) + 1).astype(int)
        loud = np.array([np.sqrt(np.mean(sound[a:b] ** 2))
                         for a, b in pairwise(edges)])  # fmt: skip
        return float(1 + 4 * max(0.0, np.corrcoef(mouth, loud)[0, 1]))
    if axis:
        return 1.0 if rows[0].std() < 1 else 4.5
    return 3.0


def spread(value: float, highest: int = 5) -> dict[str, float]:
    """Probabilities of digits whose expectation is `value`, and 2% for a word."""
    low = min(int(value), highest - 1)
    part = value - low
    chances = {str(low): 0.98 * (1 - part), str(low + 1): 0.98 * part, "The": 0.02}
    return {token: math.log(chance) if chance > 0 else -9999.0 for token, chance in chances.items()}


class JudgeServer(ThreadingHTTPServer):
    """mode: what it does wrong.  requests, keys: bodies and authorisations, as received.
    first: how many requests are refused at first, in mode "busy"."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.mode, self.first = "honest", 0
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up in these tests."""


class _Handler(BaseHTTPRequestHandler):
    server: JudgeServer

    def log_message(self, *args: Any) -> None:
        """Silent."""

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.requests.append(body)
            server.keys.append(self.headers["Authorization"])
            refuse = server.mode == "busy" and server.first > 0
            server.first -= refuse
        if server.mode == "close":
            self.connection.close()
            return
        if server.mode == "slow":
            time.sleep(1.0)
        status = {"500": 500, "429": 429, "401": 401}.get(server.mode, 429 if refuse else 200)
        if status != 200:
            self._send(status, json.dumps({"error": {"message": "out of order"}}).encode())
        elif server.mode == "html":
            self._send(200, b"<html>Welcome to nginx!</html>", "text/html")
        elif server.mode == "broken json":
            self._send(200, b'{"choices": [')
        else:
            self._send(200, json.dumps(answer(server.mode, body)).encode())

    def _send(self, status: int, content: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


JSON_LIES = {
    "wrong keys": '{"rating": 4, "why": "good"}', "more keys": '{"score": 4, "why": "a", "b": 1}',
    "out of range": '{"score": 9, "why": "great"}', "zero": '{"score": 0, "why": "bad"}',
    "nan": '{"score": NaN, "why": "?"}', "infinite": '{"score": Infinity, "why": "?"}',
    "quoted": '{"score": "4", "why": "good"}', "true": '{"score": true, "why": "good"}',
    "twice": '{"score": 1, "score": 5, "why": "good"}',
    "words around": 'Sure! {"score": 4, "why": ""}',
    "a list": "[4]", "empty": "", "null": '{"score": null, "why": "x"}',
}  # fmt: skip
LOGPROB_LIES: dict[str, list[dict[str, Any]]] = {
    "positive logprob": [{"token": "4", "logprob": 2.0}],
    "nan logprob": [{"token": "4", "logprob": math.nan}],
    "too much": [{"token": "4", "logprob": -0.01}, {"token": "5", "logprob": -0.01}],
    "text logprob": [{"token": "4", "logprob": "likely"}],
    "no token": [{"logprob": -0.1}],
    "words": [{"token": "I", "logprob": -0.1}, {"token": "4", "logprob": -3.0}],
}


def answer(mode: str, body: dict[str, Any]) -> dict[str, Any]:
    """The completion for a request."""
    text, rows, sound = seen(body["messages"][0]["content"])
    if mode == "deaf":
        sound = None
    value = verdict(text, rows, sound)
    if mode == "blind":
        value = 5.0 if "human voice" in text and sound is not None and sound.std() > 0.01 else 3.0
        value = 1.0 if "human voice" in text and value == 3.0 else value
    if "Write down the words" in text:
        said = "Now I can speak any words you care to record." if sound is not None else "Hello."
    elif "JSON" in text:
        said = json.dumps({"score": round(value), "why": "the lips are late"})
    else:
        said = str(round(value))
    chances = spread(value)
    if mode == "first":  # always prefers what is shown first
        chances = {"1": math.log(0.9), "2": math.log(0.1)}
    if mode == "words":
        said = "I think it is good."
    top = LOGPROB_LIES.get(mode) or [{"token": t, "logprob": p} for t, p in chances.items()]
    logprobs: Any = {"content": [{"token": said[:1], "logprob": -0.1, "top_logprobs": top}]}
    if mode in JSON_LIES or mode == "no logprobs" or not body.get("logprobs"):
        logprobs = None
    if mode in JSON_LIES and "JSON" in text:
        said = JSON_LIES[mode]
    choice = {"index": 0, "finish_reason": "stop", "logprobs": logprobs,
              "message": {"role": "assistant", "content": said}}  # fmt: skip
    return {
        "id": "1", "object": "chat.completion", "created": 0, "model": body["model"],
        "choices": [] if mode == "no choices" else [choice],
        "usage": {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101},
    }  # fmt: skip


@contextmanager
def serving() -> Iterator[JudgeServer]:
    """A running server."""
    server = JudgeServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
