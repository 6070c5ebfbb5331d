"""`python -m hub` is `hubbub`."""

import sys

from hub.cli import main

sys.exit(main())
