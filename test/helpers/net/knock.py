"""knock.py: for each path on stdin, connects to it as a front end and says "in" where the switch talks to it.

It goes on with the connection until the next path, and leaves it at an empty line.
"""

import socket
import struct
import sys

GET_FEATURES = struct.pack("<III", 1, 1, 0)

connection = None
for line in sys.stdin:
    if connection is not None:
        connection.close()
        connection = None
    path = line.rstrip("\n")
    answer = "left"
    if path:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(path)
            connection.sendall(GET_FEATURES)
            answer = "in" if len(connection.recv(20)) == 20 else "out"
        except OSError as error:
            answer = "out" if isinstance(error, (BrokenPipeError, ConnectionResetError)) else str(error)
    print(answer, flush=True)
