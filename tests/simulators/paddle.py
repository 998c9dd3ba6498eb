"""Paddle: customers, payments, subscriptions, refunds, and the events about them.

What a buyer does is a method (``pay``, ``refund``, ``set_status`` …): it changes the account's
state and appends the events that Paddle sends to ``events``, oldest first;
:mod:`tests.simulators.paddle_webhooks` signs and delivers them. Everything the API answers parses
with Paddle's own SDK.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from onevoice.server.ids import new_id
from tests.simulators.base import Answer, Request, Routes, SimulatorServer, answer_json, main

MONTH = timedelta(days=30)
TAX = Decimal("0.10")


class PaddleSimulator(SimulatorServer):
    """One seller's account. Option ``prices``: price ids -> ``(amount in cents, monthly)``."""

    def setup(self, **options: Any) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.events: list[dict[str, Any]] = []
        for kind in ("prices", "products", "customers", "transactions", "subscriptions"):
            self.state[kind] = {}
        self.state["adjustments"] = {}
        self.state["invoices"] = 0
        prices: dict[str, tuple[int, bool]] = options.get("prices", {})
        for price_id, (cents, monthly) in prices.items():
            self._add_price(price_id, cents, monthly=monthly)

    def routes(self) -> Routes:
        return {
            ("POST", "/customers"): self._create_customer,
            ("GET", "/customers"): self._list_customers,
            ("GET", "/customers/{id}"): self._getter("customers"),
            ("POST", "/customers/{id}/portal-sessions"): self._create_portal_session,
            ("GET", "/products/{id}"): self._getter("products"),
            ("GET", "/prices/{id}"): self._getter("prices"),
            ("POST", "/transactions"): self._create_transaction,
            ("GET", "/transactions"): self._list_transactions,
            ("GET", "/transactions/{id}"): self._getter("transactions"),
            ("GET", "/transactions/{id}/invoice"): self._invoice_pdf,
            ("GET", "/subscriptions/{id}"): self._getter("subscriptions"),
            ("POST", "/subscriptions/{id}/cancel"): self._cancel_subscription,
            ("POST", "/adjustments"): self._create_adjustment,
            ("GET", "/adjustments"): self._list_adjustments,
        }

    def error(self, status: int, message: str, code: str = "") -> Answer:
        if code == "invalid_api_key":
            status, code = 403, "forbidden"
        known = {404: "not_found", 429: "too_many_requests", 405: "method_not_allowed"}
        code = code or known.get(status, "internal_error" if status >= 500 else "bad_request")
        body = {
            "error": {
                "type": "api_error" if status >= 500 else "request_error",
                "code": code,
                "detail": message,
                "documentation_url": f"https://developer.paddle.com/errors/shared/{code}",
            },
            "meta": {"request_id": new_id("req")},
        }
        return answer_json(body, status=status)

    # -- what buyers and the seller do ---------------------------------------------------------

    def pass_time(self, amount: timedelta) -> None:
        self.now += amount

    def sell(self, price_id: str, user_id: str | None, *, quantity: int = 1) -> str:
        """A checkout for a user is begun and paid. Its transaction's id."""
        made = self._add_transaction(
            [{"price_id": price_id, "quantity": quantity}],
            origin="web",
            custom_data={"user_id": user_id} if user_id is not None else None,
        )
        self.pay(made["id"], email=f"{user_id or 'nobody'}@example.com")
        return str(made["id"])

    def subscription_of(self, transaction_id: str) -> str:
        return str(self.state["transactions"][transaction_id]["subscription_id"])

    def pay(self, transaction_id: str, *, email: str = "buyer@example.com") -> str | None:
        """A checkout is paid: the subscription it began, if it has a recurring price."""
        made = self.state["transactions"][transaction_id]
        if made["customer_id"] is None:
            known = self._customer_of(email)
            made["customer_id"] = (known or self._add_customer({"email": email}))["id"]
        subscription = None
        if any(item["price"]["billing_cycle"] for item in made["items"]):
            subscription = self._add_subscription(made)
            made["subscription_id"] = subscription["id"]
            made["billing_period"] = copy.deepcopy(subscription["current_billing_period"])
        self._complete(made)
        if subscription is None:
            return None
        self._tell("subscription.created", subscription | {"transaction_id": transaction_id})
        self._tell("subscription.activated", subscription)
        return str(subscription["id"])

    def renew(self, subscription_id: str) -> str:
        """A month later: the next period is paid. Its transaction's id."""
        found = self.state["subscriptions"][subscription_id]
        start = datetime.fromisoformat(found["current_billing_period"]["ends_at"])
        self.now = max(self.now, start)
        found["status"] = "active"
        self._set_period(found, start)
        self._tell("subscription.updated", found)
        items = [{"price_id": i["price"]["id"], "quantity": i["quantity"]} for i in found["items"]]
        made = self._add_transaction(items, origin="subscription_recurring", of=found)
        self._complete(made)
        return str(made["id"])

    def change_plan(self, subscription_id: str, price_id: str, *, rate: str = "0.5") -> str:
        """Another price in the middle of a period, ``rate`` of it billed. The transaction's id."""
        found = self.state["subscriptions"][subscription_id]
        found["items"] = [self._subscription_item(price_id, 1)]
        self._tell("subscription.updated", found)
        made = self._add_transaction(
            [{"price_id": price_id, "quantity": 1}],
            origin="subscription_update",
            of=found,
            rate=rate,
        )
        self._complete(made)
        return str(made["id"])

    def change_card(self, subscription_id: str) -> str:
        """A transaction over nothing, with the subscription's items: a new card was kept."""
        found = self.state["subscriptions"][subscription_id]
        items = [{"price_id": i["price"]["id"], "quantity": i["quantity"]} for i in found["items"]]
        made = self._add_transaction(
            items, origin="subscription_payment_method_change", of=found, rate="0"
        )
        made["items"] = [item | {"proration": None} for item in made["items"]]
        self._complete(made)
        return str(made["id"])

    def set_status(self, subscription_id: str, status: str) -> None:
        """past_due, paused, active (resumed), trialing or canceled, from now on."""
        found = self.state["subscriptions"][subscription_id]
        found["status"] = status
        found["scheduled_change"] = None
        if status == "paused":
            found["paused_at"] = self._stamp()
        if status == "canceled":
            found["canceled_at"] = self._stamp()
        if status in ("paused", "canceled"):
            found["current_billing_period"] = found["next_billed_at"] = None
        known = {"active": "resumed"}
        self._tell(f"subscription.{known.get(status, status)}", found)

    def end_of_period(self, subscription_id: str) -> None:
        """The period ends: what was scheduled happens."""
        found = self.state["subscriptions"][subscription_id]
        self.now = datetime.fromisoformat(found["current_billing_period"]["ends_at"])
        change = found["scheduled_change"]
        if change is not None:
            self.set_status(subscription_id, {"cancel": "canceled"}[change["action"]])

    def refund(
        self,
        transaction_id: str,
        *,
        cents: int | None = None,
        action: str = "refund",
        reason: str = "asked for",
    ) -> str:
        """A refund (or chargeback) is asked for; refunds wait for :meth:`decide`. Its id."""
        bought = self.state["transactions"][transaction_id]
        whole = int(bought["details"]["totals"]["grand_total"])
        amount = whole if cents is None else cents
        total = {"subtotal": str(amount), "tax": "0", "total": str(amount)}
        money = {"fee": "0", "earnings": str(amount), "retained_fee": "0"}
        made = {
            "id": new_id("adj"),
            "action": action,
            "type": "full" if amount == whole else "partial",
            "transaction_id": transaction_id,
            "subscription_id": bought["subscription_id"],
            "customer_id": bought["customer_id"],
            "reason": reason,
            "credit_applied_to_balance": None,
            "currency_code": bought["currency_code"],
            "status": "pending_approval" if action == "refund" else "approved",
            "items": [
                {
                    "id": new_id("adjitm"),
                    "item_id": line["id"],
                    "type": "full" if amount == whole else "partial",
                    "amount": str(amount),
                    "proration": None,
                    "totals": total,
                }
                for line in bought["details"]["line_items"][:1]
            ],
            "totals": total | money | {"currency_code": bought["currency_code"]},
            "payout_totals": None,
            "tax_rates_used": [],
            "created_at": self._stamp(),
            "updated_at": self._stamp(),
        }
        self.state["adjustments"][made["id"]] = made
        self._tell("adjustment.created", made)
        return str(made["id"])

    def decide(self, adjustment_id: str, status: str = "approved") -> None:
        """Paddle decides about a refund: ``approved`` or ``rejected``."""
        found = self.state["adjustments"][adjustment_id]
        found["status"] = status
        self._tell("adjustment.updated", found)

    def tell(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        """An event of any kind, as it is; it is returned and kept."""
        return self._tell(kind, data)

    def told(self, *kinds: str) -> list[dict[str, Any]]:
        """The events so far of some kinds."""
        return [event for event in self.events if event["event_type"] in kinds]

    # -- the API -------------------------------------------------------------------------------

    def _create_customer(self, request: Request) -> Answer:
        asked = request.json()
        known = self._customer_of(asked["email"])
        if known is not None:
            return self.error(
                409,
                f"customer email conflicts with customer of id {known['id']}",
                "customer_already_exists",
            )
        return self._data(self._add_customer(asked), status=201)

    def _list_customers(self, request: Request) -> Answer:
        emails = request.query.get("email", "").split(",") if "email" in request.query else None
        found = [
            customer
            for customer in self.state["customers"].values()
            if emails is None or customer["email"] in emails
        ]
        return self._page(request, found)

    def _create_portal_session(self, request: Request) -> Answer:
        customer_id = request.params["id"]
        if customer_id not in self.state["customers"]:
            return self.error(404, f"customer {customer_id} is not there", "entity_not_found")
        asked = json.loads(request.body or b"{}")
        home = f"https://customer-portal.paddle.example/cpl_{customer_id}"
        session = {
            "id": new_id("cpls"),
            "customer_id": customer_id,
            "urls": {
                "general": {"overview": f"{home}?action=overview"},
                "subscriptions": [
                    {
                        "id": one,
                        "cancel_subscription": f"{home}?action=cancel&subscription_id={one}",
                        "update_subscription_payment_method": f"{home}?action=update&id={one}",
                    }
                    for one in asked.get("subscription_ids", [])
                ],
            },
            "created_at": self._stamp(),
        }
        return self._data(session, status=201)

    def _create_transaction(self, request: Request) -> Answer:
        asked = request.json()
        for item in asked["items"]:
            if item["price_id"] not in self.state["prices"]:
                return self.error(
                    400, f"price {item['price_id']} is not there", "transaction_price_not_found"
                )
        customer_id = asked.get("customer_id")
        if customer_id is not None and customer_id not in self.state["customers"]:
            return self.error(400, f"no customer {customer_id}", "transaction_customer_not_found")
        with self.lock:
            made = self._add_transaction(
                asked["items"],
                origin="api",
                customer_id=customer_id,
                custom_data=asked.get("custom_data"),
            )
        return self._data(made, status=201)

    def _list_transactions(self, request: Request) -> Answer:
        found = list(self.state["transactions"].values())
        for field, name in (("customer_id", "customer_id"), ("status", "status")):
            if name in request.query:
                wanted = request.query[name].split(",")
                found = [made for made in found if made[field] in wanted]
        return self._page(request, found)

    def _invoice_pdf(self, request: Request) -> Answer:
        made = self.state["transactions"].get(request.params["id"])
        if made is None:
            return self.error(404, "no such transaction", "entity_not_found")
        if made["invoice_id"] is None:
            return self.error(400, "it has no invoice", "transaction_invoice_not_available")
        url = f"https://paddle-invoices.example/{made['invoice_id']}.pdf?signed=yes"
        return self._data({"url": url})

    def _cancel_subscription(self, request: Request) -> Answer:
        found = self.state["subscriptions"].get(request.params["id"])
        if found is None:
            return self.error(404, "no such subscription", "entity_not_found")
        if found["status"] == "canceled":
            return self.error(400, "it is canceled", "subscription_is_canceled_action_invalid")
        with self.lock:
            if request.json().get("effective_from") == "immediately":
                self.set_status(found["id"], "canceled")
            else:
                found["scheduled_change"] = {
                    "action": "cancel",
                    "effective_at": found["current_billing_period"]["ends_at"],
                    "resume_at": None,
                }
                self._tell("subscription.updated", found)
        return self._data(found)

    def _create_adjustment(self, request: Request) -> Answer:
        asked = request.json()
        made = self.state["transactions"].get(asked["transaction_id"])
        if made is None:
            return self.error(404, "no such transaction", "entity_not_found")
        if asked["action"] != "refund" or asked.get("type") != "full" or "items" in asked:
            return self.error(400, "only full refunds are simulated", "bad_request")
        if made["status"] != "completed":
            return self.error(
                400,
                f"The transaction being adjusted (refund) has a non supported status. "
                f"ID: {made['id']}",
                "adjustment_transaction_invalid_status_for_refund",
            )
        with self.lock:
            if any(
                known["transaction_id"] == made["id"] and known["status"] == "pending_approval"
                for known in self.state["adjustments"].values()
            ):
                return self.error(
                    400, "there is a pending refund request", "adjustment_pending_refund_request"
                )
            if any(
                known["transaction_id"] == made["id"]
                and (known["type"], known["status"]) == ("full", "approved")
                for known in self.state["adjustments"].values()
            ):
                return self.error(
                    400,
                    "one of the transaction items has already been adjusted in full",
                    "adjustment_transaction_item_has_already_been_fully_adjusted",
                )
            adjustment_id = self.refund(made["id"], reason=asked["reason"])
        return self._data(self.state["adjustments"][adjustment_id], status=201)

    def _list_adjustments(self, request: Request) -> Answer:
        found = list(self.state["adjustments"].values())
        for name in ("id", "transaction_id", "subscription_id", "customer_id", "status", "action"):
            if name in request.query:
                wanted = request.query[name].split(",")
                found = [made for made in found if made[name] in wanted]
        return self._page(request, found)

    def _getter(self, kind: str) -> Any:
        def get(request: Request) -> Answer:
            found = self.state[kind].get(request.params["id"])
            if found is None:
                message = f"{kind[:-1]} {request.params['id']} is not there"
                return self.error(404, message, "entity_not_found")
            return self._data(found)

        return get

    def _data(self, data: Any, *, status: int = 200) -> Answer:
        return answer_json({"data": data, "meta": {"request_id": new_id("req")}}, status=status)

    def _page(self, request: Request, found: Iterable[dict[str, Any]]) -> Answer:
        descending = request.query.get("order_by", "id[asc]").endswith("[desc]")
        rows = sorted(found, key=lambda row: str(row["id"]), reverse=descending)
        total, size = len(rows), int(request.query.get("per_page", "50"))
        after = request.query.get("after")
        if after is not None:
            rows = [row for row in rows if (row["id"] < after) == descending and row["id"] != after]
        page, more = rows[:size], len(rows) > size
        last = page[-1]["id"] if page else ""
        pagination = {
            "per_page": size,
            "next": f"https://api.paddle.com{request.path}?after={last}",
            "has_more": more,
            "estimated_total": total,
        }
        return answer_json(
            {"data": page, "meta": {"request_id": new_id("req"), "pagination": pagination}}
        )

    # -- state ---------------------------------------------------------------------------------

    def _stamp(self, at: datetime | None = None) -> str:
        return (at or self.now).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _tell(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            self.now += timedelta(milliseconds=10)  # no two things happen at once here
            if "updated_at" in data:
                data["updated_at"] = self._stamp()
            event = {
                "event_id": new_id("evt"),
                "event_type": kind,
                "occurred_at": self._stamp(),
                "data": copy.deepcopy(data),
            }
            self.events.append(event)
            return event

    def _add_price(self, price_id: str, cents: int, *, monthly: bool) -> None:
        product_id = new_id("pro")
        dates = {"created_at": self._stamp(), "updated_at": self._stamp()}
        self.state["products"][product_id] = {
            "id": product_id,
            "name": "Minutes",
            "description": None,
            "type": "standard",
            "tax_category": "saas",
            "image_url": None,
            "custom_data": None,
            "status": "active",
            "import_meta": None,
        } | dates
        self.state["prices"][price_id] = {
            "id": price_id,
            "product_id": product_id,
            "name": "Monthly" if monthly else "Once",
            "description": "Minutes of dubbing",
            "type": "standard",
            "billing_cycle": {"interval": "month", "frequency": 1} if monthly else None,
            "trial_period": None,
            "tax_mode": "account_setting",
            "unit_price": {"amount": str(cents), "currency_code": "USD"},
            "unit_price_overrides": [],
            "quantity": {"minimum": 1, "maximum": 10},
            "status": "active",
            "custom_data": None,
            "import_meta": None,
        } | dates

    def _customer_of(self, email: str) -> dict[str, Any] | None:
        return next(
            (
                customer
                for customer in self.state["customers"].values()
                if customer["email"].casefold() == email.casefold()
            ),
            None,
        )

    def _add_customer(self, asked: dict[str, Any]) -> dict[str, Any]:
        made = {
            "id": new_id("ctm"),
            "name": asked.get("name"),
            "email": asked["email"],
            "marketing_consent": False,
            "status": "active",
            "locale": asked.get("locale", "en"),
            "custom_data": asked.get("custom_data"),
            "import_meta": None,
            "created_at": self._stamp(),
            "updated_at": self._stamp(),
        }
        self.state["customers"][made["id"]] = made
        self._tell("customer.created", made)
        return made

    def _add_transaction(
        self,
        items: list[dict[str, Any]],
        *,
        origin: str,
        of: dict[str, Any] | None = None,
        customer_id: str | None = None,
        custom_data: dict[str, Any] | None = None,
        rate: str = "1",
    ) -> dict[str, Any]:
        """A transaction, of a subscription where it has one: whose custom data it inherits."""
        period = copy.deepcopy(of["current_billing_period"]) if of else None
        proration = {"rate": rate, "billing_period": period} if rate != "1" else None
        lines, due = [], Decimal(0)
        for item in items:
            price = self.state["prices"][item["price_id"]]
            unit = (Decimal(price["unit_price"]["amount"]) * Decimal(rate)).quantize(
                Decimal(1), ROUND_HALF_UP
            )
            due += unit * item["quantity"]
            lines.append(
                {
                    "id": new_id("txnitm"),
                    "price_id": price["id"],
                    "quantity": item["quantity"],
                    "proration": proration,
                    "tax_rate": str(TAX),
                    "unit_totals": _totals(unit),
                    "totals": _totals(unit * item["quantity"]),
                    "product": self.state["products"][price["product_id"]],
                }
            )
        totals = _totals(due)
        made = {
            "id": new_id("txn"),
            "status": "ready",
            "customer_id": of["customer_id"] if of else customer_id,
            "address_id": None,
            "business_id": None,
            "custom_data": of["custom_data"] if of else custom_data,
            "currency_code": "USD",
            "origin": origin,
            "subscription_id": of["id"] if of else None,
            "invoice_id": None,
            "invoice_number": None,
            "collection_mode": "automatic",
            "discount_id": None,
            "billing_details": None,
            "billing_period": period,
            "items": [
                {
                    "price": self.state["prices"][item["price_id"]],
                    "quantity": item["quantity"],
                    "proration": proration,
                }
                for item in items
            ],
            "details": {
                "tax_rates_used": [{"tax_rate": str(TAX), "totals": totals}],
                "totals": totals
                | {
                    "credit": "0",
                    "credit_to_balance": "0",
                    "balance": totals["total"],
                    "grand_total": totals["total"],
                    "grand_total_tax": totals["tax"],
                    "fee": None,
                    "earnings": None,
                    "currency_code": "USD",
                },
                "adjusted_totals": None,
                "payout_totals": None,
                "adjusted_payout_totals": None,
                "line_items": lines,
            },
            "payments": [],
            "checkout": None,
            "created_at": self._stamp(),
            "updated_at": self._stamp(),
            "billed_at": None,
            "revised_at": None,
        }
        made["checkout"] = {"url": f"https://pay.example/checkout?_ptxn={made['id']}"}
        self.state["transactions"][made["id"]] = made
        self._tell("transaction.created", made)
        return made

    def _complete(self, made: dict[str, Any]) -> None:
        self.state["invoices"] += 1
        made["invoice_id"] = new_id("inv")
        made["invoice_number"] = f"325-{10_000 + self.state['invoices']}"
        made["billed_at"] = self._stamp()
        totals = made["details"]["totals"]
        totals["balance"] = "0"
        made["payments"] = [
            {
                "payment_attempt_id": "3f9a3e2c-0000-4000-8000-000000000000",
                "payment_method_id": new_id("paymtd"),
                "stored_payment_method_id": "8f72f3a0-0000-4000-8000-000000000000",
                "amount": totals["grand_total"],
                "status": "captured",
                "error_code": None,
                "method_details": {"type": "paypal", "card": None},
                "created_at": self._stamp(),
                "captured_at": self._stamp(),
            }
        ]
        for status in ("paid", "completed"):
            made["status"] = status
            self._tell(f"transaction.{status}", made)

    def _subscription_item(self, price_id: str, quantity: int) -> dict[str, Any]:
        price = self.state["prices"][price_id]
        return {
            "status": "active",
            "quantity": quantity,
            "recurring": True,
            "created_at": self._stamp(),
            "updated_at": self._stamp(),
            "previously_billed_at": self._stamp(),
            "next_billed_at": self._stamp(self.now + MONTH),
            "trial_dates": None,
            "price": price,
            "product": self.state["products"][price["product_id"]],
        }

    def _add_subscription(self, bought: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {
            "id": new_id("sub"),
            "status": "active",
            "customer_id": bought["customer_id"],
            "address_id": new_id("add"),
            "business_id": None,
            "currency_code": bought["currency_code"],
            "created_at": self._stamp(),
            "updated_at": self._stamp(),
            "started_at": self._stamp(),
            "first_billed_at": self._stamp(),
            "next_billed_at": None,
            "paused_at": None,
            "canceled_at": None,
            "discount": None,
            "collection_mode": "automatic",
            "billing_details": None,
            "current_billing_period": None,
            "billing_cycle": {"interval": "month", "frequency": 1},
            "scheduled_change": None,
            "items": [
                self._subscription_item(item["price"]["id"], item["quantity"])
                for item in bought["items"]
                if item["price"]["billing_cycle"]
            ],
            "consent_requirements": [],
            "custom_data": bought["custom_data"],
            "import_meta": None,
        }
        self._set_period(made, self.now)
        self.state["subscriptions"][made["id"]] = made
        return made

    def _set_period(self, subscription: dict[str, Any], start: datetime) -> None:
        end = self._stamp(start + MONTH)
        subscription["current_billing_period"] = {"starts_at": self._stamp(start), "ends_at": end}
        subscription["next_billed_at"] = end


def _totals(subtotal: Decimal) -> dict[str, str]:
    tax = (subtotal * TAX).quantize(Decimal(1), ROUND_HALF_UP)
    return {
        "subtotal": str(subtotal),
        "discount": "0",
        "tax": str(tax),
        "total": str(subtotal + tax),
    }


if __name__ == "__main__":
    main(PaddleSimulator)
