"""Invoices and onion payloads."""
