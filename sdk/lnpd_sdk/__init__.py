"""What an author of an lnpd plugin imports."""
