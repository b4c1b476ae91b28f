"""What bytes are: each form of an input, and how it becomes blocks of whole lines."""
