from __future__ import annotations

from pathlib import Path

import pytest

from onevoice.errors import ConfigError
from onevoice.glossary import Entry, Glossary

YAML = """
- term: OpenAI
  keep: true
  pronunciation: {ko: 오픈에이아이, es: open ei ai}
  note: the company
- term: neural network
  translations: {es: red neuronal, ko: 신경망, no: nevralt nett}
- term: network
  translations:
    es: red
    pt-BR: rede
- term: May
  keep: yes
  case_sensitive: true
- term: 2026
  translations: {es-MX: dos mil veintiséis}
- term: US
  translations: {es: EE. UU.}
"""

CSV = """term,keep,es,ko,no,pt-BR,es-MX,pronunciation:ko,pronunciation:es,case_sensitive,note
OpenAI,yes,,,,,,오픈에이아이,open ei ai,,the company
neural network,,red neuronal,신경망,nevralt nett,,,,,,
network,,red,,,rede,,,,,
May,x,,,,,,,,true,

2026,,,,,,dos mil veintiséis,,,,
US,,EE. UU.,,,,,,,,
"""


def written(tmp_path: Path, text: str, name: str = "glossary.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def glossary(tmp_path: Path) -> Glossary:
    return Glossary.read(written(tmp_path, YAML))


def test_yaml_is_text_throughout(glossary: Glossary) -> None:
    assert [entry.term for entry in glossary.entries] == [
        "2026",
        "May",
        "OpenAI",
        "US",
        "network",
        "neural network",
    ]
    by_term = {entry.term: entry for entry in glossary.entries}
    assert by_term["neural network"].translations["no"] == "nevralt nett"
    assert by_term["OpenAI"] == Entry(
        term="OpenAI",
        keep=True,
        pronunciation={"es": "open ei ai", "ko": "오픈에이아이"},
        note="the company",
    )
    assert by_term["US"].case_sensitive
    assert not by_term["network"].case_sensitive


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", CSV),
        ("a.csv", "\ufeff" + CSV.replace(",", ";")),
        ("a.tsv", CSV.replace(",", "\t").replace("\n", "\r\n")),
    ],
)
def test_a_table_says_the_same(tmp_path: Path, glossary: Glossary, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode())
    assert Glossary.read(path) == glossary


def test_a_korean_table_from_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("term,한국어\nOpenAI,오픈에이아이\n".encode("cp949"))
    assert Glossary.read(path).entries[0].translations == {"ko": "오픈에이아이"}


def test_order_does_not_matter_and_dumps_come_back(tmp_path: Path, glossary: Glossary) -> None:
    blocks = ["- term" + block for block in YAML.split("- term")[1:]]
    turned = Glossary.read(written(tmp_path, "\n".join(reversed(blocks)), "b.yml"))
    assert turned.dump() == glossary.dump()
    assert Glossary.load(glossary.dump()) == glossary
    assert Glossary.load(Glossary.EMPTY.dump()) == Glossary.EMPTY
    with pytest.raises(ConfigError, match="stored glossary"):
        Glossary.load(b'{"entries": 3}')


@pytest.mark.parametrize("text", ["", "# nothing\n", "[]"])
def test_an_empty_file_is_an_empty_glossary(tmp_path: Path, text: str) -> None:
    assert Glossary.read(written(tmp_path, text)) == Glossary.EMPTY
    assert Glossary.EMPTY.terms_in("OpenAI", "en", "es") == ()


@pytest.mark.parametrize(
    ("text", "source", "target", "expected"),
    [
        ("OpenAI's NEURAL  networks", "en", "es", [("OpenAI", "OpenAI")]),
        (
            "A Neural\nnetwork by openai.",
            "en",
            "es",
            [("neural network", "red neuronal"), ("OpenAI", "OpenAI")],
        ),
        (
            "The network is no neural network",
            "en",
            "es",
            [("neural network", "red neuronal"), ("network", "red")],
        ),
        ("networking, subnetwork, network2", "en", "es", []),
        ("a network", "en", "es-419", [("network", "red")]),
        ("a network", "en", "pt", [("network", "rede")]),
        ("a network", "en", "ko", []),
        ("May may go in May.", "en", "ko", [("May", "May")]),
        ("may", "en", "ko", []),
        ("between us", "en", "es", []),
        ("the US", "en", "es", [("US", "EE. UU.")]),
        ("in 2026", "en", "es", [("2026", "dos mil veintiséis")]),
        ("x2026", "en", "es", []),
        ("OpenAI는 OpenAI에서도", "ko", "es", [("OpenAI", "OpenAI")]),
        ("신경망으로부터", "ko", "es", [("신경망", "red neuronal")]),
        ("신경망학회", "ko", "es", []),
        ("これはOpenAIです", "ja", "es", [("OpenAI", "OpenAI")]),
        ("", "en", "es", []),
    ],
)
def test_terms_in(
    glossary: Glossary, text: str, source: str, target: str, expected: list[tuple[str, str]]
) -> None:
    assert glossary.terms_in(text, source, target) == tuple(expected)


def test_terms_are_data_not_patterns(tmp_path: Path) -> None:
    path = written(tmp_path, '- {term: "C++ (.*)", keep: true}\n- {term: O\'Neil, keep: true}\n')
    glossary = Glossary.read(path)
    assert glossary.terms_in("We use C++ (.*) here", "en", "es") == (("C++ (.*)", "C++ (.*)"),)
    assert glossary.terms_in("We use C++ (abc) here", "en", "es") == ()
    assert glossary.terms_in("by O’Neil", "en", "es") == (("O'Neil", "O'Neil"),)


def test_scripts_are_not_mixed(tmp_path: Path) -> None:
    glossary = Glossary.read(written(tmp_path, "- {term: network, translations: {zh-TW: 網路}}"))
    assert glossary.terms_in("network", "en", "zh") == ()
    assert glossary.terms_in("network", "en", "zh-Hant") == (("network", "網路"),)


def test_pronunciations_and_hints(glossary: Glossary) -> None:
    assert glossary.pronunciations("ko") == (("openai", "오픈에이아이"),)
    assert glossary.pronunciations("es-419") == (("openai", "open ei ai"),)
    assert glossary.pronunciations("pt") == ()
    assert glossary.hints("es") == (
        "dos mil veintiséis",
        "May",
        "OpenAI",
        "EE. UU.",
        "red",
        "red neuronal",
    )


@pytest.mark.parametrize(
    ("name", "text", "line", "message", "hint"),
    [
        ("g.yaml", "- term: A\n  tranlations: {es: a}", 2, "'tranlations'", "'translations'"),
        ("g.yaml", "- term: A\n  translations: {qqq: a}", 1, "'qqq' is no language", ""),
        ("g.yaml", "- term: A\n  es: a", 2, "'es' is no key", "translations: {es: …}"),
        ("g.yaml", "- term: A\n- {keep: true}", 2, "no term", "term:"),
        ("g.yaml", "- term: A\n- term: B\n- term: a\n  case_sensitive: false", 3, "", ""),
        ("g.yaml", "- term: a b\n- term: A B\n  case_sensitive: false", 2, "line 1 already", ""),
        ("g.yaml", "- term: A\n  term: B", 2, "'term' is there twice", ""),
        ("g.yaml", "- term: A\n  translations: {es: a, es-ES: b}", 1, "has es twice", ""),
        ("g.yaml", "- term: A\n  translations: hola", 1, "translations is a text", "es:"),
        ("g.yaml", "- term: [A]", 1, "term must be a text", ""),
        ("g.yaml", "- term: {a: b}", 1, "term must be a text", ""),
        ("g.yaml", "- term: A\n  keep: perhaps", 1, "keep is 'perhaps'", "true or false"),
        ("g.yaml", "- term: A\n  pronunciation: {es: ''}", 1, "nothing for es", ""),
        ("g.yaml", "term: A", 1, "a glossary is a list", "- term:"),
        ("g.yaml", "- OpenAI", 1, "an entry has keys", ""),
        ("g.yaml", "- term: [A\n- b: ]", 2, "no YAML", ""),
        ("g.csv", "term,keep,spanisch\nA,x,a", 1, "'spanisch' is no language", ""),
        ("g.csv", "terms,es\nA,a", 1, "'terms'", "'term'"),
        ("g.csv", "es,ko\na,b", 1, "no column 'term'", "term,es,ko"),
        ("g.csv", "term,es,Spanish\nA,a,b", 1, "column es is there twice", ""),
        ("g.csv", "term,es\nA,a,b", 2, "3 cells under 2 columns", "quotes"),
        ("g.csv", "term,es\nA,a\n,b", 3, "no term", ""),
        ("g.csv", 'term,es\nA,"a\n', 2, "no CSV", ""),
    ],
)  # fmt: skip
def test_errors_name_the_line_and_what_is_near(
    tmp_path: Path, name: str, text: str, line: int, message: str, hint: str
) -> None:
    path = written(tmp_path, text, name)
    if not message:  # an all-capitals term and the same in small letters are two terms
        assert len(Glossary.read(path).entries) == 3
        return
    with pytest.raises(ConfigError) as caught:
        Glossary.read(path)
    assert caught.value.message.startswith(f"{path}, line {line}: ")
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.hint


@pytest.mark.parametrize("name", ["missing.yaml", "folder.yaml", "glossary.txt"])
def test_what_is_no_glossary(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.yaml").mkdir()
    written(tmp_path, "- term: A", "glossary.txt")
    with pytest.raises(ConfigError, match=name):
        Glossary.read(tmp_path / name)


@pytest.mark.parametrize("text", ["[" * 5000, "&a [*a]", "- &a {term: *a}"])
def test_hostile_yaml_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        Glossary.read(written(tmp_path, text))
