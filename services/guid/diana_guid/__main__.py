"""Runs the guid service: `python -m diana_guid --config FILE`."""

from __future__ import annotations

from pathlib import Path

from diana.guid.v1 import guid_service_pb2, key_service_pb2
from diana.guid.v1.guid_service_pb2_grpc import add_GuidServiceServicer_to_server
from diana.guid.v1.key_service_pb2_grpc import add_KeyServiceServicer_to_server
from diana_guid.config import DomainConfig, GuidConfig, Scheme, Uids
from diana_guid.core import DEFAULT_DOMAIN, Diana2Options, Domain, DomainKeys, GuidMint, KeyedOptions
from diana_guid.servicer import GuidServicer, KeyServicer
from diana_guid.stores import FileKeyStore, KeyFile, SealingKeyFile
from diana_server.callers import BearerTokens
from diana_server.config import read_config
from diana_server.server import Server, run_service


def make_server(config: GuidConfig) -> Server:
    """The service, ready to start. The mint is healthy while the keys of all domains can be loaded.

    Those who handle keys are served even then: they may bring the one that is missing.
    """
    domains = {DEFAULT_DOMAIN: DomainConfig(), **config.domains}
    keys = FileKeyStore({name: _key_file(config.state_dir, name, one) for name, one in domains.items()})
    mint = GuidMint([Domain(name, _options(one)) for name, one in domains.items()], keys)
    server = Server("guid", config.server)
    server.add(
        guid_service_pb2.DESCRIPTOR.services_by_name["GuidService"],
        add_GuidServiceServicer_to_server,
        GuidServicer(mint, BearerTokens(config.mint_tokens, "mint_tokens") if config.mint_tokens else None),
        ready=mint.check_ready,
    )
    server.add(
        key_service_pb2.DESCRIPTOR.services_by_name["KeyService"],
        add_KeyServiceServicer_to_server,
        KeyServicer(
            DomainKeys(mint, keys, SealingKeyFile(config.state_dir / "sealing.key")),
            BearerTokens(config.key_tokens, "key_tokens"),
        ),
        ready=lambda: None,
    )
    return server


def _options(domain: DomainConfig) -> KeyedOptions | Diana2Options:
    if domain.scheme is Scheme.DIANA2:
        return Diana2Options(domain.uids is Uids.KEYED)
    return KeyedOptions(
        domain.subject_key.value, domain.birth_date_days, domain.time_offset_days, seconds=domain.seconds
    )


def _key_file(state_dir: Path, name: str, domain: DomainConfig) -> KeyFile:
    create = domain.key_file is None if domain.create_key is None else domain.create_key
    return KeyFile(domain.key_file or state_dir / "keys" / f"{name}.key", create, ours=domain.key_file is None)


def main() -> None:
    """Serve until told to stop."""
    run_service("guid", lambda: make_server(read_config(GuidConfig, "guid")))


if __name__ == "__main__":
    main()
