"""What is known of the model: three answers that check each other."""
