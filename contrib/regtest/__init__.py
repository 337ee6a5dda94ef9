"""How does one get a bitcoind on regtest?"""
