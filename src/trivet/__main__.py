"""`python -m trivet`: the command line, where `trivet` itself is not on the path."""

from __future__ import annotations

import sys

from trivet.cli import main

sys.exit(main())
