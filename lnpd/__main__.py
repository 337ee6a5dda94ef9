"""lnpd: start the daemon with python -m lnpd."""
