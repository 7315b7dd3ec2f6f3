"""An emulated ARM core: an aarch64 userland, QEMU's user-mode emulator, and a plugin that counts.

Nothing of it is installed into the system: all lies in one folder of the user's cache.
"""
