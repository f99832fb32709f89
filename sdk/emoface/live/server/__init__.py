"""Doors for voices over the network; needs `websockets`."""
