"""`server-info`: what the machine of a host has and does now."""
