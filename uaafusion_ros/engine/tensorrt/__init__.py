"""TensorRT: engines built on the machine, trusted only from its own cache, and checked."""
