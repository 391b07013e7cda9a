"""Whether the installed files are those of a release: SHA-256 of each, against a manifest signed with Ed25519.

Needs Python and `cryptography`, and nothing of the rest of DIANA mesh: `python -m diana_cli.integrity` of a copy that
is trusted can look at another one (docs/verify.md).
"""
