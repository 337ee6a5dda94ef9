"""lnpd: start the daemon with python -m lnpd."""

import sys

from lnpd.cli.loading import loading

with loading():
    from lnpd.cli.daemon import main

sys.exit(main())
