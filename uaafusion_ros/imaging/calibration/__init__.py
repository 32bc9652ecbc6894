"""Finding the homography between two cameras from images that show the same things."""
