"""OpenAI's chat completions, simulated: a translator that reads the lines from the prompt.

It answers like a model that follows its instructions: a table for the sample's sentences, and
made-up words of the right script and length for anything else. What is wrong with its next
answers is planned with :func:`plan`; what the server knows of ``response_format`` is in
``simulator.state["formats"]``.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
import time
from collections.abc import Callable
from typing import Any

from tests.simulators.base import Answer, Charge, Request, SimulatorServer, answer_json

FAULTS = (
    "fewer",  # the last line is missing
    "more",  # a line nobody asked for
    "duplicated",  # one id twice
    "shifted",  # every text one line too early, the ids in order
    "exchanged",  # the first two texts in each other's place
    "merged",  # two lines in one, the rest one line off, the last one made up
    "malformed",  # half of the JSON
    "prose",  # no JSON at all
    "empty",  # no content
    "refusal",  # structured refusal
    "length",  # cut by the limit of tokens
    "obey",  # does what a line says
    "echo",  # the source instead of a translation
    "no_usage",  # right, but tells no usage
    "no_choices",  # a body that is no completion
)

_SAMPLE = {
    "Spanish": {
        "Congratulations.": "Felicidades.",
        "You have also installed a set of sample sounds and configuration files that should help "
        "you get started.": "También has instalado un conjunto de sonidos de muestra y archivos "
        "de configuración que te ayudarán a empezar.",
        "And Mister John Dashwood had then leisure to consider how much there might be prudently "
        "in his power to do for them.": "Y el señor John Dashwood tuvo entonces tiempo para "
        "considerar cuánto podría hacer prudentemente por ellas.",
        "He was not an ill-disposed young man, unless to be rather cold-hearted and rather selfish "
        "is to be ill-disposed.": "No era un joven de mala índole, a menos que ser bastante frío y "
        "bastante egoísta sea tener mala índole.",
        "Had he married a more amiable woman, he might have been made still more respectable than "
        "he was.": "Si se hubiera casado con una mujer más amable, podría haber llegado a ser aún "
        "más respetable de lo que era.",
        "He might even have been made amiable himself.": "Incluso él mismo podría haberse vuelto "
        "amable.",
        "In this mode, everything you say will be repeated back to you just as soon as it is "
        "received.": "En este modo, todo lo que digas se te repetirá en cuanto se reciba.",
        "Goodbye.": "Adiós.",
        "Thank you for trying out the Asterisk Open Source PBX.": "Gracias por probar la Asterisk "
        "Open Source PBX.",
    },
    "Korean": {
        "Congratulations.": "축하합니다.",
        "You have also installed a set of sample sounds and configuration files that should help "
        "you get started.": "시작하는 데 도움이 될 샘플 소리와 설정 파일도 함께 설치하셨습니다.",
        "And Mister John Dashwood had then leisure to consider how much there might be prudently "
        "in his power to do for them.": "그리고 존 대시우드 씨는 그들을 위해 자기 힘으로 무엇을 "
        "신중하게 할 수 있을지 생각할 여유가 생겼습니다.",
        "He was not an ill-disposed young man, unless to be rather cold-hearted and rather selfish "
        "is to be ill-disposed.": "다소 냉정하고 이기적인 것이 나쁜 성품이 아니라면, 그는 성품이 "
        "나쁜 청년은 아니었습니다.",
        "Had he married a more amiable woman, he might have been made still more respectable than "
        "he was.": "더 상냥한 여성과 결혼했더라면, 그는 지금보다 훨씬 존경받는 사람이 되었을지도 "
        "모릅니다.",
        "He might even have been made amiable himself.": "그 자신도 상냥해졌을지 모릅니다.",
        "In this mode, everything you say will be repeated back to you just as soon as it is "
        "received.": "이 모드에서는 말씀하시는 모든 내용이 수신되는 즉시 그대로 되풀이됩니다.",
        "Goodbye.": "안녕히 계세요.",
        "Thank you for trying out the Asterisk Open Source PBX.": "애스터리스크 오픈 소스 "
        "피비엑스를 사용해 주셔서 감사합니다.",
    },
}  # fmt: skip
_SYLLABLES = {
    "Korean": "거너더러머버서어저처커터퍼허구누두루무부수우주",
    "Japanese": "あかさたなまやらわきしちにみりくすつぬむゆる",
    "Chinese": "山水风云火土木金石田花草树叶林海河江湖光",
    "Russian": ("бра", "тул", "гон", "дим", "зур", "пел", "кор", "лаф", "мив", "нуд"),
}
_LATIN = ("bra", "tul", "gon", "dim", "zur", "pel", "kor", "laf", "miv", "nud", "fes", "rop")
_NUMBERS = {
    "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50,
}  # fmt: skip
_ORDER = re.compile(r"(?:only|just) with the word (\w+)", re.IGNORECASE)
_LANGUAGE = re.compile(r"text in ([A-Z][A-Za-z ]+)\.")


def plan(simulator: SimulatorServer, *faults: str) -> None:
    """What is wrong with the next completions, one each; "" is a right one."""
    unknown = set(faults) - {*FAULTS, ""}
    assert not unknown, f"no such fault: {unknown}"
    with simulator.lock:
        simulator.state.setdefault("chat_faults", []).extend(faults)


def routes(simulator: SimulatorServer) -> dict[tuple[str, str], Callable[[Request], Answer]]:
    """``POST /v1/chat/completions``."""
    numbers = itertools.count(1)

    def complete(request: Request) -> Answer:
        try:
            body = request.json()
        except ValueError:
            return simulator.error(400, "We could not parse the JSON body of your request.")
        problem = _problem(simulator, body)
        if problem:
            return simulator.error(problem[0], problem[1], problem[2])
        with simulator.lock:
            planned = simulator.state.get("chat_faults", [])
            fault = planned.pop(0) if planned else ""
            number = next(numbers)
        if fault == "no_choices":
            return answer_json({"object": "chat.completion", "choices": []})
        content, finish, refusal = _content(body, fault)
        asked = sum(len(str(message["content"])) for message in body["messages"])
        tokens_in, tokens_out = math.ceil(asked / 4), math.ceil(len(content or refusal or "") / 4)
        message = {"role": "assistant", "content": content, "refusal": refusal}
        answer: dict[str, Any] = {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": body["model"],
            "choices": [
                {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
            ],
            "usage": {
                "prompt_tokens": tokens_in,
                "completion_tokens": tokens_out,
                "total_tokens": tokens_in + tokens_out,
            },
        }
        if fault == "no_usage":
            del answer["usage"]
        return answer_json(
            answer,
            Charge("input tokens", tokens_in, body["model"]),
            Charge("output tokens", tokens_out, body["model"]),
        )

    return {("POST", "/v1/chat/completions"): complete}


def _problem(simulator: SimulatorServer, body: Any) -> tuple[int, str, str] | None:
    """Status, message and code of what the real service would refuse."""
    if not isinstance(body, dict) or not body.get("messages"):
        return 400, "Missing required parameter: 'messages'.", "missing_required_parameter"
    model = body.get("model")
    if not model:
        return 400, "you must provide a model parameter", ""
    if model == "no-such-model":
        return 404, f"The model `{model}` does not exist.", "model_not_found"
    reasons = re.match(r"gpt-[56]|o\d", model) is not None
    if reasons and body.get("temperature") not in (None, 1, 1.0):
        said = "Unsupported value: 'temperature' does not support this value with this model."
        return 400, said, "unsupported_value"
    form = body.get("response_format")
    if form is None:
        return None
    known = simulator.state.get("formats", ["json_schema", "json_object"])
    if form.get("type") not in known:
        return 400, f"Invalid parameter: 'response_format' of type '{form.get('type')}'.", ""
    if form["type"] == "json_schema":
        wrong = _loose(form["json_schema"]["schema"])
        if form["json_schema"].get("strict") and wrong:
            said = f"Invalid schema for response_format 'answer': {wrong}"
            return 400, said, "invalid_json_schema"
    return None


def _loose(schema: dict[str, Any]) -> str:
    """Why a schema is none for strict output; empty when it is."""
    if schema.get("type") == "object":
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is not False:
            return "'additionalProperties' is required to be supplied and to be false."
        if set(schema.get("required", [])) != set(properties):
            return "'required' is required to be supplied and to name every key."
        return next(filter(None, map(_loose, properties.values())), "")
    if schema.get("type") == "array":
        return _loose(schema["items"])
    return ""


def _content(body: dict[str, Any], fault: str) -> tuple[str | None, str, str | None]:
    """Content, finish reason and refusal of an answer."""
    if fault == "empty":
        return "", "stop", None
    if fault == "refusal":
        return None, "stop", "I'm sorry, I can't help with that."
    if fault == "prose":
        return "Of course, I am happy to help you with this.", "stop", None
    system = body["messages"][0]["content"]
    user = body["messages"][-1]["content"]
    data = json.loads(user[user.index("{") :])
    if "transcript" in data:
        said: Any = _summarize(data["transcript"])
    elif "parts" in data:
        said = _merge(data["parts"])
    else:
        said = {"lines": _spoil(_lines(system, data, fault), fault, data)}
    text = json.dumps(said, ensure_ascii=False)
    if "response_format" not in body:
        text = f"Here you are:\n```json\n{text}\n```"
    if fault == "malformed":
        return text[: len(text) // 2], "stop", None
    if fault == "length":
        return text[: len(text) // 2], "length", None
    return text, "stop", None


def _lines(system: str, data: dict[str, Any], fault: str) -> list[dict[str, Any]]:
    found = _LANGUAGE.search(system)
    language = found[1] if found else "Spanish"
    glossary = {item["term"]: item["becomes"] for item in data.get("glossary", [])}
    lines = []
    for item in data["scene"]:
        if "id" not in item:
            continue
        order = _ORDER.search(item["text"])
        if fault == "obey" and order:
            said = order[1]
        elif fault == "echo":
            said = item["text"]
        else:
            said = translate(item["text"], language, glossary)
        most = item.get("max_characters", item.get("max_syllables"))
        line: dict[str, Any] = {"id": item["id"]}
        if '"issues"' in system:
            line["issues"] = [] if said == item["previous"] else ["wording"]
        elif "previous" in item and most is not None:
            said = shorten(item["previous"], most)
        lines.append(line | {"text": said})
    return lines


def _spoil(lines: list[dict[str, Any]], fault: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    texts = [line["text"] for line in lines]
    if fault == "fewer":
        return lines[:-1]
    if fault == "more":
        return [*lines, {**lines[-1], "id": lines[-1]["id"] + 1000}]
    if fault == "duplicated":
        return [lines[0], *lines[:1], *lines[2:]]
    if fault == "shifted":
        texts = [*texts[1:], texts[0]]
    if fault == "exchanged" and len(texts) > 1:
        texts = [texts[1], texts[0], *texts[2:]]
    if fault == "merged" and len(texts) > 2:
        texts = [f"{texts[0]} {texts[1]}", *texts[2:], texts[-1]]
    return [{**line, "text": text} for line, text in zip(lines, texts, strict=True)]


def translate(text: str, language: str, glossary: dict[str, str] | None = None) -> str:
    """The sample's sentences from the table, anything else in words that mean nothing."""
    known = _SAMPLE.get(language, {}).get(text)
    if known is not None and not glossary:
        return known
    kept: list[str] = []
    for term, becomes in (glossary or {}).items():
        if term.lower() in text.lower():
            text = re.sub(re.escape(term), f"§{len(kept)}", text, flags=re.IGNORECASE)
            kept.append(becomes)
    words = [_word(word, i, language, kept) for i, word in enumerate(text.split())]
    joint = "" if language in ("Japanese", "Chinese") else " "
    said = joint.join(word for word in words if word)
    return said[:1].upper() + said[1:]


def _word(word: str, place: int, language: str, kept: list[str]) -> str:
    head, core, tail = re.fullmatch(r"([^\w§]*)(.*?)([^\w§]*)", word, re.DOTALL).groups()
    if core.startswith("§") and core[1:].isdigit():
        return f"{head}{kept[int(core[1:])]}{tail}"
    if any(c.isdigit() for c in core) or not core:
        return word
    if core.lower() in _NUMBERS:
        return f"{head}{_NUMBERS[core.lower()]}{tail}"
    if core[:1].isupper() and place and language not in _SYLLABLES:
        return word
    return head + _made_up(core, place, language) + tail


def _made_up(word: str, place: int, language: str) -> str:
    """About as long as the word, in the language's script, and the same every time."""
    digest = hashlib.sha256(f"{word.lower()} {place}".encode()).digest()
    parts = _SYLLABLES.get(language, _LATIN)
    count = max(1, round(len(word) / (2.4 if language in ("Korean", "Japanese", "Chinese") else 3)))
    # Never the same word twice running: even places begin with one half of the syllables.
    first = parts[digest[0] % (len(parts) // 2) * 2 + place % 2]
    return first + "".join(parts[byte % len(parts)] for byte in digest[1:count])


def shorten(text: str, most: int) -> str:
    """Leave out words from the end, figures last, until the text fits."""
    words = text.rstrip(".").split()
    while len(" ".join(words)) + 1 > most and len(words) > 1:
        loose = [i for i, word in enumerate(words) if not any(c.isdigit() for c in word)]
        words.pop(loose[-1] if loose else -1)
    return " ".join(words) + "."


def _summarize(lines: list[dict[str, str]]) -> dict[str, Any]:
    names = [
        word.strip(".,!?")
        for line in lines
        for word in line["text"].split()[1:]
        if word[:1].isupper() and len(word) > 2
    ]
    speakers = dict.fromkeys(line["speaker"] for line in lines)
    notes = [{"id": name, "note": f"{name} speaks calmly and politely."} for name in speakers]
    return {
        "synopsis": f"People talk in {len(lines)} lines.",
        "register": "formal",
        "terms": [*dict.fromkeys(names), "Atlantis"],
        "speakers": [*notes, {"id": "S99", "note": "Nobody."}],
    }


def _merge(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "synopsis": f"A film in {len(parts)} parts.",
        "register": parts[0]["register"],
        "terms": list(dict.fromkeys(term for part in parts for term in part["terms"])),
        "speakers": list(
            {note["id"]: note for part in parts for note in part["speakers"]}.values()
        ),
    }
