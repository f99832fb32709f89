"""A human head of MakeHuman's CC0 data: geometry, ARKit's shapes, texture and any number of persons of one topology."""
