"""terminal.py COLUMNS ROWS COMMAND...: runs the command on a terminal of its own of that size.

What comes in on stdin is typed, what the terminal shows goes to stdout; ends as the command does. When stdin
ends the terminal is hung up.
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios


def pump(master):
    """Passes bytes both ways until nobody has the terminal open any more."""
    sources = [master, 0]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if 0 in ready:
            typed = os.read(0, 4096)
            if not typed:
                return
            os.write(master, typed)
        if master in ready:
            try:
                shown = os.read(master, 4096)
            except OSError:  # EIO is how Linux says that the other side is closed
                return
            if not shown:
                return
            os.write(1, shown)


def main():
    columns, rows = int(sys.argv[1]), int(sys.argv[2])
    child, master = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.execvp(sys.argv[3], sys.argv[3:])
    pump(master)
    os.close(master)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    sys.exit(code if code >= 0 else 128 - code)


main()
