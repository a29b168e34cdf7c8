"""The built-in resident agents."""
