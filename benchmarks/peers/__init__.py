"""The servers that are measured, one module each: how it is started, and how it is spoken to."""
