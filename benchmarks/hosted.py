"""How much of a hosted engine's time is ours: lines spoken through OneVoice and by the bare SDK.

::

    python benchmarks/hosted.py [--lines 48] [--latency 0.4]

Everything asks one simulated service on the loopback that takes ``latency`` seconds for an
answer. The floor is what its answers take when ``requests_at_once`` of them are always under way.
Beside it the vendor's own SDK, in a loop and in a bare thread pool of the same width.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parent.parent))

import openai

from onevoice.engines.base import Runtime, SpeechRequest
from onevoice.engines.boundary import each
from onevoice.engines.synthesis.openai import OpenAISynthesis
from tests.simulators.base import KEY
from tests.simulators.openai import OpenAISimulator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=48)
    parser.add_argument("--latency", type=float, default=0.4, help="seconds an answer takes")
    given = parser.parse_args()
    os.environ["OPENAI_API_KEY"] = KEY
    texts = [f"Line {n} of a film, which is neither short nor long." for n in range(given.lines)]
    with TemporaryDirectory() as folder, OpenAISimulator() as service:
        runtime = Runtime(models_dir=Path(folder))
        width = runtime.requests_at_once
        floor = math.ceil(len(texts) / width) * given.latency
        print(f"{len(texts)} lines, {given.latency:g} s an answer, {width} at once")
        print(f"{'floor':24s} {floor:6.2f} s")
        ways: dict[str, Callable[[], None]] = {
            "SDK in a loop": lambda: sdk_loop(service, texts),
            "SDK in a thread pool": lambda: sdk_pool(service, texts, width),
            "OneVoice": lambda: onevoice(service, texts, runtime),
        }
        for name, speak in ways.items():
            service.faults.plan("slow", seconds=given.latency, times=len(texts), path="speech")
            began = time.perf_counter()
            speak()
            seconds = time.perf_counter() - began
            print(f"{name:24s} {seconds:6.2f} s  {seconds / floor:5.2f} x the floor")


def sdk_loop(service: OpenAISimulator, texts: list[str]) -> None:
    client = openai.OpenAI(api_key=KEY, base_url=f"{service.url}/v1", max_retries=0)
    for text in texts:
        one(client, text)


def sdk_pool(service: OpenAISimulator, texts: list[str], width: int) -> None:
    client = openai.OpenAI(api_key=KEY, base_url=f"{service.url}/v1", max_retries=0)
    with ThreadPoolExecutor(width) as threads:
        list(threads.map(lambda text: one(client, text), texts))


def one(client: openai.OpenAI, text: str) -> bytes:
    answer = client.audio.speech.create(
        model="tts-1", voice="alloy", input=text, response_format="wav"
    )
    return answer.read()


def onevoice(service: OpenAISimulator, texts: list[str], runtime: Runtime) -> None:
    params = OpenAISynthesis.Params(
        base_url=f"{service.url}/v1", key_variable="OPENAI_API_KEY", model="tts-1"
    )
    with OpenAISynthesis(params, runtime) as engine:
        requests = [SpeechRequest(text=text, language="en", voice="alloy") for text in texts]
        list(each(requests, engine.speak, at_once=engine.lines_at_once, runtime=runtime))


if __name__ == "__main__":
    main()
