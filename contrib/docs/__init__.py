"""What can be looked up about lnpd? Pages that are printed from the tables of the code (`make docs`)."""
