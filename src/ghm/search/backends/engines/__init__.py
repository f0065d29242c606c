"""What ``--executor`` opens, a module each, which is imported when it is asked for."""
