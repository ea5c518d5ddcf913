"""Tests of what the kit and the tools are made of."""
