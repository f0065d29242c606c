"""What touches the machine: whole files, sealed records, safe reading, platforms, text for people."""
