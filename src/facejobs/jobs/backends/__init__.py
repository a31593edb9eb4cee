"""Where jobs run. Every backend offers the same few actions, and says what it cannot do before anything is sent."""
