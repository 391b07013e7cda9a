"""The contracts of the service, over its core."""

from diana_route.servicer.route import RouteServicer

__all__ = ["RouteServicer"]
