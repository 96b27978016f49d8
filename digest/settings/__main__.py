"""``python -m digest.settings`` prints ``.env.example``."""

import sys

from digest.settings import env_example

sys.stdout.write(env_example())
