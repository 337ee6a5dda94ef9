"""Where do a node's services run? The stories that matter most are told in both configurations."""

WHERE = (False, True)  # of `Network`'s `apart`
PLACES = ("one process", "signer and chain apart")
