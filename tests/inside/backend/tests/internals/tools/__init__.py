"""Tests of dev, the doctor, check and copy-database."""
