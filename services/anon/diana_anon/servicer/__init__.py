"""The services that anon answers for, over the core: one module a service."""
