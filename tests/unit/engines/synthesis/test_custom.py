"""Any HTTP service: what is sent, what is found in the answer, and where it may not lead."""

from __future__ import annotations

import base64
import json
import socket
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from pydantic import ValidationError

pytest.importorskip("httpx")

from hypothesis import given
from hypothesis import strategies as st

from onevoice.engines.base import CLONE, Reference, Runtime, SpeechRequest
from onevoice.engines.metering import Meter, collecting
from onevoice.engines.synthesis import custom_template, downloads
from onevoice.engines.synthesis.custom import Custom
from onevoice.engines.synthesis.custom_params import CustomParams
from onevoice.engines.synthesis.decoding import pcm_wav
from onevoice.errors import (
    BudgetExceeded,
    EngineFailed,
    EngineRateLimited,
    EngineRefused,
    EngineUnavailable,
)
from tests.simulators.base import KEY as SECRET
from tests.simulators.custom import RATE, CustomSimulator

KEY = "MY_SPEECH_KEY"
HEADERS = {"X-Service-Key": f"${{{KEY}}}"}
BODY = {"text": "{text}", "voice": "{voice}", "speed": "{speed}"}
VOICES = [{"name": "ada", "language": "es", "sex": "female", "rate": 15.0}, {"name": "bo"}]
TEXT = 'Dijo: "sí", {voice} y {{no}} \\ basta'


@pytest.fixture
def sim(monkeypatch: pytest.MonkeyPatch) -> Iterator[CustomSimulator]:
    monkeypatch.setenv(KEY, SECRET)
    with CustomSimulator() as running:
        yield running


def build(sim: CustomSimulator, path: str = "/tts", *, more: Any = None, **params: Any) -> Custom:
    given_ = {"headers": HEADERS, "body": BODY, "voices": VOICES, **params}
    runtime = {"models_dir": Path(), "backoff": 0.01, "timeout": 2.0, **(more or {})}
    return Custom(CustomParams(url=sim.url + path, **given_), Runtime(**runtime))


def say(text: str = "Buenos días a todos.", voice: str = "ada", **more: Any) -> SpeechRequest:
    return SpeechRequest(text=text, language=more.pop("language", "es"), voice=voice, **more)


@pytest.fixture
def reference(tmp_path: Path) -> Reference:
    path = tmp_path / "S1.wav"
    tone = 0.3 * np.sin(2 * np.pi * 150 * np.arange(16_000) / 16_000)
    soundfile.write(path, tone.astype(np.float32), 16_000, subtype="FLOAT")
    return Reference(audio=path, digest="d" * 64, text="Hello.", language="en", speaker="S1")


# --- templates ------------------------------------------------------------------------------

VALUES: dict[str, custom_template.Value] = {
    "text": 'a "quoted" {speed} {{x}} \\',
    "voice": "ada",
    "language": "es",
    "speed": 1.25,
    "reference": None,
    "reference_text": None,
}


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{text}", VALUES["text"]),
        ("say {text}!", f"say {VALUES['text']}!"),
        ("{speed}", 1.25),
        ("x{speed}", "x1.25"),
        ("{{text}}", "{text}"),
        ("{}", "{}"),
        ({"a": ["{voice}", 3, True, None, "{reference}"]}, {"a": ["ada", 3, True, None]}),
        ({"a": "{reference}", "b": {"c": "{reference_text}"}}, {"b": {}}),
        ({"a": "<{reference}>"}, {"a": "<>"}),
        ({"{text}": "{voice}"}, {"{text}": "ada"}),
        (None, None),
    ],
)
def test_templates_are_filled_as_trees(template: Any, filled: Any) -> None:
    assert custom_template.fill(template, VALUES) == filled


@given(st.text())
def test_text_never_leaves_its_string(text: str) -> None:
    tree = {"input": {"text": "<{text}>", "voice": "{voice}"}, "n": 1}
    filled = custom_template.fill(tree, {**VALUES, "text": text})
    assert filled == {"input": {"text": f"<{text}>", "voice": "ada"}, "n": 1}


@pytest.mark.parametrize("name", ["txt", "text__class__", "0", "TEXT"])
def test_unknown_placeholders_are_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"unknown placeholder {{{name}}}"):
        custom_template.placeholders([{"a": "{text} {" + name + "}"}])


def test_url_keeps_a_value_in_its_segment() -> None:
    filled = custom_template.fill_url("http://h/v/{voice}/say", {**VALUES, "voice": "É/2?x=1#y"})
    assert filled == "http://h/v/%C3%89%2F2%3Fx%3D1%23y/say"


def test_pick_walks_objects_and_lists() -> None:
    answer = {"a": [{"b": {"0": "x"}}]}
    assert custom_template.pick(answer, "a.0.b.0") == "x"
    for path in ("c", "a.1", "a.x", "a.0.b.0.y"):
        with pytest.raises(LookupError, match="there is no"):
            custom_template.pick(answer, path)


# --- settings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"url": "ftp://h/"}, "http"),
        ({"url": "http://me:pw@h/"}, "no name or key"),
        ({"url": "http://h:99999/"}, "Port"),
        ({"url": "http:///say"}, "no address"),
        ({"url": "http://[h/"}, "IPv6"),
        ({"url": "http://{voice}.h/"}, "path"),
        ({"url": "http://h/{text}"}, "path may hold"),
        ({"url": "http://h/?text={text}"}, "query"),
        ({"url": "http://h/", "body": {"a": 1}}, "{text} stands neither"),
        ({"url": "http://h/", "body": {"a": "{txt}{text}"}}, "unknown placeholder"),
        ({"url": "http://h/", "body": "{text}"}, "no JSON"),
        ({"url": "http://h/", "method": "GET", "body": {"a": "{text}"}}, "use query"),
        ({"headers": {"Authorization": "Bearer sk-live-123456"}}, "looks like a key"),
        ({"headers": {"xi-api-key": "sk-live-123456"}}, "looks like a key"),
        ({"answer": "url:"}, "base64:<path>"),
        ({"answer": "json:a"}, "base64:<path>"),
        (
            {"url": "http://h/", "body": {"a": "{text}"}, "reference_as": "base64"},
            "{reference} stands neither",
        ),
    ],
)
def test_wrong_settings_are_refused(params: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        CustomParams(**params)
    assert said in str(caught.value)
    assert "sk-live" not in str(caught.value)


def test_body_may_be_given_as_text() -> None:
    params = CustomParams(url="http://h/", body='{"a": {"t": "{text}"}}')
    assert params.body == {"a": {"t": "{text}"}}


def test_identity_holds_no_secret_and_what_alters_the_sound(sim: CustomSimulator) -> None:
    plain = build(sim).identity()
    assert SECRET not in json.dumps(plain) and KEY not in json.dumps(plain)
    alike = ({"headers": {}}, {"usd_per_1k_characters": 1.0}, {"max_bytes": 10}, {"voices": []})
    for params in alike:
        assert build(sim, **params).identity() == plain
    for params in ({"speed": 1.1}, {"headers": {"Model": "b"}}, {"body": {**BODY, "seed": 1}}):
        assert build(sim, **params).identity() != plain


# --- what is sent ---------------------------------------------------------------------------


def test_request_as_the_service_gets_it(sim: CustomSimulator) -> None:
    body = {**BODY, "lang": "{language}", "options": {"n": 3}, "reference": "{reference}"}
    codes = {"es": "es-es"}
    with build(sim, body=body, speed=1.1, language_codes=codes, reference_as="base64") as engine:
        engine.speak(say(TEXT, rate=1.2))
    (asked,) = sim.log
    assert (asked.method, asked.path, asked.key_right) == ("POST", "/tts", True)
    assert asked.headers["content-type"] == "application/json"
    assert asked.body == {
        "text": TEXT,
        "voice": "ada",
        "speed": 1.32,
        "lang": "es-es",
        "options": {"n": 3},
    }


def test_query_as_the_service_gets_it(sim: CustomSimulator) -> None:
    query = {"text": "{text}", "voice": "{voice}", "speed": "{speed}", "seed": "1"}
    with build(sim, "/api/tts", method="GET", query=query, body=None) as engine:
        engine.speak(say("a&b=c #d ¿é?"))
    (asked,) = sim.log
    assert asked.query == {"text": "a&b=c #d ¿é?", "voice": "ada", "speed": "1.0", "seed": "1"}


@pytest.mark.parametrize("how", ["base64", "path"])
def test_reference_is_sent_with_its_text(
    sim: CustomSimulator, reference: Reference, how: str
) -> None:
    body = {**BODY, "reference": "{reference}", "said": "{reference_text}"}
    with build(sim, body=body, reference_as=how) as engine:
        assert engine.clones
        engine.speak(say(voice=CLONE, reference=reference))
    asked = sim.log[0].body
    sent = pcm_wav(reference.audio)
    assert asked["said"] == "Hello." and "voice" not in asked
    wanted = base64.b64encode(sent).decode() if how == "base64" else str(reference.audio)
    assert asked["reference"] == wanted


def test_cloning_is_refused_where_the_service_cannot(
    sim: CustomSimulator, reference: Reference
) -> None:
    with build(sim) as engine, pytest.raises(EngineRefused, match="no voice 'clone'"):
        assert not engine.clones
        engine.speak(say(voice=CLONE, reference=reference))


def test_voices_are_those_of_the_settings(sim: CustomSimulator) -> None:
    engine = build(sim, languages=["es", "en"])
    assert [(v.name, v.sex, v.rate) for v in engine.voices("es-MX")] == [
        ("ada", "female", 15.0),
        ("bo", "unknown", None),
    ]
    assert [v.name for v in engine.voices("en")] == ["bo"]
    assert engine.voices("ko") == ()
    assert [v.name for v in build(sim, voices=[]).voices("ko")] == ["default"]


# --- what comes back ------------------------------------------------------------------------


def test_every_way_of_answering_gives_the_same_sound(sim: CustomSimulator) -> None:
    with build(sim) as engine:
        plain = engine.speak(say())
    assert plain.sample_rate == RATE
    ways: list[tuple[str, dict[str, Any]]] = [
        ("/voices/{voice}/say", {"answer": "base64:data.0.audio.content"}),
        ("/linked", {"answer": "url:output.files.0.url"}),
        ("/tts", {"format": "pcm", "sample_rate": RATE, "body": {**BODY, "format": "pcm"}}),
        ("/tts", {"body": {**BODY, "format": "flac"}}),
    ]
    for path, params in ways:
        with build(sim, path, **params) as engine:
            speech = engine.speak(say())
        assert speech.sample_rate == RATE
        assert np.allclose(speech.samples, plain.samples, atol=1e-4), path


def test_voice_in_the_path_stays_one_segment(sim: CustomSimulator) -> None:
    answer = "base64:data.0.audio.content"
    with build(sim, "/voices/{voice}/say", answer=answer, voices=[{"name": "Émile/2"}]) as engine:
        engine.speak(say(voice="Émile/2"))
    assert sim.log[0].status == 200


def test_speech_is_stretched_where_the_service_knows_no_speed(sim: CustomSimulator) -> None:
    with build(sim, body={"text": "{text}", "voice": "{voice}"}) as engine:
        natural = engine.speak(say()).duration
        assert engine.speak(say(rate=1.25)).duration == pytest.approx(natural / 1.25, rel=0.03)
    assert sim.log[0].body == sim.log[1].body


def test_rates_are_those_of_the_service(sim: CustomSimulator) -> None:
    assert build(sim, speed=1.25).rates == (0.4, 1.6)
    assert build(sim, body={"text": "{text}"}).rates == (1.0, 1.0)


def test_answer_that_never_ends_is_refused(sim: CustomSimulator) -> None:
    with build(sim, max_bytes=1000) as engine, pytest.raises(EngineRefused, match="1000 bytes"):
        engine.speak(say())
    assert len(sim.log) == 1


def test_redirects_are_not_followed(sim: CustomSimulator) -> None:
    with build(sim, "/moved") as engine, pytest.raises(EngineRefused, match="elsewhere"):
        engine.speak(say())
    assert [entry.path for entry in sim.log] == ["/moved"]


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        ("base64:data.0.audio", '{"data": []}'),
        ("base64:data", '{"data": 7}'),
        ("base64:data", '{"data": "§§§"}'),
        ("base64:data", '{"data": "AAAA"}'),
        ("url:data", '{"data": null}'),
        ("url:data", "[" * 100_000),
        ("audio", '{"error": "warming up"}'),
    ],
)
def test_useless_answers_are_asked_for_again(sim: CustomSimulator, answer: str, body: str) -> None:
    with build(sim, answer=answer, more={"attempts": 3}) as engine:
        sim.faults.plan("body", body=body, times=3)
        with pytest.raises(EngineFailed):
            engine.speak(say())
    assert len(sim.log) == 3 and sim.faults.left == 0


# --- where an answer may lead ---------------------------------------------------------------

SERVICE = "https://tts.example/v1/say"


def resolving(monkeypatch: pytest.MonkeyPatch, **names: list[str]) -> None:
    table = {name.replace("_", "."): found for name, found in names.items()}

    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in table[host]]

    monkeypatch.setattr(downloads.socket, "getaddrinfo", look_up)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("/files/a.wav", "https://tts.example/files/a.wav"),
        ("a.wav", "https://tts.example/v1/a.wav"),
        ("https://TTS.example:443/a", "https://tts.example/a"),
    ],
)
def test_the_services_own_host_is_fetched_from(address: str, url: str) -> None:
    target = downloads.target_of(address, service=SERVICE, hosts=())
    assert str(target.url) == url and target.own


def test_a_listed_host_is_pinned_to_the_address_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, cdn_example=["93.184.216.34"], tts_example=["93.184.216.1"])
    for hosts in (["cdn.example"], ["cdn.example:8443"]):
        target = downloads.target_of("https://cdn.example:8443/a?b", service=SERVICE, hosts=hosts)
        assert str(target.url) == "https://93.184.216.34:8443/a?b"
        assert target.headers == {"Host": "cdn.example:8443"}
        assert target.extensions == {"sni_hostname": "cdn.example"} and not target.own


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/",
        "http://localhost:9200/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "https://other.example/a.wav",
        "//other.example/a.wav",
        "http://tts.example/a.wav",  # the same name without its certificate
        "https://tts.example:8443/a.wav",
        "https://user:pw@tts.example/a.wav",
        "https://cdn.example:9000/a.wav",
        "file:///etc/passwd",
        "gopher://tts.example/",
        "data:audio/wav;base64,AAAA",
        "http://[/",
        "http://a\x00b/",
    ],
)
def test_nothing_else_is_fetched(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    resolving(monkeypatch, cdn_example=["93.184.216.34"], tts_example=["93.184.216.1"])
    with pytest.raises(EngineRefused, match="not fetched") as caught:
        downloads.target_of(address, service=SERVICE, hosts=["cdn.example:443"])
    assert "download_hosts" in caught.value.hint


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        ["10.0.0.8"],
        ["169.254.169.254"],
        ["93.184.216.34", "192.168.1.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["fe80::1%eth0"],
        ["224.0.0.1"],
        ["0.0.0.0"],  # noqa: S104 - an address to refuse, nothing binds to it
        ["100.64.0.1"],
    ],
)
def test_a_listed_name_that_leads_inside_is_refused(
    monkeypatch: pytest.MonkeyPatch, found: list[str]
) -> None:
    resolving(monkeypatch, cdn_example=found, tts_example=["93.184.216.1"])
    with pytest.raises(EngineRefused, match="private network"):
        downloads.target_of("https://cdn.example/a", service=SERVICE, hosts=["cdn.example"])


def test_a_service_in_the_private_network_may_point_at_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolving(monkeypatch, files_local=["10.0.0.8"], tts_local=["10.0.0.8"], db_local=["10.0.0.9"])
    service, hosts = "http://tts.local:8000/say", ["files.local", "db.local"]
    target = downloads.target_of("http://files.local:9000/a", service=service, hosts=hosts)
    assert str(target.url) == "http://10.0.0.8:9000/a"
    with pytest.raises(EngineRefused):
        downloads.target_of("http://db.local/a", service=service, hosts=hosts)


def test_an_address_the_user_wrote_down_is_taken_at_their_word() -> None:
    target = downloads.target_of("http://10.0.0.6/a", service=SERVICE, hosts=["10.0.0.6"])
    assert str(target.url) == "http://10.0.0.6/a" and not target.own


def test_link_into_another_service_is_refused_and_never_asked(sim: CustomSimulator) -> None:
    with CustomSimulator(link="http://127.0.0.1:{name}") as inner:
        sim.link = inner.url + "/files/x"
        refused = pytest.raises(EngineRefused, match="not fetched")
        with build(sim, "/linked", answer="url:output.files.0.url") as engine, refused:
            engine.speak(say())
        assert inner.log == []


def test_key_stays_with_the_service(sim: CustomSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listed host gets the name it is asked for, and no header of the service's."""
    port = sim.port
    real = socket.getaddrinfo

    def look_up(host: str, *args: Any, **named: Any) -> Any:
        return real("127.0.0.1" if host == "files.test" else host, *args, **named)

    monkeypatch.setattr(downloads.socket, "getaddrinfo", look_up)
    sim.link = f"http://files.test:{port}/files/{{name}}"
    ways = {"answer": "url:output.files.0.url", "download_hosts": ["files.test"]}
    refused = pytest.raises(EngineUnavailable, match="401")
    with build(sim, "/linked", more={"attempts": 1}, **ways) as engine, refused:
        engine.speak(say())
    fetched = sim.requests("/files/")[0]
    assert not fetched.key_right and fetched.headers["host"] == f"files.test:{port}"


# --- trouble --------------------------------------------------------------------------------

FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 429, "retry_after": 0.05},
    {"kind": "status", "status": 500},
    {"kind": "cut"},
    {"kind": "malformed"},
    {"kind": "body", "body": "<html>busy</html>"},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f['kind']}{f.get('status', '')}")
def test_what_passes_is_tried_again(sim: CustomSimulator, fault: dict[str, Any]) -> None:
    with build(sim, usd_per_1k_characters=2.0) as engine, collecting() as used:
        sim.faults.plan(**fault, times=2)
        engine.speak(say())
    assert len(sim.log) == 3
    assert [(u.unit, u.quantity) for u in used] == [("characters", sim.bill.total("characters"))]
    assert used[0].usd == pytest.approx(0.002 * len(say().text))
    assert used[0].engine == "synthesis.custom"


def test_a_download_that_fails_is_not_paid_for_twice(sim: CustomSimulator) -> None:
    answer = "url:output.files.0.url"
    with build(sim, "/linked", answer=answer) as engine, collecting() as used:
        for fault in FAULTS:
            sim.faults.plan(**fault, path="/files/")
        engine.speak(say())
    assert len(sim.requests("/linked")) == 1 and len(sim.requests("/files/")) == 6
    assert sum(u.quantity for u in used) == sim.bill.total("characters")


def test_silent_service_times_out(sim: CustomSimulator) -> None:
    sim.faults.plan("slow", seconds=1.0)
    with build(sim, more={"timeout": 0.2}) as engine:
        engine.speak(say())
    assert sim.bill.count == 1


@pytest.mark.parametrize(
    ("status", "error", "hint"),
    [
        (401, EngineUnavailable, KEY),
        (402, EngineUnavailable, "credit"),
        (404, EngineRefused, "change"),
        (422, EngineRefused, "change"),
    ],
)
def test_what_does_not_pass_is_not_tried_again(
    sim: CustomSimulator, status: int, error: type[Exception], hint: str
) -> None:
    sim.faults.plan("status", status=status, message=f"no: {SECRET}")
    with build(sim) as engine, pytest.raises(error) as caught:
        engine.speak(say())
    assert len(sim.log) == 1 and sim.bill.count == 0
    assert hint in caught.value.hint
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_gives_up_at_last(sim: CustomSimulator) -> None:
    for status, error in ((429, EngineRateLimited), (503, EngineFailed)):
        sim.faults.plan("status", status=status, times=2)
        with build(sim, more={"attempts": 2}) as engine, pytest.raises(error):
            engine.speak(say())
    assert sim.faults.left == 0


def test_missing_key_url_and_money(sim: CustomSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    poor = {"meter": Meter(1e-6)}
    with build(sim, usd_per_1k_characters=1.0, more=poor) as engine, pytest.raises(BudgetExceeded):
        engine.speak(say())
    nowhere = Custom(CustomParams(), Runtime(models_dir=Path()))
    monkeypatch.delenv(KEY)
    # A chain asks whether it is ready, and goes on to the next engine.
    for ask in (nowhere.ready, lambda: nowhere.speak(say(voice="default"))):
        with pytest.raises(EngineUnavailable) as caught:
            ask()
        assert "synthesis.custom.url" in caught.value.hint
    with build(sim) as engine:
        for ask in (engine.ready, lambda: engine.speak(say())):
            with pytest.raises(EngineUnavailable, match=KEY):
                ask()
    assert sim.log == []


def test_nobody_there(sim: CustomSimulator) -> None:
    port = socket.create_server(("127.0.0.1", 0))
    address = port.getsockname()[1]
    port.close()
    params = CustomParams(url=f"http://127.0.0.1:{address}/", body=BODY, voices=VOICES)
    runtime = Runtime(models_dir=Path(), backoff=0.01, attempts=2)
    with Custom(params, runtime) as engine, pytest.raises(EngineFailed, match="no answer"):
        engine.speak(say())
