"""Voices over any wire: what a WebSocket server, a gRPC server, an agent framework or a sender needs of a stream.

`LiveVoice` is one voice without clocks, threads or sockets; `LiveHost` runs many of them in worker processes behind
asyncio; `codes` says in one table why a voice is refused or ends. Protocols are thin modules on top.
"""
