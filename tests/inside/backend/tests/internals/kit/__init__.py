"""Tests of the kit's modules."""
