"""Put a take on an armature."""
