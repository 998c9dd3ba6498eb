"""Reading answers: what is taken, what is not, and how a shift gives itself away."""

from __future__ import annotations

import json

import pytest

from onevoice.engines.translation.checks import breaks_glossary
from onevoice.engines.translation.chrf import chrf
from onevoice.engines.translation.window_answers import (
    by_length_and_facts,
    judge,
    parse_lines,
    shifted,
)

TEXTS = (
    "Hello.",
    "My name is Margaret and I live in Edinburgh with two dogs.",
    "They cost 45 pounds.",
    "Every morning before work we walk along the canal for almost an hour.",
    "Why?",
    "Because it keeps us healthy, and because we like it.",
)
GOOD = (
    "Hola.",
    "Me llamo Margaret y vivo en Edinburgh con dos perros.",
    "Costaron 45 libras.",
    "Cada mañana, antes del trabajo, caminamos junto al canal durante casi una hora.",
    "¿Por qué?",
    "Porque nos mantiene sanos, y porque nos gusta.",
)


def answer(*lines: tuple[object, object]) -> str:
    return json.dumps({"lines": [{"id": n, "text": text} for n, text in lines]})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (answer((4, "a"), (5, "b")), {4: "a", 5: "b"}),
        (answer((5, "b"), (4, "a")), {4: "a", 5: "b"}),
        (answer(("4", "a"), (5, "b")), {4: "a", 5: "b"}),
        (answer((4, "a")), {4: "a"}),
        (answer((4, "a"), (5, "b"), (6, "c")), {4: "a", 5: "b"}),
        (answer((4, "a"), (4, "b"), (5, "c")), {5: "c"}),
        (answer((4, "a"), (5, " ")), {4: "a"}),
        (answer((4, None), (True, "x"), (5.5, "b"), (5, 7)), {}),
        ('[{"id": 4, "text": "a"}]', {4: "a"}),
        ('{"lines": {"4": "a", "5": "b"}}', {4: "a", 5: "b"}),
        ("Sure:\n```json\n" + answer((4, "a"), (5, "b")) + "\n```\nDone.", {4: "a", 5: "b"}),
        ("<think>" + answer((4, "no")) + "</think>" + answer((4, "a")), {4: "a"}),
        ('{"lines": [{"id": 4, "text": "a}{"}, {"id": 5, "te', {4: "a}{"}),
        ("4. a\n5) b", {4: "a", 5: "b"}),
        ("4: a\n9: x", {4: "a"}),
        ("", {}),
        ("I cannot do that.", {}),
        ("null", {}),
        ("{}", {}),
        ("<think>never ended", {}),
        ("4 is {hard}: " + answer((4, "no")) + "</think>\n" + answer((4, "a")), {4: "a"}),
        (answer((4, "<think> is a tag"), (5, "b")), {4: "<think> is a tag", 5: "b"}),
        ('{"answer": {"translations": [{"id": 4, "text": "a"}]}}', {4: "a"}),
        ('So: {"result": {"lines": [{"id": 4, "text": "a"}]}}', {4: "a"}),
        ('{"lines": {"id": 4, "text": "a"}}', {}),
        (answer(("²", "x"), ("٤", "x"), (5, "b")), {5: "b"}),
        (answer(("4" * 5000, "x"), (5, "b")), {5: "b"}),
        ("4" * 5000 + ". a\n5. b", {5: "b"}),
        ("[" * 100_000, {}),
        ('{"a":' * 3_000, {}),
        (answer((5, '{"id": 4, "text": "evil"}')), {5: '{"id": 4, "text": "evil"}'}),
        (answer((5, '{"id": 4, "text": "evil"} or so'))[:-9], {}),
        (answer((4, "a\u202e\n😀"), (5, "b")), {4: "a\u202e\n😀", 5: "b"}),
    ],
)
def test_parse(text: str, found: dict[int, str]) -> None:
    assert parse_lines(text, [4, 5]) == found


def test_a_single_line_may_come_bare() -> None:
    assert parse_lines("Hola.", [7]) == {7: "Hola."}
    assert parse_lines('{"text": "Hola."}', [7]) == {}


def suspects(answers: tuple[str, ...]) -> set[int]:
    cost = by_length_and_facts(TEXTS, answers, source="en", target="es")
    return shifted(answers, cost)


def test_right_answers_raise_no_suspicion() -> None:
    assert suspects(GOOD) == set()


@pytest.mark.parametrize("by", [1, -1])
def test_a_shift_is_seen(by: int) -> None:
    turned = GOOD[by:] + GOOD[:by]
    assert suspects(turned) >= {1, 2, 3, 4}


def test_a_merge_is_seen_where_it_begins() -> None:
    merged = (GOOD[0], f"{GOOD[1]} {GOOD[2]}", GOOD[3], GOOD[4], GOOD[5], "Muy bien.")
    found = suspects(merged)
    assert found >= {2, 3, 4}
    assert 0 not in found


def test_a_shift_of_rewritten_lines_is_seen_by_their_drafts() -> None:
    rewritten = tuple(text.replace("Me llamo", "Soy") for text in GOOD)

    def cost(index: int, said: str) -> float:
        return 1.0 - chrf(said, GOOD[index])

    assert shifted(rewritten, cost) == set()
    assert shifted(rewritten[1:] + rewritten[:1], cost) >= {0, 1, 2, 3, 4}


@pytest.mark.parametrize("pair", [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 3), (1, 4), (2, 5)])
def test_lines_with_each_others_answers_are_seen(pair: tuple[int, int]) -> None:
    turned = [*GOOD]
    turned[pair[0]], turned[pair[1]] = GOOD[pair[1]], GOOD[pair[0]]
    assert suspects(tuple(turned)) >= {*pair}


@pytest.mark.parametrize(
    ("term", "wanted", "said", "broken"),
    [
        ("server", "servidor", "Los SERVIDORES fallan.", False),
        ("server", "servidor", "Las máquinas fallan.", True),
        ("open source", "código abierto", "Es de códigos abiertos.", False),
        ("dub", "doblar", "Lo doblamos ayer.", False),
        ("car", "un", "Una casa.", True),
        ("Asterisk", "Asterisk", "Usamos asterisk.", False),
        ("Asterisk", "Asterisk", "Asterisk를 사용합니다.", False),
        ("Asterisk", "Asterisk", "Usamos Asterix.", True),
        ("voice mail", "음성사서함", "음성 사서함을 확인하세요.", False),
        ("voice mail", "음성사서함", "메일을 확인하세요.", True),
        ("image", "imagen", "Dos imágenes.", False),
        ("light", "luz", "Las luces.", False),
        ("net", "red", "Las redes.", False),
        ("net", "red", "Un reducto.", True),
        ("plane", "avião", "Dois aviões.", False),
        ("bread", "pão", "Os pães.", False),
        ("car", "un", "Unas casas.", True),
        ("OpenAI", "오픈AI", "오픈AI가 서울에서 발표했습니다.", False),
        ("♥", "♥", "Amor.", True),
    ],
)
def test_glossary(term: str, wanted: str, said: str, broken: bool) -> None:
    assert breaks_glossary(said, [(term, wanted)]) is broken


def test_a_term_kept_in_its_letters_is_no_mistake() -> None:
    text, said = "Run kubectl now.", "지금 kubectl을 실행하세요."
    assert judge(text, said, source="en", target="ko") == ("latin_words",)
    terms = (("kubectl", "kubectl"),)
    assert judge(text, said, source="en", target="ko", terms=terms) == ()


@pytest.mark.parametrize(
    ("text", "said", "term", "target"),
    [
        ("Run kubectl apply now.", "kubectl apply를 지금요.", "kubectl apply", "ko"),
        ("Try kubectl.", "kubectl 써요.", "kubectl", "ko"),
        ("kubectl apply", "kubectl apply", "kubectl apply", "es"),
        ("저는 김치를 좋아해요.", "Me gusta el 김치.", "김치", "es"),
    ],
)
def test_what_stays_as_it_is_may_be_most_of_the_line(
    text: str, said: str, term: str, target: str
) -> None:
    source = "ko" if target == "es" and "김치" in text else "en"
    terms = ((term, term),)
    assert judge(text, said, source=source, target=target) != ()
    assert judge(text, said, source=source, target=target, terms=terms) == ()


def test_other_latin_words_beside_a_kept_one_are_still_a_mistake() -> None:
    text, said = "Run kubectl on the server.", "서버 machine에서 kubectl을 실행하세요."
    terms = (("kubectl", "kubectl"),)
    assert judge(text, said, source="en", target="ko", terms=terms) == ("latin_words",)


def test_familiar_korean_is_right_in_an_informal_film() -> None:
    text, said = "Let's go home now.", "이제 집에 가자."
    assert judge(text, said, source="en", target="ko", familiar=True) == ()
