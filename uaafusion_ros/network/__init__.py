"""The UAAFusion network in PyTorch: unfolding fusion, segmentation, attribution, export."""
