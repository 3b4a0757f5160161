"""MVLift: from the 2D poses of one video to motion in the world; its four stages and `lift`."""
