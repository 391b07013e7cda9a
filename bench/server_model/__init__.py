"""Which gRPC server to build on: threads (`grpc.server`) or asyncio (`grpc.aio`), measured the way the mesh uses it.

Raw bytes over generic handlers, so that only the server model differs. `python -m bench.server_model`.
"""
