"""The drivers of channels: mailboxes, transactions, signatures after the commit."""
