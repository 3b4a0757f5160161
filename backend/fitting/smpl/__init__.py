"""The SMPL family of bodies: a small file of the joints of a user's own model, and fits of them to motions."""
