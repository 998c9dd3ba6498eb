"""The schema: complete, described, with examples, and honest about errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from onevoice.server.app import create_app
from onevoice.server.openapi import TAGS
from onevoice.server.settings import load_settings

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return create_app(load_settings(), worker=False).openapi()


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            assert method in METHODS, f"{path}: {method}"
            yield f"{method.upper()} {path}", operation


def test_it_is_made_once_and_is_openapi_3_1() -> None:
    app = create_app(load_settings(), worker=False)
    assert app.openapi() is app.openapi()
    assert app.openapi()["openapi"].startswith("3.1")


def test_every_path_is_versioned(schema: dict[str, Any]) -> None:
    assert [path for path in schema["paths"] if not path.startswith("/v1/")] == []


def test_clients_generate_one_function_for_each_operation(schema: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(schema)]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name.islower() for name in names)


def test_every_operation_is_described_and_has_its_place(schema: dict[str, Any]) -> None:
    known = {tag["name"] for tag in TAGS}
    assert {tag["name"] for tag in schema["tags"]} == known
    for name, operation in operations(schema):
        assert operation.get("description"), name
        assert set(operation["tags"]) <= known and operation["tags"], name


def test_every_operation_may_answer_with_a_problem(schema: dict[str, Any]) -> None:
    shared = schema["components"]["responses"]
    for name, operation in operations(schema):
        answers = operation["responses"]
        for status in ("400", "401", "402", "403", "404", "409", "413", "422", "429"):
            assert answers[status] == {"$ref": f"#/components/responses/{status}"}, name
        assert "503" in answers, name
    for answer in shared.values():
        assert list(answer["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in str(schema)


def test_what_needs_a_login_says_so(schema: dict[str, Any]) -> None:
    open_ = {name for name, operation in operations(schema) if not operation.get("security")}
    assert open_ == {
        "POST /v1/auth/register",
        "POST /v1/auth/verify",
        "POST /v1/auth/verify/resend",
        "POST /v1/auth/login",
        "POST /v1/auth/refresh",
        "POST /v1/auth/password/forgot",
        "POST /v1/auth/password/reset",
        "GET /v1/billing/plans",
        "POST /v1/webhooks/paddle",
        "GET /v1/health/live",
        "GET /v1/health/ready",
        "GET /v1/version",
    }


def test_posts_that_cost_take_an_idempotency_key(schema: dict[str, Any]) -> None:
    taking = {
        name
        for name, operation in operations(schema)
        if any(one["name"] == "idempotency-key" for one in operation.get("parameters", ()))
    }
    assert taking == {
        "POST /v1/videos",
        "POST /v1/videos/import",
        "POST /v1/jobs",
        "POST /v1/jobs/{job_id}/confirm",
        "POST /v1/jobs/{job_id}/retry",
        "POST /v1/jobs/{job_id}/redub",
        "POST /v1/billing/checkout",
    }


def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for one in value.values():
                yield from references(one)
        elif isinstance(value, list):
            for one in value:
                yield from references(one)

    found = set(references(schema))
    assert found
    for reference in found:
        target: Any = schema
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def bodies(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, operation in operations(schema):
        body = operation.get("requestBody")
        if body is not None:
            content = body["content"]["application/json"]["schema"]
            for option in (content, *content.get("anyOf", ())):
                if "$ref" in option:
                    yield name, schema["components"]["schemas"][option["$ref"].rsplit("/", 1)[1]]


def test_bodies_take_nothing_that_is_not_described(schema: dict[str, Any]) -> None:
    for name, model in bodies(schema):
        assert model.get("additionalProperties") is False, name


def test_required_fields_of_bodies_have_examples(schema: dict[str, Any]) -> None:
    for name, model in bodies(schema):
        for field in model.get("required", ()):
            about = model["properties"][field]
            # Tokens of mails and sessions are nothing one makes up.
            assert about.get("examples") or "token" in field or "$ref" in str(about), (name, field)


def test_texts_and_lists_of_bodies_have_an_end(schema: dict[str, Any]) -> None:
    """Nobody can send a text or list of any length, however deep in a body it is."""

    def endless(value: Any, where: str) -> Iterator[str]:
        if isinstance(value, dict):
            if "$ref" in value:
                name = value["$ref"].rsplit("/", 1)[1]
                yield from endless(schema["components"]["schemas"][name], f"{where} ({name})")
            closed = "enum" in value or "const" in value
            if value.get("type") == "string" and "maxLength" not in value and not closed:
                yield where
            if value.get("type") == "array" and "maxItems" not in value:
                yield where
            for key, one in value.items():
                yield from endless(one, f"{where}.{key}")
        elif isinstance(value, list):
            for one in value:
                yield from endless(one, where)

    found = {place for name, model in bodies(schema) for place in endless(model, name)}
    assert found == set()
