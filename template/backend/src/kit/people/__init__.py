"""The identity of whoever sends a request, and the limits for them."""
