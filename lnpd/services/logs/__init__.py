"""What does the node say of what it does, to whom, and what does it never say?

a record -> one line without secrets -> standard error, a file that rotates, and the last lines in memory (`lnp log`)
"""
