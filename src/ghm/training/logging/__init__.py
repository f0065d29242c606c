"""What a run shows while it works: terminal, TensorBoard, figures."""
