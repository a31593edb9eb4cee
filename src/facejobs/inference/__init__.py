"""Published models on ONNX Runtime."""
