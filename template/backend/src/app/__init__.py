"""Yours: the assistant, its tools, the routes, the tables."""
