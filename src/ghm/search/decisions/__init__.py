"""What is run next: functions of settings and recorded outcomes, which neither run nor write anything."""
