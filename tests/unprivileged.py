"""Run a command that permissions hold for, also where the tests run as root."""

from __future__ import annotations

import os
import shutil

import pytest

_DROPPED = "-dac_override,-dac_read_search"

# root passes over permissions by two capabilities
PREFIX = [] if os.geteuid() else ["setpriv", f"--inh-caps={_DROPPED}", f"--bounding-set={_DROPPED}"]

needs_permissions = pytest.mark.skipif(
    bool(PREFIX) and not shutil.which("setpriv"), reason="root without setpriv passes over permissions"
)
