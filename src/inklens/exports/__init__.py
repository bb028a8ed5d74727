"""A model for programs that have no inklens: as JSON, as ONNX, and as a C header."""
