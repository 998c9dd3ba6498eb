"""Alembic's migrations, in order; run by ``onevoice db upgrade``."""
