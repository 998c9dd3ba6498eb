"""The hosted service: the same engine behind an HTTP API, with accounts, storage and billing."""
