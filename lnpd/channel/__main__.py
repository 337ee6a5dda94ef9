"""What does the table of transitions look like on paper?"""

import sys

from lnpd.channel import step
from lnpd.channel.table import printed

assert step.HANDLERS  # the handlers have registered themselves
sys.stdout.write(printed())
