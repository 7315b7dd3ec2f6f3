"""What agents of every family share: networks, soft actor-critic, replay, compiled updates."""
