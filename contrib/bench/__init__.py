"""How fast is lnpd beside what its machine could do, and beside others that do the same?"""
