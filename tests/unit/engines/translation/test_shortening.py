import pytest

from onevoice.engines.base import CancelToken
from onevoice.engines.translation.candidates import Candidate
from onevoice.engines.translation.shortening import shorter
from tests.unit.engines.translation.fake_model import FakeModel

TEXT = "I would really like to thank all of you for coming here today."
LONG = "Me gustaría mucho darles las gracias a todos por haber venido hoy aquí."


def run(*answers: str, budget: int = 40) -> tuple[Candidate, FakeModel]:
    model = FakeModel(*answers)
    found = shorter(
        model,
        TEXT,
        LONG,
        source="en",
        target="es",
        budget=budget,
        attempts=3,
        cancel=CancelToken(),
    )
    return found, model


def test_an_answer_within_the_budget_is_taken() -> None:
    found, model = run("Gracias a todos por venir hoy.")
    assert found == Candidate("Gracias a todos por venir hoy.")
    assert len(model.asked) == 1


def test_a_shorter_answer_that_is_still_too_long_is_worked_on() -> None:
    middle = "Me gustaría darles las gracias a todos por venir."
    found, model = run(middle, "Gracias a todos por venir hoy.")
    assert found.text == "Gracias a todos por venir hoy."
    assert middle in model.asked[1]["messages"][-1]["content"]


@pytest.mark.parametrize(
    "answer",
    [
        LONG,
        LONG + " Y más.",
        "Obrigado a você por vir hoje.",
        "Thank you all for coming.",
        "Hola.",
        "",
        "너무 길어요.",
    ],
)
def test_an_answer_that_is_no_improvement_changes_nothing(answer: str) -> None:
    found, model = run(answer)
    assert found.text == LONG or len(found.text) < len(LONG)
    if answer in {LONG, "Hola.", "", "너무 길어요.", "Obrigado a você por vir hoje."}:
        assert found == Candidate(LONG, ("too_long",))
        assert len(model.asked) == 3


def test_still_too_long_is_a_problem() -> None:
    found, _ = run("Me gustaría darles las gracias a todos por venir.", budget=20)
    assert found.problems[0] == "too_long"
