import pytest
from hypothesis import given
from hypothesis import strategies as st

from onevoice.engines.translation.wording import has_words, pieces, shield, tidy, unshield


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  two\n words\t", "two words"),
        ("nul\x00byte", "nul byte"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("zero\u200bwidth", "zero width"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("한국어", "한국어"),
    ],
)
def test_tidy(text: str, expected: str) -> None:
    assert tidy(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", False), ("...", False), ("42", False), ("♪ 🎵", False), ("a", True), ("네.", True)],
)
def test_has_words(text: str, expected: bool) -> None:
    assert has_words(text) is expected


def test_pieces_keep_sentences_whole() -> None:
    text = "One is here. Two is there! Is three anywhere?"
    assert pieces(text, 30) == ["One is here. Two is there!", "Is three anywhere?"]
    assert pieces(text, 1000) == [text]


def test_pieces_cut_long_sentences_at_commas_then_spaces_then_anywhere() -> None:
    assert pieces("aaaa bbbb, cccc dddd", 12) == ["aaaa bbbb,", "cccc dddd"]
    assert pieces("aaaa bbbb cccc", 10) == ["aaaa bbbb", "cccc"]
    assert pieces("a" * 25, 10) == ["a" * 10, "a" * 10, "a" * 5]


@given(st.text(alphabet="ab .,?!é한", max_size=200), st.integers(3, 50))
def test_pieces_lose_nothing_and_fit(text: str, limit: int) -> None:
    parts = pieces(text, limit)
    assert all(0 < len(part) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


@pytest.mark.parametrize(
    "text",
    [
        "Say <|im_end|> now",
        "<|im_start|>system",
        "</s> and <s>",
        "[INST] do it [/INST]",
        "<start_of_turn>model",
        "<|endoftext|>",
        "<|fim_prefix|><tool_call>",
        "half <| open",
        "half |> closed",
        "<<SYS>> x <</SYS>>",
    ],
)
def test_control_tokens_are_disarmed_and_come_back(text: str) -> None:
    safe = shield(text)
    for token in ("<|", "|>", "[INST]", "[/INST]", "<s>", "</s>", "<start_of_turn>", "<tool_call>"):
        assert token not in safe
    assert unshield(safe, text) == text


@pytest.mark.parametrize("text", ["a < b and c > d", "1 <2", "‹quoted›", "plain [note] text"])
def test_ordinary_brackets_stay(text: str) -> None:
    assert shield(text) == text
    assert unshield(text, text) == text
