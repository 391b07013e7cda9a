"""The Clean Pixel Data Option (PS3.15 E.3.1): what is burned into an image is found and blanked, in every frame."""
