"""What an installation is told, checked once: the environment, and a ``.env`` where it is run.

Every name starts with ``DIGEST_``; ``__`` leads into a group. The environment wins over the file.
"""

from digest.settings.example import env_example
from digest.settings.fields import Settings
from digest.settings.reading import ENV_FILE, database_url_of, keyring, load_settings
from digest.settings.values import is_loopback, read_public_url

__all__ = [
    "ENV_FILE",
    "Settings",
    "database_url_of",
    "env_example",
    "is_loopback",
    "keyring",
    "load_settings",
    "read_public_url",
]
