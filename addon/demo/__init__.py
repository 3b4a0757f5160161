"""A stage to show motion on: a mannequin in a basketball kit, a ball, a floor, light, and a sheet of pictures."""
