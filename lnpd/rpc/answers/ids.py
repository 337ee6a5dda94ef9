"""How are ids and bytes written in an answer? All of them are text; __init__.py says how each is written."""

Hex = str
NodeId = str
ChannelId = str
Txid = str
Outpoint = str
