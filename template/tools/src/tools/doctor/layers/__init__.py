"""All checks, layer by layer: what a layer needs stands in those before it."""

from tools.doctor.layers import (
    backend,
    database,
    files,
    history,
    model,
    network,
    page,
    programs,
    proxy,
    repository,
    round_trip,
)

CHECKS = (
    *programs.CHECKS,
    *files.CHECKS,
    *database.CHECKS,
    *backend.CHECKS,
    *network.CHECKS,
    *proxy.CHECKS,
    *page.CHECKS,
    *model.CHECKS,
    *repository.CHECKS,
)

ROUND_TRIP = (*round_trip.CHECKS, *history.CHECKS)
"""Those that are asked for by name, since they write, and may cost something."""
