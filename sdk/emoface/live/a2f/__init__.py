"""A door for clients of NVIDIA Audio2Face-3D: the gRPC service that they call, spoken by our voices.

`messages` has the public names and numbers of their protocol, `parameters` what of theirs ours has, `door` the service.
Needs the extra `[serve]`.
"""
