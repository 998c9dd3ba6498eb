"""Signatures of webhooks, verified by the library that receivers use."""

from __future__ import annotations

import base64
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from onevoice.server.webhooks import signature

BODY = '{"id":"whd_1","type":"job.done","data":{"title":"한국어 “quoted”"}}'.encode()


def test_receivers_verify_it() -> None:
    secret = signature.new_secret()
    sent = signature.headers(secret, message_id="whd_1", timestamp=int(time.time()), body=BODY)

    read = Webhook(secret).verify(BODY, sent)

    assert read["type"] == "job.done"


def test_the_example_of_the_specification() -> None:
    # https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    made = signature.sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )

    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("change", ["body", "id", "timestamp", "secret", "stale"])
def test_what_was_changed_is_refused(change: str) -> None:
    secret = signature.new_secret()
    at = int(time.time()) - (600 if change == "stale" else 0)
    sent = signature.headers(secret, message_id="whd_1", timestamp=at, body=BODY)
    body = BODY.replace(b"job.done", b"job.fail") if change == "body" else BODY
    if change == "id":
        sent["webhook-id"] = "whd_2"
    if change == "timestamp":
        sent["webhook-timestamp"] = str(at + 1)
    verifier = Webhook(signature.new_secret() if change == "secret" else secret)

    with pytest.raises(WebhookVerificationError):
        verifier.verify(body, sent)


def test_secrets_are_long_and_differ() -> None:
    made = {signature.new_secret() for _ in range(50)}

    assert len(made) == 50
    for secret in made:
        assert secret.startswith("whsec_")
        assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) >= 24
