"""A multimodal judge before a real server: pytest tests/test_reward_mllm.py"""

import base64
import io
import math
import sys
import threading
import wave
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("openai", reason="judges behind an endpoint need the [judge] extra")

import judge_server
from judge_server import JSON_LIES, LOGPROB_LIES, JudgeServer, clip, serving

from enliven.errors import BadMedia, BadOption, ModelUnavailable
from enliven.metrics.watch import Stretch
from enliven.reward import evaluate
from enliven.reward.asking import ATTEMPTS, Asker, Budget
from enliven.reward.endpoint import Endpoint, mp4, wav
from enliven.reward.judge import AXES, Mark, axis_scores, judge_frames
from enliven.reward.message import Pictures, Question, Reply, Sound, Text, Unanswered
from enliven.reward.mllm import MLLMJudge, mllm_judge
from enliven.reward.rubric import RUBRIC
from enliven.reward.windows import Views, cut, shown_for, windows
from enliven.types import Scorecard


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "OPENAI_API_KEY", "ENLIVEN_JUDGE_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with serving() as running:
        yield running


def judge_of(server: JudgeServer, *, timeout: float = 20.0, **options: Any) -> MLLMJudge:
    options = {"untested": True, "wordings": 1, "pause": 0.001, **options}
    return MLLMJudge(Endpoint(server.url, "tiny", timeout=timeout), **options)


def values(marks: list[Mark], axis: str) -> list[float]:
    return [mark.value for mark in marks if mark.axis == axis]


def test_a_stretch_gets_a_mark_for_each_axis_and_window(server: JudgeServer) -> None:
    marks = judge_of(server)(clip(0, start=20.0))
    assert [(m.axis, m.start, m.stop) for m in marks] == [
        (axis, start, start + 2) for axis in AXES for start in (20.0, 22.0)
    ]
    scores = axis_scores(marks)
    assert scores["lip_sync"].value > 4
    # an honest 4.5, whatever the 2% of other words
    assert scores["motion"].value == pytest.approx(4.5, abs=0.01)
    assert all(score.valid and score.why for score in scores.values())


def test_sound_is_a_part_of_its_own_and_the_mouth_is_dense(server: JudgeServer) -> None:
    stretch = clip(1)
    judge_of(server).marks(stretch, ["lip_sync"])
    body = next(r for r in server.requests if len(r["messages"][0]["content"]) > 4)
    content = body["messages"][0]["content"]
    kinds = [block["type"] for block in content]
    assert kinds.count("image_url") == 25 + 8  # of 2 s: mouth at 12.5, face at 4 a second
    assert kinds.count("input_audio") == 1
    assert not any("video" in kind for kind in kinds)
    assert (body["max_tokens"], body["logprobs"], body["top_logprobs"]) == (1, True, 20)
    assert (body["temperature"], body["top_p"]) == (1, 1)  # probabilities as they are
    _, _, sound = judge_server.seen(content)
    assert sound is not None
    starts = [w.sound for w in windows(stretch)]
    assert min(np.abs(sound - start).max() for start in starts) < 1e-4


def test_wordings_are_averaged(server: JudgeServer) -> None:
    one = judge_of(server, wordings=1)
    three = judge_of(server, wordings=3)
    assert axis_scores(one(clip(0)))["motion"].value == pytest.approx(
        axis_scores(three(clip(0)))["motion"].value
    )
    assert three.costs.requests - one.costs.requests == 2 * 2 * 3  # windows, axes


def test_without_probabilities_a_strict_object_is_asked_for(server: JudgeServer) -> None:
    server.mode = "no logprobs"
    scores = axis_scores(judge_of(server)(clip(0)))
    assert scores["motion"].value == 4
    assert scores["motion"].why == "the lips are late"


@pytest.mark.parametrize(
    "mode",
    ["500", "429", "401", "close", "html", "broken json", "no choices", *LOGPROB_LIES,
     *JSON_LIES],
)  # fmt: skip
def test_36_a_server_that_fails_gives_no_number(server: JudgeServer, mode: str) -> None:
    server.mode = mode
    marks = judge_of(server)(clip(0, frames=50))
    assert len(marks) == 3
    assert all(math.isnan(mark.value) and mark.why for mark in marks)
    scores = axis_scores(marks)
    assert not any(score.valid for score in scores.values())


@pytest.mark.parametrize("mode", ["500", "close", "html", "words", "nan logprob"])
def test_36_a_server_that_fails_later_gives_no_number(server: JudgeServer, mode: str) -> None:
    judge = judge_of(server)
    assert all(math.isfinite(mark.value) for mark in judge(clip(0, frames=50)))
    server.mode = mode
    assert judge.unsettled == 0
    assert all(math.isnan(mark.value) for mark in judge(clip(1, frames=50)))
    assert judge.unsettled == 1
    server.mode = "honest"
    assert all(math.isfinite(mark.value) for mark in judge(clip(1, frames=50)))


def test_36_a_server_that_is_too_slow_gives_no_number(server: JudgeServer) -> None:
    server.mode = "slow"
    marks = judge_of(server, timeout=0.05)(clip(0, frames=50))
    assert all(math.isnan(mark.value) and "in time" in mark.why for mark in marks)
    assert len(server.requests) == ATTEMPTS


def test_36_no_server_gives_no_number() -> None:
    with serving() as server:
        judge = judge_of(server)
    marks = judge(clip(0, frames=50))
    assert all(math.isnan(mark.value) and "no connection" in mark.why for mark in marks)


def test_36_a_server_that_drops_the_sound_is_caught(server: JudgeServer) -> None:
    server.mode = "deaf"
    scores = axis_scores(judge_of(server)(clip(0)))
    for axis in ("lip_sync", "expressiveness"):
        assert not scores[axis].valid
        assert "drops the sound" in scores[axis].why
    assert scores["motion"].valid  # which needs none


def test_a_busy_server_is_asked_again(server: JudgeServer) -> None:
    server.mode, server.first = "busy", 2
    judge = judge_of(server)
    assert all(math.isfinite(mark.value) for mark in judge(clip(0, frames=50)))
    assert judge.costs.retries == 2
    assert judge.costs.failed == 0


def test_a_refused_key_is_not_tried_twice(server: JudgeServer) -> None:
    server.mode = "401"
    judge_of(server)(clip(0, frames=50))
    assert len(server.requests) == 1


def test_answers_are_kept_and_cost_nothing_the_second_time(
    server: JudgeServer, tmp_path: Path
) -> None:
    first = judge_of(server, cache=tmp_path)
    marks = first(clip(0))
    sent = len(server.requests)
    second = judge_of(server, cache=tmp_path)
    assert second(clip(0)) == marks
    assert second.costs.cached == 6
    assert len(server.requests) - sent == second.costs.requests == 4  # the checks of the server
    assert not list(tmp_path.rglob(".*"))
    # the same moments, elsewhere in a video, are the same question
    assert [m.value for m in second(clip(0, start=60.0))] == [m.value for m in marks]


@pytest.mark.parametrize("change", ["rubric", "model", "samples", "pixel", "views"])
def test_37_any_change_of_what_is_asked_misses_the_cache(
    server: JudgeServer, tmp_path: Path, change: str
) -> None:
    judge_of(server, cache=tmp_path).marks(clip(0, frames=50), ["lip_sync"])
    stretch, options, model = clip(0, frames=50), {}, "tiny"
    if change == "rubric":
        questions = {axis: tuple(f"{q} " for q in own) for axis, own in RUBRIC.questions.items()}
        options["rubric"] = replace(RUBRIC, questions=questions)
    elif change == "model":
        model = "tinier"
    elif change == "samples":
        stretch = replace(stretch, samples=stretch.samples * np.float32(0.999))
    elif change == "pixel":
        mouths = stretch.mouths.copy()
        mouths[0, 0, 0] += 1
        stretch = replace(stretch, mouths=mouths)
    else:
        options["views"] = Views(mouth=25.0)
    other = MLLMJudge(Endpoint(server.url, model), cache=tmp_path, wordings=1, **options)
    other.marks(stretch, ["lip_sync"])
    assert other.costs.cached == 0


def test_37_names_tell_judges_apart(server: JudgeServer) -> None:
    plain = judge_of(server)
    others = [
        judge_of(server, rubric=replace(RUBRIC, digit="A digit, please.")),
        judge_of(server, wordings=2),
        judge_of(server, views=Views(face=2.0)), judge_of(server, scoring="json"),
        MLLMJudge(Endpoint(server.url, "other")), 
        judge_of(server, untested=False), judge_of(server, untested=False, canaries=[clip(0)]),
        judge_of(server, untested=False, canaries=[clip(1)]),
    ]  # fmt: skip
    assert len({plain.name, *(other.name for other in others)}) == 9
    assert plain.name == judge_of(server).name


def test_a_damaged_cache_is_no_cache(server: JudgeServer, tmp_path: Path) -> None:
    marks = judge_of(server, cache=tmp_path)(clip(0, frames=50))
    kept = sorted(tmp_path.rglob("*.json"))
    for path, content in zip(kept, ["", "[1]", '{"text": "5", "logprobs": "x"}'], strict=True):
        path.write_text(content)
    judge = judge_of(server, cache=tmp_path)
    assert judge(clip(0, frames=50)) == marks
    assert judge.costs.cached == 0


def test_failures_are_not_kept(server: JudgeServer, tmp_path: Path) -> None:
    judge = judge_of(server, cache=tmp_path)
    judge(clip(0, frames=50))
    kept = set(tmp_path.rglob("*.json"))
    server.mode = "words"
    judge(clip(1, frames=50))
    assert set(tmp_path.rglob("*.json")) == kept


def test_a_cache_that_cannot_be_written_costs_no_score(server: JudgeServer, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    marks = judge_of(server, cache=blocked / "below")(clip(0, frames=50))
    assert all(math.isfinite(mark.value) for mark in marks)


@pytest.mark.parametrize(
    ("budget", "why"),
    [
        (Budget(requests=5), "5 requests"),
        (Budget(seconds=0.0), "0 s"),
        (Budget(cost=0.001, price_in=5.0), "0.001 for tokens"),
    ],
)
def test_what_the_budget_does_not_allow_has_no_number(
    server: JudgeServer, budget: Budget, why: str
) -> None:
    judge = judge_of(server, budget=budget)
    marks = judge(clip(0, frames=250))
    lacking = [mark for mark in marks if math.isnan(mark.value)]
    assert lacking
    assert all(why in mark.why for mark in lacking)
    assert len(server.requests) <= 20
    assert judge.costs.requests == len(server.requests)


def test_costs_are_what_was_sent(server: JudgeServer) -> None:
    judge = judge_of(server, budget=Budget(price_in=10.0, price_out=100.0))
    judge(clip(0))
    costs = judge.costs
    assert costs.requests == len(server.requests) == 4 + 6
    assert (costs.tokens_in, costs.tokens_out) == (1000, 10)
    assert costs.money == pytest.approx(1000 * 10e-6 + 10 * 100e-6)
    assert "10 requests" in str(costs)


def test_the_same_question_is_sent_once(server: JudgeServer) -> None:
    frozen = replace(clip(0), faces=np.full((100, 8, 8, 3), 90, np.uint8))
    judge = judge_of(server)
    assert len(judge.marks(frozen, ["motion"])) == 2
    assert len(server.requests) == 1 + 1  # how it answers, and one of two equal windows


def test_questions_are_asked_several_at_a_time() -> None:
    class Slow:
        name, identity, workers = "slow", "slow", 4
        together = most = 0
        lock = threading.Lock()
        full = threading.Event()

        def ask(self, question: Question) -> Reply:
            with self.lock:
                self.together += 1
                self.most = max(self.most, self.together)
                if self.together == self.workers:
                    self.full.set()
            self.full.wait(5)
            with self.lock:
                self.together -= 1
            return Reply("3", {"3": 0.0})

    slow = Slow()
    readings = Asker(slow).answers([Question((Text(str(i)),)) for i in range(8)])
    assert [reading.value for reading in readings] == [3] * 8
    assert slow.most == 4


def test_a_server_that_asks_for_patience_beyond_reason_is_left() -> None:
    class Later:
        name, identity, workers, asked = "later", "later", 1, 0

        def ask(self, question: Question) -> Reply:
            self.asked += 1
            raise Unanswered("later", retry=True, wait=3600.0)

    later = Later()
    assert not Asker(later).answer(Question((Text("?"),))).valid
    assert later.asked == 1


def test_35_preferring_what_comes_first_is_no_preference(server: JudgeServer) -> None:
    judge = judge_of(server)
    server.mode = "honest"
    judge._refused()  # the checks, which a biased answer would not pass
    server.mode = "first"
    for axis in AXES:
        assert judge.compare(clip(0), clip(1), axis).value == pytest.approx(0.5, abs=1e-12)


def test_35_a_preference_is_the_same_whichever_way_round(
    server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    better = clip(0, frames=50)
    worse = replace(better, mouths=better.mouths[:1].repeat(50, 0))

    def choose(mode: str, body: dict[str, Any]) -> dict[str, Any]:
        made = plain(mode, body)
        text, rows, _ = judge_server.seen(body["messages"][0]["content"])
        if "FIRST CLIP" in text:  # sees which mouth moves, and leans to what comes first
            first, second = (rows[i].std() > 1 for i in (0, 2))
            shares = (0.6, 0.1, 0.3) if first and not second else (0.3, 0.5, 0.2)
            top = [{"token": str(k), "logprob": math.log(p)} for k, p in enumerate(shares, 1)]
            made["choices"][0]["logprobs"]["content"][0]["top_logprobs"] = top
        return made

    plain = judge_server.answer
    monkeypatch.setattr(judge_server, "answer", choose)
    judge = judge_of(server)
    there, back = (judge.compare(*pair, "lip_sync").value
                   for pair in ((better, worse), (worse, better)))  # fmt: skip
    # first shown first: 0.6 + 0.3 / 2; second shown first: 1 - (0.3 + 0.2 / 2)
    assert there == pytest.approx((0.75 + 0.6) / 2)
    assert there + back == pytest.approx(1)


def test_comparisons_that_cannot_be_made_say_so(server: JudgeServer) -> None:
    judge = judge_of(server)
    unseen = replace(clip(0), valid=np.zeros(100, bool))
    assert math.isnan(judge.compare(unseen, clip(1), "motion").value)
    assert math.isnan(judge.compare(clip(0, sounds=False), clip(1), "lip_sync").value)
    with pytest.raises(BadOption, match="beauty"):
        judge.compare(clip(0), clip(1), "beauty")
    server.mode = "500"
    reason = judge.compare(clip(0), clip(1), "motion")
    assert math.isnan(reason.value)
    assert "500" in reason.why


def test_what_is_not_there_is_not_judged(server: JudgeServer) -> None:
    judge = judge_of(server)
    scores = axis_scores(judge(clip(0, sounds=False)))
    assert not scores["lip_sync"].valid
    assert "no sound" in scores["lip_sync"].why
    assert scores["expressiveness"].valid
    nobody = replace(clip(0), valid=np.zeros(100, bool))
    assert not any(score.valid for score in axis_scores(judge(nobody)).values())
    assert all("short" in mark.why for mark in judge(clip(0, frames=5)))


def test_the_worst_window_is_explained_and_no_score_changes(server: JudgeServer) -> None:
    plain, told = judge_of(server)(clip(0)), judge_of(server, explain=True)(clip(0))
    assert [m.value for m in plain] == [m.value for m in told]
    assert sum(mark.why == "the lips are late" for mark in told) == 3


def test_untested_models_are_not_believed(server: JudgeServer) -> None:
    marks = judge_of(server, untested=False)(clip(0))
    assert all(math.isnan(mark.value) and "not been tested" in mark.why for mark in marks)


def test_keys_go_to_whom_they_belong(server: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    question = Question((Text("?"),))
    for name, sent in (("OPENAI_API_KEY", "none"), ("ENLIVEN_JUDGE_KEY", "ours")):
        monkeypatch.setenv(name, "ours" if name.startswith("ENLIVEN") else "openai's own")
        Endpoint(server.url, "tiny").ask(question)
        assert server.keys[-1] == f"Bearer {sent}"


def test_a_video_part_holds_the_frames_at_their_rate(server: JudgeServer) -> None:
    import av

    frames = np.random.default_rng(0).integers(0, 255, (25, 33, 48, 3), np.uint8)
    parts = (Pictures(frames, 12.5), Sound(np.zeros(160, np.float32)))
    Endpoint(server.url, "tiny", pictures="video", sound="audio_url").ask(Question(parts))
    picture, sound = server.requests[-1]["messages"][0]["content"]
    content = base64.b64decode(picture["video_url"]["url"].split(",", 1)[1])
    assert content == mp4(frames, 12.5)  # the same bytes each time
    with av.open(io.BytesIO(content)) as file:
        stream = file.streams.video[0]
        times = [float(frame.pts * stream.time_base) for frame in file.decode(stream)]
    np.testing.assert_allclose(times, np.arange(25) / 12.5, atol=1e-6)
    assert base64.b64decode(sound["audio_url"]["url"].split(",", 1)[1]) == wav(parts[1].samples)


def test_requests_are_worded_as_the_server_wants(server: JudgeServer) -> None:
    question = Question((Text("?"),))
    extra = {"chat_template_kwargs": {"enable_thinking": False}}
    Endpoint(server.url, "x", limit="max_completion_tokens", extra=extra).ask(question)
    assert server.requests[-1]["max_completion_tokens"] == 1
    assert "max_tokens" not in server.requests[-1]
    assert server.requests[-1]["chat_template_kwargs"] == {"enable_thinking": False}


def test_a_photo_that_only_sounds_is_seen_through(
    server: JudgeServer, portrait_jpg: Path, speech_wav: Path, face_networks: Path
) -> None:
    """From frames in memory to a scorecard, with a face that is tracked and cut out."""
    photo = cv2.cvtColor(cv2.imread(str(portrait_jpg)), cv2.COLOR_BGR2RGB)
    with wave.open(str(speech_wav)) as file:
        samples = np.frombuffer(file.readframes(32000), "<i2") / np.float32(32768)
    card = judge_frames([photo] * 50, 25.0, samples, judge=judge_of(server))
    # JPEG and the tracker leave next to nothing moving
    assert [card.scores[axis].value for axis in AXES] == pytest.approx([1, 1, 1], abs=0.01)
    assert card.judge.startswith("mllm tiny")


def test_scorecards_that_lack_answers_are_asked_again(
    server: JudgeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def card(path: Path, *, judge: MLLMJudge, **options: Any) -> Scorecard:
        return Scorecard(axis_scores(judge(clip(0))), judge.name)

    monkeypatch.setattr(evaluate, "judge", card)
    monkeypatch.setattr(evaluate, "Recorder", lambda: SimpleNamespace(
        add=None, record=lambda: None))  # fmt: skip
    kept: list[bool] = []
    monkeypatch.setattr(evaluate, "put", lambda *_: kept.append(True))
    video = tmp_path / "video.mp4"
    video.write_text("any")
    judge = judge_of(server)
    server.mode = "500"
    evaluate.judged_once(video, None, None, judge, tmp_path)
    assert not kept
    server.mode = "honest"
    evaluate.judged_once(video, None, None, judge, tmp_path)
    assert kept


def test_windows_part_a_stretch_evenly() -> None:
    for count in (1, 49, 50, 51, 99, 250):
        edges = [(w.first, w.last) for w in windows(clip(0, frames=count))]
        assert edges[0][0] == 0
        assert edges[-1][1] == count
        assert all(a[1] == b[0] for a, b in pairwise(edges))
        lengths = [b - a for a, b in edges]
        assert max(lengths) <= 50
        assert max(lengths) - min(lengths) <= 1


def test_a_cut_keeps_picture_and_sound_together() -> None:
    whole = clip(3)
    part = cut(whole, 50, 100)
    one, other = windows(whole)[1], windows(part)[0]
    assert part.start == 2.0
    for axis in AXES:
        first, second = (Question(shown_for(axis, w, RUBRIC, Views())) for w in (one, other))
        assert first.digest == second.digest


def test_lost_frames_repeat_the_mouth_before_them(server: JudgeServer) -> None:
    stretch = clip(0, frames=50)
    valid = stretch.valid.copy()
    valid[10:20] = False
    mouths = stretch.mouths.copy()
    mouths[~valid] = 0
    parts = shown_for("lip_sync", windows(replace(stretch, valid=valid, mouths=mouths))[0],
                      RUBRIC, Views(mouth=25.0))  # fmt: skip
    pictures = next(part for part in parts if isinstance(part, Pictures))
    assert pictures.frames.min() >= 39
    assert (pictures.frames[10:20] == pictures.frames[9]).all()


def test_questions_differ_when_anything_in_them_differs() -> None:
    frames = np.zeros((2, 4, 4, 3), np.uint8)
    base: tuple[Any, ...] = (Text("a"), Text("b"), Pictures(frames, 4.0), Sound(np.zeros(4, "f4")))
    others: list[Question] = [
        Question(base), Question(base, "json"), Question(base, highest=3), Question(base[::-1]),
        Question((Text("ab"), *base[2:])), Question((Text("ab"), Text(""), *base[2:])),
        Question((*base[:2], Pictures(frames, 5.0), base[3])),
        Question((*base[:2], Pictures(frames.reshape(1, 8, 4, 3), 4.0), base[3])),
        Question((*base[:3], Sound(np.zeros(5, "f4")))),
    ]  # fmt: skip
    assert len({question.digest for question in others}) == len(others)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "either"),
        ({"endpoint": "http://localhost/v1", "model": "x", "local": "."}, "either"),
        ({"endpoint": "http://localhost/v1"}, "no model"),
        ({"endpoint": "localhost:8000", "model": "x"}, "give a URL"),
    ],
)
def test_what_cannot_be_connected_is_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(BadOption, match=match):
        mllm_judge(**options)


def test_a_canary_that_is_no_file_is_refused_at_once(server: JudgeServer) -> None:
    with pytest.raises(BadMedia, match="does not exist"):
        mllm_judge(endpoint=server.url, model="x", canaries=["nowhere.mp4"])


def test_options_out_of_range_are_refused(server: JudgeServer) -> None:
    for make in (lambda: Views(mouth=5.0), lambda: Views(face=10.0), lambda: Budget(requests=-1),
                 lambda: Budget(seconds=math.nan), lambda: Budget(cost=1.0),
                 lambda: judge_of(server, wordings=9)):  # fmt: skip
        with pytest.raises(BadOption):
            make()


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ModelUnavailable, match=r"enliven\[judge\]"):
        mllm_judge(endpoint="http://localhost:1/v1", model="x")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelUnavailable, match=r"enliven\[judge-local\]"):
        mllm_judge(local=".")


def test_a_judge_is_one(server: JudgeServer, tmp_path: Path) -> None:
    def marks(judge: Any, stretch: Stretch) -> int:
        return len(judge(stretch)) + len(judge.name)

    judge = mllm_judge(endpoint=server.url, model="tiny", cache=tmp_path, untested=True)
    assert marks(judge, clip(0)) > 6
