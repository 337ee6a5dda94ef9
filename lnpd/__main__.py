"""lnpd: start the daemon with python -m lnpd."""

import sys

from lnpd.cli.daemon import main

sys.exit(main())
