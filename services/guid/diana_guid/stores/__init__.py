"""Where domain keys live: in memory, or in files."""

from diana_guid.stores.key_files import FileKeyStore, KeyFile
from diana_guid.stores.memory import MemoryKeyStore
from diana_guid.stores.sealing_file import SealingKeyFile
from diana_guid.stores.secret_files import KeyFileExposed

__all__ = ["FileKeyStore", "KeyFile", "KeyFileExposed", "MemoryKeyStore", "SealingKeyFile"]
