"""Asks nslp's server to make PID the last one: client.py SOCKET PID. Exit status 0 when it is."""
import socket
import struct
import sys

with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
    client.bind("")  # an abstract address that the kernel chooses, to which the answer comes
    client.connect(sys.argv[1])
    client.send(struct.pack("=I", int(sys.argv[2])))
    sys.exit(client.recv(1)[0])
