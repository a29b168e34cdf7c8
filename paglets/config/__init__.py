"""Settings of a host and its launch configuration."""
