"""The hosted services as small real HTTP servers, with consistent state and a bill of their own."""
