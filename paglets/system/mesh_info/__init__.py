"""`mesh-info`: what all hosts of the mesh have to offer, and which of them suit a need."""
