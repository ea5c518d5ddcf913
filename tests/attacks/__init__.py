"""Attacks on projects that run as in production."""
