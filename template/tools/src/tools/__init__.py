"""What whoever works on the project types: dev, check, doctor, copy-database."""
