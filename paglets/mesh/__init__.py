"""Who is in the mesh: SWIM membership with Lifeguard's suspicion, and multicast beacons."""
