"""What every request goes through, whatever the framework."""
