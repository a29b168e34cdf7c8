"""What authors of paglets write against."""
